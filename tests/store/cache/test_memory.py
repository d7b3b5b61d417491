"""The cache in memory holds what was used last; levels stand before each other."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from qstore_tf.errors import ConfigurationError
from qstore_tf.store.cache.levels import Levels, open_levels
from qstore_tf.store.cache.memory import MemoryCache, weight
from qstore_tf.testing.daily import daily_seed


def test_it_does_what_a_list_in_order_of_use_does():
    rng = np.random.default_rng([daily_seed(), 61])
    cache, held = MemoryCache(3000), []
    for step in range(2000):
        key = str(rng.integers(12))
        if rng.random() < 0.5:
            value = {"x": np.full(int(rng.integers(0, 80)), step)}
            cache.put_many({key: value})
            held = [(k, v) for k, v in held if k != key] + [(key, value)]
            while sum(len(k) + weight(v) for k, v in held) > 3000:
                held.pop(0)
        else:
            [found] = cache.get_many([key])
            expected = dict(held).get(key)
            assert (found is None) == (expected is None)
            if found is not None:
                np.testing.assert_array_equal(found["x"], expected["x"])
                held = [(k, v) for k, v in held if k != key] + [(key, expected)]
        assert cache.stats.held_bytes == sum(len(k) + weight(v) for k, v in held)
    assert cache.stats.hits > 100
    assert cache.stats.misses > 100
    cache.close()
    assert cache.get_many(["1"]) == [None]
    assert cache.stats.held_bytes == 0


def test_what_is_larger_than_all_of_it_is_left_out():
    cache = MemoryCache(1000)
    cache.put_many({"a": {"x": 1}})
    cache.put_many({"a": {"x": np.zeros(1000)}, "b": {"x": 2}})
    assert cache.get_many(["a", "b"]) == [{"x": 1}, {"x": 2}]
    assert cache.stats.skipped == 1


def test_weights_are_near_what_python_takes():
    value = {"ids": [f"item {n}" for n in range(10)], "numbers": np.zeros((5, 10))}
    real = sum(map(sys.getsizeof, value["ids"])) + sys.getsizeof(value["ids"])
    real += value["numbers"].nbytes + sys.getsizeof(value) + 100
    assert 0.7 * real < weight(value) < 1.5 * real


def test_threads_share_it():
    cache = MemoryCache(5000)

    def work(number):
        for step in range(300):
            key = f"{(number + step) % 20}"
            cache.put_many({key: {"x": np.full(9, int(key))}})
            [found] = cache.get_many([key])
            assert found is None or found["x"][0] == int(key)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert cache.stats.held_bytes <= 5000
    assert cache.stats.hits + cache.stats.misses == 2400


def test_a_nearer_level_keeps_what_a_farther_one_finds():
    near, far = MemoryCache(10_000), MemoryCache(10_000)
    levels = Levels({"near": near, "far": far})
    levels.put_many({"a": {"x": 1}})
    far.put_many({"b": {"x": 2}})
    assert levels.get_many(["b", "a", "c", "b"]) == [{"x": 2}, {"x": 1}, None, {"x": 2}]
    assert near.get_many(["b"]) == [{"x": 2}]
    stats = levels.stats()
    assert (stats["near"].hits, stats["near"].misses) == (2, 2)
    assert (stats["far"].hits, stats["far"].misses) == (1, 1)
    assert levels.get_many([]) == []


@pytest.mark.parametrize("cache", ["http://:secret-word@x", "disk", 7, True, object()])
def test_caches_that_there_are_not(cache):
    with pytest.raises(ConfigurationError, match="cache of a database") as caught:
        open_levels(cache, 1000)
    assert "secret-word" not in str(caught.value)


def test_no_cache_and_no_bytes():
    assert open_levels(None, 1000) is None
    assert open_levels("memory", 0).stats() == {}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_child_that_is_forked_while_a_thread_uses_the_cache_begins_anew() -> None:
    cache = MemoryCache(10_000)
    cache.put_many({"a": {"ids": ["x"]}})
    with cache._lock:  # as another thread might hold it at that moment
        child = os.fork()
        if child == 0:
            code = 1
            try:
                cache.put_many({"b": {"ids": ["y"]}})
                code = 0 if cache.get_many(["a", "b"]) == [None, {"ids": ["y"]}] else 2
            finally:
                os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert cache.get_many(["a"]) == [{"ids": ["x"]}]
