"""The ansatz builders and what they entangle."""

import pytest

from qstore_tf.circuits.ansatz import (
    ANSATZE,
    ENTANGLEMENTS,
    entangling_pairs,
    get_ansatz,
    hardware_efficient,
    hardware_efficient_reduced,
)
from qstore_tf.errors import ConfigurationError


def test_linear_joins_neighbours():
    assert entangling_pairs("linear", 4) == ((0, 1), (1, 2), (2, 3))


def test_circular_closes_the_chain_once():
    assert entangling_pairs("circular", 4) == ((0, 1), (1, 2), (2, 3), (3, 0))
    assert entangling_pairs("circular", 2) == ((0, 1),)


def test_full_joins_every_pair_once():
    pairs = entangling_pairs("full", 5)
    assert len(set(map(frozenset, pairs))) == len(pairs) == 10


def test_pairs_lays_the_chain_as_a_brick_wall():
    assert entangling_pairs("pairs", 5) == ((0, 1), (2, 3), (1, 2), (3, 4))


@pytest.mark.parametrize("name", ENTANGLEMENTS)
def test_one_qubit_has_nothing_to_entangle(name):
    assert entangling_pairs(name, 1) == ()


@pytest.mark.parametrize("name", ENTANGLEMENTS)
@pytest.mark.parametrize("n_qubits", [2, 3, 6])
def test_every_qubit_is_reached(name, n_qubits):
    reached = {0}
    for _ in range(n_qubits):
        for a, b in entangling_pairs(name, n_qubits):
            if reached & {a, b}:
                reached |= {a, b}
    assert reached == set(range(n_qubits))


def test_pairs_may_be_given():
    assert entangling_pairs([(2, 0), [1, 2]], 3) == ((2, 0), (1, 2))


@pytest.mark.parametrize("pair", [(0, 0), (0, 3), (-1, 0), (0,), "ab", 5, (0, 1, 2)])
def test_an_impossible_pair_is_named(pair):
    with pytest.raises(ConfigurationError, match="two different qubits"):
        entangling_pairs([pair], 3)


def test_an_unknown_entanglement_gets_near_matches():
    with pytest.raises(ConfigurationError, match="Did you mean 'linear'"):
        hardware_efficient(3, entanglement="liner")


def test_hardware_efficient_has_a_ry_and_a_rz_per_qubit_and_layer():
    circuit = hardware_efficient(4, depth=3)
    assert circuit.count_gates() == {"RY": 12, "RZ": 12, "CX": 9}
    assert circuit.parameters == tuple(f"theta_{i}" for i in range(24))


@pytest.mark.parametrize(("n_qubits", "depth"), [(3, 1), (6, 2), (4, 3), (1, 3), (9, 4)])
def test_the_reduced_form_has_exactly_a_third_fewer_parameters(n_qubits, depth):
    full = hardware_efficient(n_qubits, depth).n_parameters
    reduced = hardware_efficient_reduced(n_qubits, depth)
    assert reduced.n_parameters * 3 == full * 2
    assert reduced.count_gates()["RY"] == n_qubits * depth


def test_the_reduced_form_gives_each_qubit_a_rz_within_three_layers():
    circuit = hardware_efficient_reduced(5, depth=3)
    assert {op.targets[0] for op in circuit.operations if op.gate == "RZ"} == set(range(5))


@pytest.mark.parametrize("name", ANSATZE)
def test_every_ansatz_takes_the_same_arguments(name):
    circuit = get_ansatz(name)(3, depth=2, entanglement="full", name="w")
    assert circuit.n_qubits == 3
    assert circuit.parameters[0] == "w_0"
    assert circuit.count_gates()["CX"] == 6
    assert get_ansatz(name)(2, depth=0).n_parameters == 0


@pytest.mark.parametrize("n_qubits", [0, -1, 1.5, "3", True, None])
def test_a_wrong_number_of_qubits_is_refused(n_qubits):
    with pytest.raises(ConfigurationError, match="at least one qubit"):
        hardware_efficient(n_qubits)


@pytest.mark.parametrize("depth", [-1, 0.5, None, False])
def test_a_wrong_depth_is_refused(depth):
    with pytest.raises(ConfigurationError, match="depth"):
        hardware_efficient(2, depth=depth)


def test_an_unknown_ansatz_gets_near_matches():
    with pytest.raises(ConfigurationError, match="Did you mean 'hardware_efficient'"):
        get_ansatz("hardware_eficient")
