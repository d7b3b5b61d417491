"""TensorFlow Quantum computes the same expectations and adjoint gradients."""

import cirq
import numpy as np
import pytest
import sympy
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.circuits import compile_circuit, parse_observables
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.execution import build_expectation

tfq = pytest.importorskip("tensorflow_quantum")
pytestmark = pytest.mark.tfq

FIXED = ["X", "Y", "Z", "H", "S", "T", "I"]
FIXED_PAIRS = ["CX", "CZ", "SWAP", "ISWAP"]
TURNED = ["RX", "RY", "RZ", "XPow", "YPow", "ZPow"]
TURNED_PAIRS = ["RXX", "RYY", "RZZ", "CZPow", "CXPow"]


def random_circuit(rng, n_qubits, n_gates, names):
    """A circuit of gates TFQ supports; every name is used, alone or with a factor."""
    circuit = UnifiedCircuit(n_qubits)
    for number in range(n_gates):
        one, other = (int(q) for q in rng.permutation(n_qubits)[:2])
        name = names[number % len(names)]
        angle = name if number < len(names) else f"{rng.integers(1, 4)}*{name}"
        kind = rng.integers(4)
        if kind == 0:
            circuit.add_gate(str(rng.choice(FIXED)), one)
        elif kind == 1:
            circuit.add_gate(str(rng.choice(FIXED_PAIRS)), [one, other])
        elif kind == 2:
            circuit.add_gate(str(rng.choice(TURNED)), one, angle)
        else:
            circuit.add_gate(str(rng.choice(TURNED_PAIRS)), [one, other], angle)
    return circuit


def for_tfq(circuit):
    """The Cirq circuit with its two-qubit rotations as the power gates that TFQ can read."""
    powers = {"RXX": cirq.XXPowGate, "RYY": cirq.YYPowGate, "RZZ": cirq.ZZPowGate}
    out = cirq.Circuit()
    for operation in circuit.operations:
        qubits = [cirq.LineQubit(q) for q in operation.targets]
        if operation.gate in powers:
            affine = operation.params[0]
            ((symbol, factor),) = affine.terms
            exponent = sympy.Symbol(symbol) * (factor / np.pi)
            gate = powers[operation.gate](exponent=exponent, global_shift=-0.5)
            out.append(gate(*qubits))
        else:
            piece = UnifiedCircuit(circuit.n_qubits).add_gate(
                operation.gate, operation.targets, list(operation.params) or None
            )
            out.append(op for op in piece.to_cirq().all_operations())
    return out


@pytest.mark.parametrize("backend", ["native", "tensorflow"])
@pytest.mark.parametrize("seed", range(8))
def test_expectations_and_gradients_equal_those_of_tensorflow_quantum(backend, seed):
    rng = np.random.default_rng(seed)
    n, names = int(rng.integers(2, 6)), [f"s{k}" for k in range(12)]
    circuit = random_circuit(rng, n, 40, names)
    used = list(circuit.parameters)
    program = compile_circuit(circuit, inputs=used, theta=[])
    texts = [f"Z{q}" for q in range(n)] + ["0.5 X0 Y1 - 0.3 Z1"]
    qubits = cirq.LineQubit.range(n)
    sums = [cirq.PauliSum.from_pauli_strings([cirq.Z(q)]) for q in qubits]
    sums.append(0.5 * cirq.X(qubits[0]) * cirq.Y(qubits[1]) - 0.3 * cirq.Z(qubits[1]))
    values = rng.uniform(-2, 2, size=(5, len(used))).astype(np.float32)
    weights = rng.normal(size=(5, len(sums))).astype(np.float32)

    # The op, not the layer: TFQ's layers need Keras 2.
    op = tfq.differentiators.Adjoint().generate_differentiable_op(
        analytic_op=tfq.get_expectation_op()
    )
    # TFQ needs every qubit in the circuit; an identity changes nothing.
    cirq_circuit = cirq.Circuit(cirq.I.on_each(*qubits)) + for_tfq(circuit)
    function = build_expectation(program, parse_observables(texts, n), backends.get(backend))
    fed = tf.constant(values)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(fed)
        theirs = op(
            tfq.convert_to_tensor([cirq_circuit] * 5),
            tf.constant(used),
            fed,
            tfq.convert_to_tensor([sums] * 5),
        )
        ours = function(fed, tf.zeros([0]))
        their_total = tf.reduce_sum(theirs * weights)
        our_total = tf.reduce_sum(ours * weights)
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
    # TFQ differentiates each gate's matrix by finite differences of step 5e-3.
    their_gradient = tape.gradient(their_total, fed)
    scale = 1 + np.abs(their_gradient).max()
    np.testing.assert_allclose(tape.gradient(our_total, fed), their_gradient, atol=1e-3 * scale)
