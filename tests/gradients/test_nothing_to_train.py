"""What a circuit does not depend on gets zeros of its shape, from every backend and method."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.backends.registry import SERVICES
from qstore_tf.circuits.observables import PauliString, PauliSum
from qstore_tf.circuits.primitives import Angle, Rot
from qstore_tf.circuits.program import Program
from qstore_tf.execution import build_expectation, build_state
from qstore_tf.gradients import METHODS
from qstore_tf.layers import QuantumLayer

PAULI_Z = PauliSum((PauliString(1.0, ((0, "Z"),)),))
OBSERVABLES = ((PAULI_Z,), (PauliSum((PauliString(2.0, ()),)),), (PauliSum(()),))
RANDOM = ("spsa", "adaptive")  # zero in the mean, for what no gate reads
AVAILABLE = backends.available()
BACKENDS = [n for n in AVAILABLE if n not in ("local_cpu", *SERVICES) and AVAILABLE[n] is None]


def programs():
    """With no, unread and read slots of both kinds, from |0> and from given states."""
    for n_inputs, n_theta, read, given in itertools.product((0, 1), (0, 1), "it-", (False, True)):
        if (read, n_inputs) == ("i", 0) or (read, n_theta) == ("t", 0):
            continue
        gates = [Rot("Y", (0,), Angle(0.4))]
        if read != "-":
            gates.append(Rot("X", (0,), Angle(0.1, ((read, 0, 1.0),))))
        yield Program(1, n_inputs, n_theta, given, tuple(gates))


def gradients_of(function, program):
    arguments = [tf.zeros([2, program.n_inputs]), tf.zeros([program.n_theta])]
    if program.has_initial:
        arguments.append(tf.fill([2, 2], tf.constant(0.5**0.5, tf.complex64)))
    with tf.GradientTape() as tape:
        tape.watch(arguments)
        values = function(*arguments)
    return arguments, tape.gradient(values, arguments)


def functions(backend, program):
    """All ways to run a program with gradients."""
    if program.has_initial and not backend.capabilities.adjoint:
        return
    if backend.name == "tfq" and program.has_initial:
        return
    for method in METHODS:
        if method != "adjoint" or backend.capabilities.adjoint:
            for observables in OBSERVABLES if method == "adjoint" else OBSERVABLES[:1]:
                found = build_expectation(program, observables, backend, method)
                yield method, lambda *given, found=found: found(*given, seed=[0, 0])
    if backend.capabilities.adjoint and backend.name != "tfq":
        yield "state", build_state(program, backend)
        yield "probabilities", lambda *given: backend.probabilities(program, *given)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKENDS)
def test_what_no_gate_reads_gets_zeros_from_every_method(name):
    for program in programs():
        for method, function in functions(backends.get(name), program):
            arguments, found = gradients_of(function, program)
            for argument, gradient in zip(arguments, found, strict=True):
                assert gradient is not None and gradient.shape == argument.shape
                assert np.isfinite(gradient).all()
            for kind, gradient in zip("it", found, strict=False):
                read = any(kind == k for gate in program.gates for k, _, _ in gate.angle.terms)
                assert read or method in RANDOM or not np.any(gradient)


@pytest.mark.parametrize("name", BACKENDS)
def test_layers_without_angles_have_a_gradient(name):
    layer = QuantumLayer(2, depth=0, backend=name)
    features = tf.fill([2, 2], 0.3)
    with tf.GradientTape() as tape:
        tape.watch(features)
        values = layer(features)
    by_features, by_theta = tape.gradient(values, [features, layer.theta.value])
    assert np.any(by_features) and by_theta.shape == layer.theta.shape == (0,)
