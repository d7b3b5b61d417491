"""Which Pauli strings are read from the same shots."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits import PauliSum, UnifiedCircuit, compile_circuit, parse_observables
from qstore_tf.circuits.grouping import Group, Paulis, group_strings, measurement
from qstore_tf.circuits.reference import expectation, state_vector
from qstore_tf.testing import random_circuits as rc


def paulis(text: str) -> Paulis:
    return tuple((q, letter) for q, letter in enumerate(text) if letter != "I")


def commute(a: Paulis, b: Paulis) -> bool:
    other = dict(b)
    return all(other.get(qubit, letter) == letter for qubit, letter in a)


STRINGS = st.lists(st.text("IXYZ", min_size=5, max_size=5).map(paulis), max_size=40)


@settings(max_examples=200, deadline=None)
@given(STRINGS)
def test_every_string_is_in_one_group_and_groups_commute_qubit_by_qubit(strings) -> None:
    groups = group_strings(strings)
    placed = [string for group in groups for string in group.strings]
    assert len(placed) == len(set(placed))
    assert set(placed) == {string for string in strings if string}
    for group in groups:
        for a, b in itertools.combinations(group.strings, 2):
            assert commute(a, b)
        letters = dict(group.basis)
        assert all(letters[qubit] == letter for s in group.strings for qubit, letter in s)
        assert set(letters) == {qubit for s in group.strings for qubit, _ in s}
        assert list(group.basis) == sorted(group.basis)
    assert groups == group_strings(strings)


@pytest.mark.parametrize(
    ("strings", "n_groups"),
    [
        (["ZII", "IZI", "IIZ", "ZZZ"], 1),
        (["XII", "IYI", "IIZ", "XYZ"], 1),
        (["XI", "YI", "ZI"], 3),
        (["XX", "YY", "ZZ"], 3),  # they commute, but not qubit by qubit
        (["XXI", "IXX", "ZZI", "IZZ", "IYI"], 3),
        (["III"], 0),
        ([], 0),
    ],
)
def test_the_number_of_groups_of_small_cases(strings: list[str], n_groups: int) -> None:
    assert len(group_strings(map(paulis, strings))) == n_groups


def test_the_heisenberg_chain_needs_three_groups_whatever_its_length() -> None:
    chain = [((q, p), (q + 1, p)) for q in range(30) for p in "XYZ"]
    fields = [((q, "Z"),) for q in range(31)]
    assert len(group_strings([*chain, *fields])) == 3


def test_thousands_of_strings_are_grouped_in_seconds() -> None:
    rng = np.random.default_rng(0)
    # Of weight 3 or so, as in molecules.
    letters, chances = list("IXYZ"), [0.76, 0.08, 0.08, 0.08]
    strings = {paulis("".join(rng.choice(letters, 12, p=chances))) for _ in range(5000)}
    groups = group_strings(sorted(strings))
    assert sum(len(group.strings) for group in groups) == len(strings - {()})
    assert len(groups) < len(strings) / 5


def test_each_change_of_basis_makes_its_pauli_diagonal() -> None:
    for letter, gates in {"X": [("H", 0)], "Y": [("H", 0), ("S", 0)], "Z": []}.items():
        circuit = UnifiedCircuit(1)
        for gate in gates:
            circuit = circuit.add_gate(*gate)  # the +1 eigenstate
        plan = measurement(compile_circuit(circuit), parse_observables(letter, 1))
        state = state_vector(plan.program)
        np.testing.assert_allclose(abs(state[0]) ** 2, [1, 0], atol=1e-12)


@pytest.mark.parametrize("seed", range(6))
def test_reading_the_exact_distributions_gives_the_exact_expectations(seed: int) -> None:
    program = rc.random_program(seed, 3, 12, 2, 3)
    inputs, theta, _ = rc.random_values(seed, program, 3)
    observables = (*rc.random_observables(seed, 3, 4), PauliSum.of("1.5"), PauliSum.of("X0 - X0"))
    plan = measurement(program, observables)
    found = np.tile(plan.constants, (3, 1))
    for angles, readout in zip(plan.angles, plan.readouts, strict=True):
        rows = np.concatenate([inputs, np.tile(angles, (3, 1))], axis=1)
        chances = abs(state_vector(plan.program, rows, theta)) ** 2
        found += chances @ readout.values(3)
    np.testing.assert_allclose(found, expectation(program, observables, inputs, theta), atol=1e-9)


def test_values_of_many_strings_take_memory_of_a_few() -> None:
    n = 14
    pairs = [f"Z{a} Z{b}" for a, b in itertools.combinations(range(n), 2)]
    program = compile_circuit(UnifiedCircuit(n).add_gate("H", 0))
    (readout,) = measurement(program, parse_observables([" + ".join(pairs)], n)).readouts
    tracemalloc.start()
    values = readout.values(n)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    ones = np.array([index.bit_count() for index in range(2**n)])
    np.testing.assert_allclose(values[:, 0], ((n - 2 * ones) ** 2 - n) / 2)  # (sum Z)^2 - n
    assert peak < 2**n * len(pairs) * 12  # all at once would take 24 bytes each


def test_one_group_adds_no_inputs_and_gates_only_where_the_basis_is_not_z() -> None:
    program = compile_circuit(UnifiedCircuit(3).add_gate("RX", 0, "x"), inputs=["x"])
    plan = measurement(program, parse_observables(["ZXI", "Z0"], 3))
    assert plan.groups == (Group(((0, "Z"), (1, "X")), (((0, "Z"), (1, "X")), ((0, "Z"),))),)
    assert plan.program.n_inputs == 1
    assert plan.angles.shape == (1, 0)
    assert len(plan.program.gates) == len(program.gates) + 1


def test_identities_need_no_group() -> None:
    plan = measurement(compile_circuit(UnifiedCircuit(2)), parse_observables(["0.5 + Z0", "II"], 2))
    np.testing.assert_array_equal(plan.constants, [0.5, 1.0])
    assert len(plan.groups) == 1
    only = measurement(compile_circuit(UnifiedCircuit(2)), parse_observables(["II"], 2))
    assert only.groups == ()
    assert only.program == compile_circuit(UnifiedCircuit(2))
