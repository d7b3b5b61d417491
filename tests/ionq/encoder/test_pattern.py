"""Which gates the numeric encoder uses: how many, how deep, and in which order."""

import math

import pytest

from qstore_tf.circuits.encodings import amplitude_encoding
from qstore_tf.errors import ConfigurationError
from qstore_tf.ionq.encoder import Pattern

ALL = [(n, gate) for gate in ("CZ", "RZZ") for n in range(1, 9)]


def entangling_depth(circuit):
    ready = [0] * circuit.n_qubits
    for op in circuit.operations:
        if len(op.qubits) == 2:
            step = max(ready[q] for q in op.qubits) + 1
            for q in op.qubits:
                ready[q] = step
    return max(ready)


@pytest.mark.parametrize(("n_qubits", "gate"), ALL)
@pytest.mark.parametrize("extra", [0, 1])
def test_the_circuit_has_the_gates_that_the_pattern_counts(n_qubits, gate, extra):
    pattern = Pattern(n_qubits, gate, extra if n_qubits > 1 else 0)
    circuit = pattern.circuit("a")
    counts = circuit.count_gates()
    assert counts.pop(gate, 0) == pattern.n_gates
    assert set(counts) <= ({"RY"} if gate == "CZ" else {"RY", "RZ"})
    assert circuit.parameters == tuple(f"a_{i}" for i in range(pattern.n_angles))
    assert entangling_depth(circuit) == pattern.depth
    assert pattern.depth == math.ceil(pattern.n_gates / max(1, n_qubits // 2))


@pytest.mark.parametrize(("n_qubits", "gate"), ALL)
def test_the_angles_are_enough_and_one_entangler_less_would_not_be(n_qubits, gate):
    pattern = Pattern(n_qubits, gate)
    needed = 2**n_qubits - 1 if gate == "CZ" else 2 ** (n_qubits + 1) - 2
    each = 2 if gate == "CZ" else 5
    assert needed <= pattern.n_angles < needed + each


@pytest.mark.parametrize(("n_qubits", "gate"), [case for case in ALL if case[0] > 1])
def test_no_more_than_half_of_the_exact_encoding_from_two_qubits_up(n_qubits, gate):
    exact = amplitude_encoding(n_qubits, complex=gate == "RZZ").count_gates()["CX"]
    assert 2 * Pattern(n_qubits, gate).n_gates <= exact


def test_six_qubits_meet_the_goals():
    real, any_vector = Pattern(6), Pattern(6, "RZZ")
    assert (real.n_gates, real.depth) == (30, 10)
    assert (any_vector.n_gates, any_vector.depth) == (25, 9)
    # GPi2 pulses with virtual Z: two for an RY of any angle, one for RY(pi/2), none for RZ.
    for pattern, most in ((real, 129), (any_vector, 106)):
        pulses = sum(2 * len(layer.ry) + len(layer.fixed) for layer in pattern.layers)
        assert pulses == most


@pytest.mark.parametrize("n_qubits", range(2, 9))
def test_all_pairs_take_turns_and_none_meets_twice_in_a_row(n_qubits):
    layers = Pattern(n_qubits, "CZ", 1).layers[1:]
    n_rounds = n_qubits - 1 if n_qubits % 2 == 0 else n_qubits
    for layer in layers:
        ends = [q for pair in layer.pairs for q in pair]
        assert len(set(ends)) == len(ends)
        assert layer.ry == tuple(ends)
    if len(layers) > n_rounds:
        met = {pair for layer in layers[:n_rounds] for pair in layer.pairs}
        assert len(met) == n_qubits * (n_qubits - 1) // 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "at least one qubit"),
        ((True,), "at least one qubit"),
        ((2.5,), "at least one qubit"),
        ((9,), "amplitude_encoding"),
        ((3, "CX"), "'CZ' for real or 'RZZ' for complex"),
        ((3, None), "'CZ' for real or 'RZZ' for complex"),
        ((3, "CZ", -1), "from 0 to 3"),
        ((3, "CZ", 1.0), "from 0 to 3"),
        ((3, "CZ", 4), "from 0 to 3"),
    ],
)
def test_wrong_arguments_say_so(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        Pattern(*arguments)
