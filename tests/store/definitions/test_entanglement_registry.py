"""Correlated vectors in memory: partners follow by the conditional mean, all or nothing."""

import threading

import numpy as np
import pytest

from qstore_tf.errors import CorrelationError, InputError, NotFoundError
from qstore_tf.store.definitions import correlation
from qstore_tf.store.definitions.entanglement_registry import EntanglementRegistry
from qstore_tf.testing.daily import daily_seed


def random(*case: int) -> np.random.Generator:
    return np.random.default_rng([daily_seed(), *case])


def a_registry(rng, names, d=3):
    registry = EntanglementRegistry()
    vectors = {name: rng.normal(size=d) for name in names}
    registry.update_entities(vectors)
    return registry, vectors


def test_a_pair_follows_by_rho_times_the_step() -> None:
    rng = random(1)
    registry, vectors = a_registry(rng, "abc")
    registry.create_entangled_group(["a", "b"], 0.6)
    step = rng.normal(size=3)
    moved = registry.update_entity("a", vectors["a"] + step)
    assert set(moved) == {"a", "b"}
    np.testing.assert_allclose(moved["a"], vectors["a"] + step, atol=1e-12)
    np.testing.assert_allclose(moved["b"], vectors["b"] + 0.6 * step, atol=1e-12)
    np.testing.assert_allclose(registry.get_entity("b"), moved["b"], atol=1e-12)
    np.testing.assert_array_equal(registry.get_entity("c"), vectors["c"])


@pytest.mark.parametrize("case", range(5))
def test_any_updates_move_all_by_the_definition(case: int) -> None:
    rng = random(2, case)
    names = list("abcdefg")
    registry, vectors = a_registry(rng, names)
    groups = {}
    for number in range(3):
        members = rng.choice(names, size=int(rng.integers(2, 5)), replace=False).tolist()
        rho = float(rng.uniform(-0.15, 0.4))
        try:
            registry.create_entangled_group(members, rho, f"g{number}")
        except CorrelationError:
            continue
        groups[f"g{number}"] = (rho, members)
    for _ in range(6):
        written = rng.choice(names, size=int(rng.integers(1, 4)), replace=False).tolist()
        new = {name: vectors[name] + rng.normal(size=3) for name in written}
        matrix = correlation.correlation_matrix(names, groups)
        seen = [names.index(name) for name in written]
        steps = [new[name] - vectors[name] for name in written]
        moves = correlation.conditional_means(matrix, seen, steps)
        vectors = {name: vectors[name] + move for name, move in zip(names, moves, strict=True)}
        registry.update_entities(new)
        for name in names:
            np.testing.assert_allclose(registry.get_entity(name), vectors[name], atol=1e-9)


def test_several_of_one_group_are_one_update() -> None:
    rho = 0.5
    registry = EntanglementRegistry()
    registry.update_entities({name: [0.0] for name in "abc"})
    registry.create_entangled_group(["a", "b", "c"], rho)
    moved = registry.update_entities({"a": [1.0], "b": [2.0]})
    assert moved["c"][0] == pytest.approx(rho / (1 + rho) * 3)


def test_the_first_vector_of_an_entity_is_no_step() -> None:
    registry = EntanglementRegistry()
    registry.create_entangled_group(["a", "b"], 0.9)
    assert set(registry.update_entity("a", [5.0])) == {"a"}
    assert set(registry.update_entity("b", [1.0])) == {"b"}
    assert registry.update_entity("a", [6.0])["b"].tolist() == [1.9]


def test_partners_are_those_of_all_groups() -> None:
    registry = EntanglementRegistry()
    assert registry.create_entangled_group(["a", "c"], 0.2) == "group-1"
    registry.create_entangled_group(["b", "a"], 0.2, "mine")
    assert registry.get_entangled_partners("a") == ["b", "c"]
    assert registry.get_entangled_partners("b") == ["a"]
    assert registry.get_entangled_partners("z") == []


def test_a_correlation_is_declared_and_measured() -> None:
    rng = random(3)
    registry, vectors = a_registry(rng, "ab", d=4)
    registry.create_entangled_group(["a", "b"], 0.7)
    for _ in range(200):
        first = rng.normal(size=4)
        second = 0.7 * first + np.sqrt(1 - 0.49) * rng.normal(size=4)
        vectors = {"a": vectors["a"] + first, "b": vectors["b"] + second}
        registry.update_entities(vectors)
    found = registry.measure_correlation("a", "b")
    assert float(found) == 0.7 and found.measured.count == 200
    width = found.measured.high - found.measured.low
    assert abs(found.measured.rho - 0.7) < 1.5 * width
    assert found.mutual_information == pytest.approx(correlation.mutual_information(0.7))
    assert float(registry.measure_correlation("a", "z")) == 0
    assert float(registry.measure_correlation("a", "a")) == 1


def test_updates_from_many_threads_lose_nothing() -> None:
    registry = EntanglementRegistry()
    registry.update_entities({"a": [0.0], "b": [0.0]})
    registry.create_entangled_group(["a", "b"], 0.5)
    lock = threading.Lock()

    def add() -> None:
        for _ in range(50):
            with lock:  # read and write are two calls
                registry.update_entity("a", registry.get_entity("a") + 1)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert registry.get_entity("a").tolist() == [200.0]
    assert registry.get_entity("b").tolist() == [100.0]


def test_what_is_returned_is_not_what_is_kept() -> None:
    registry = EntanglementRegistry()
    given = np.array([1.0])
    registry.update_entity("a", given)["a"][0] = 7.0
    registry.get_entity("a")[0] = 8.0
    given[0] = 9.0
    assert registry.get_entity("a").tolist() == [1.0]


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda r: r.create_entangled_group(["a"]), CorrelationError, "too few"),
        (lambda r: r.create_entangled_group("ab"), CorrelationError, "too few"),
        (lambda r: r.create_entangled_group(["a", "b"], 0.1, "g"), CorrelationError, "already"),
        (lambda r: r.create_entangled_group(["a", "b"], 1.5), CorrelationError, "range"),
        # 'a' and 'b' have .8 already: nothing distributes like this.
        (lambda r: r.create_entangled_group(["a", "b"], 0.3), CorrelationError, "'a' and 'b'"),
        (lambda r: r.update_entity("a", [1.0, 2.0]), InputError, "differ in length"),
        (lambda r: r.update_entity("b", [np.nan]), InputError, "'b' gets no vector"),
        (lambda r: r.update_entity("b", "x"), InputError, "no vector"),
        (lambda r: r.get_entity("z"), NotFoundError, "'z'"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(call, error, message: str) -> None:
    registry = EntanglementRegistry()
    registry.update_entities({"a": [1.0], "b": [2.0]})
    registry.create_entangled_group(["a", "b"], 0.8, "g")
    with pytest.raises(error, match=message):
        call(registry)
    assert registry.get_entity("a").tolist() == [1.0] and registry.get_entity("b").tolist() == [2.0]
    assert float(registry.measure_correlation("a", "b")) == 0.8
