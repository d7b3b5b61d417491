"""ZZ without negative angles: what it costs to flip a wire. That it is right is in `test_zz`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.compiler.lowering import lower
from qstore_tf.ionq.compiler.zz import emit_zz
from tests.ionq.compiler.test_lowering import any_circuits
from tests.ionq.compiler.test_rotations import seeds
from tests.ionq.compiler.test_template import values_of


def pulses(circuit, may_flip=False, signed=False):
    template = emit_zz(lower(circuit), circuit.parameters, may_flip, signed)
    return [gate.name for gate in template.gates if len(gate.wires) == 1]


def zz(*angles):
    circuit = UnifiedCircuit(2)
    for angle in angles:
        # The turn keeps one from meeting the next.
        circuit.add_gate("RZZ", [0, 1], angle).add_gate("RZ", 0, 0.1)
    return circuit


@pytest.mark.parametrize("may_flip", [True, False])
def test_angles_that_are_not_negative_take_no_pulses(may_flip):
    assert pulses(zz(0.3, 0.4), may_flip) == []


def test_a_negative_number_alone_takes_a_flip_there_and_one_back():
    assert pulses(zz(-0.3)) == ["GPi", "GPi"]
    assert pulses(zz(-0.3), may_flip=True) == ["GPi"]


def test_several_negative_numbers_share_their_flips():
    assert pulses(zz(-0.3, -0.4, -0.5)) == ["GPi", "GPi"]
    assert pulses(zz(-0.3, -0.4, -0.5), may_flip=True) == ["GPi"]


def test_a_symbol_alone_takes_pulses_for_either_sign():
    assert pulses(zz("a")) == ["GPi2"] * 4
    assert pulses(zz("a"), may_flip=True) == ["GPi2"] * 2


def test_pulses_that_are_there_anyway_take_the_sign_up():
    circuit = UnifiedCircuit(2)
    for angle in (-0.3, "a", -0.4):
        circuit.add_gate("RX", 0, "b").add_gate("RY", 1, "c").add_gate("RZZ", [0, 1], angle)
    circuit.add_gate("RX", 0, "b").add_gate("RY", 1, "c")
    assert len(pulses(circuit)) == len(pulses(circuit, signed=True)) == 16


def test_quarter_turns_take_the_sign_up_too():
    circuit = UnifiedCircuit(2).add_gate("H", 0).add_gate("H", 1).add_gate("RZZ", [0, 1], "a")
    circuit.add_gate("H", 0).add_gate("H", 1)
    assert len(pulses(circuit)) == 4


@settings(max_examples=60, deadline=None)
@given(any_circuits(), st.booleans(), seeds)
def test_no_more_pulses_are_made_than_four_for_each_entangler(circuit, may_flip, seed):
    plain, without = (
        emit_zz(lower(circuit), ("a", "b", "c"), may_flip, signed) for signed in (True, False)
    )
    n_2q = sum(len(gate.wires) == 2 for gate in plain.gates)
    # And a last flip takes two where it is one that may depend on symbols.
    most = len(plain.gates) + 4 * n_2q + circuit.n_qubits
    assert len(plain.gates) <= len(without.gates) <= most
    # The entanglers are the same but for their signs.
    values = values_of(np.random.default_rng(seed), 3)
    angles = []
    for template in (plain, without):
        columns = [gate.columns[0] for gate in template.gates if len(gate.wires) == 2]
        angles.append(template.bind(values).columns[:, columns])
    np.testing.assert_allclose(abs(angles[0]), angles[1], atol=1e-12)
