"""Backends that run one circuit after another agree with Cirq and with the plain backend."""

import sys

import cirq
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf import backends
from qstore_tf.backends.arrays import rows
from qstore_tf.backends.arrays.measuring import Measuring
from qstore_tf.backends.arrays.rotations import lower
from qstore_tf.circuits import compile_circuit, parse_observables, reference
from qstore_tf.circuits.operation import freeze
from qstore_tf.circuits.primitives import Angle, Flip, Phase, Rot, Swap, Unitary
from qstore_tf.circuits.program import Program
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import BackendError, InputError, LibraryError
from qstore_tf.execution import build_expectation
from qstore_tf.testing.random_circuits import (
    random_circuit,
    random_observables,
    random_program,
    random_unitary,
    random_values,
)

ZERO = tf.UnconnectedGradients.ZERO
MODULES = {"lightning": "pennylane_lightning.lightning_qubit_ops", "qulacs": "qulacs"}


@pytest.fixture(params=MODULES)
def backend(request):
    pytest.importorskip(MODULES[request.param])
    return backends.get(request.param)


def case(seed, has_initial=False, max_qubits=6, max_gates=25):
    rng = np.random.default_rng(seed)
    n, gates = int(rng.integers(1, max_qubits + 1)), int(rng.integers(0, max_gates))
    program = random_program(seed, n, gates, 2, 3, has_initial)
    inputs, theta, initial = random_values(seed, program, 3)
    tensors = [inputs, theta]
    if has_initial:
        tensors.append(initial * 1.3)  # nothing is normalized behind the user's back
    return program, random_observables(seed, n, 3), [tf.constant(t) for t in tensors]


def in_cirq(program, inputs, theta):
    """The program on one sample in Cirq, controls by Cirq's own means."""
    circuit = cirq.Circuit(cirq.I.on_each(*cirq.LineQubit.range(program.n_qubits)))
    for gate in program.gates:
        if isinstance(gate, Phase):
            phase = cirq.GlobalPhaseGate(np.exp(1j * gate.angle.evaluate(inputs, theta)))
            operation = phase.on()
        elif isinstance(gate, Rot):
            qubits, matrix = reference.primitive_matrix(
                Rot(gate.paulis, gate.targets, gate.angle), inputs, theta
            )
            operation = cirq.MatrixGate(matrix).on(*map(cirq.LineQubit, qubits))
        elif isinstance(gate, Flip):
            operation = cirq.X(cirq.LineQubit(gate.target))
        elif isinstance(gate, Swap):
            operation = cirq.SWAP(*map(cirq.LineQubit, gate.targets))
        else:
            matrix = np.array(gate.matrix)
            operation = cirq.MatrixGate(matrix).on(*map(cirq.LineQubit, gate.targets))
        circuit.append(operation.controlled_by(*map(cirq.LineQubit, gate.controls)))
    return circuit


def cirq_state(circuit, n_qubits, resolver=None):
    simulator = cirq.Simulator(dtype=np.complex128)
    qubits = cirq.LineQubit.range(n_qubits)
    return simulator.simulate(circuit, resolver, qubit_order=qubits).final_state_vector


X = Angle(0.3, (("i", 0, 0.7), ("t", 0, -1.3)))
PRIMITIVES = [
    *(lambda c, p=p: Rot(p, (1,), X, c) for p in "XYZ"),
    *(lambda c, p=p: Rot(p, (1, 0, 5)[: len(p)], X, c) for p in ("XY", "ZZ", "YX", "ZYX", "XXZ")),
    lambda c: Phase(X, c),
    lambda c: Flip(1, c),
    lambda c: Swap((5, 1), c),
    *(
        lambda c, k=k: Unitary(freeze(random_unitary(k, k)), (1, 0, 5, 6, 7)[:k], c)
        for k in (1, 2, 3, 4, 5)
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("controls", [(), (4,), (4, 2), (3, 2, 4)])
@pytest.mark.parametrize("make", PRIMITIVES)
def test_every_primitive_under_controls_equals_cirq_with_gradients(backend, make, controls):
    n = 8
    mixers = tuple(Rot("Y", (q,), Angle(0.4 + q / 5)) for q in range(n))
    program = Program(n, 1, 1, False, (*mixers, make(controls), *mixers))
    inputs, theta = tf.constant([[0.9]], tf.float64), tf.constant([1.7], tf.float64)
    expected = cirq_state(in_cirq(program, [0.9], [1.7]), n)
    np.testing.assert_allclose(
        backend.state_vector(program, inputs, theta)[0], expected, atol=1e-12
    )
    sums = parse_observables(["Z1", "X0 Y5 - 0.5 Z4"], n)
    same_gradients(backend, program, sums, [inputs, theta])


@pytest.mark.parametrize("seed", range(12))
def test_random_gates_of_the_table_equal_cirq(backend, seed):
    rng = np.random.default_rng(seed)
    n, names = int(rng.integers(1, 6)), ["a", "b", "c"]
    circuit = random_circuit(seed, n, 20, symbols=names, max_controls=3)
    used = list(circuit.parameters)
    program = compile_circuit(circuit, inputs=used)
    values = rng.uniform(-3, 3, size=(2, len(used)))
    found = backend.state_vector(program, values, np.zeros(0))
    for row, state in zip(values, found, strict=True):
        resolver = dict(zip(used, row, strict=True))
        np.testing.assert_allclose(state, cirq_state(circuit.to_cirq(), n, resolver), atol=1e-10)
    assert np.array_equal(found.shape, [2, 2**n])


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), has_initial=st.booleans())
@pytest.mark.parametrize("name", MODULES)
def test_random_programs_equal_the_reference_with_gradients(name, seed, has_initial):
    pytest.importorskip(MODULES[name])
    backend = backends.get(name)
    program, sums, tensors = case(seed, has_initial)
    numbers = [tensor.numpy() for tensor in tensors]
    expected = reference.state_vector(program, *numbers)
    np.testing.assert_allclose(backend.state_vector(program, *tensors), expected, atol=1e-10)
    np.testing.assert_allclose(
        backend.probabilities(program, *tensors), abs(expected) ** 2, atol=1e-10
    )
    expected = reference.expectation(program, sums, *numbers)
    np.testing.assert_allclose(backend.expectation(program, sums, *tensors), expected, atol=1e-10)
    same_gradients(backend, program, sums, tensors)


def gradients(backend, program, sums, tensors):
    rng = np.random.default_rng(0)
    batch_size, size = tensors[0].shape[0], 2**program.n_qubits
    weights = rng.normal(size=(batch_size, len(sums)))
    bra = rng.normal(size=(batch_size, size)) + 1j * rng.normal(size=(batch_size, size))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(tensors)
        values = backend.expectation(program, sums, *tensors)
        states = backend.state_vector(program, *tensors)
        losses = [
            tf.reduce_sum(values * tf.cast(weights, values.dtype)),
            tf.reduce_sum(tf.math.real(states * tf.cast(bra, states.dtype))),
        ]
    return [g for loss in losses for g in tape.gradient(loss, tensors, unconnected_gradients=ZERO)]


def same_gradients(backend, program, sums, tensors, atol=1e-10):
    ours = gradients(backend, program, sums, tensors)
    theirs = gradients(backends.get("tensorflow"), program, sums, tensors)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.dtype == other.dtype
        np.testing.assert_allclose(mine, other, atol=atol)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["native", "tensorflow"])
def test_float32_in_gives_float32_out_that_agrees(backend, seed, name):
    program, sums, tensors = case(seed, has_initial=seed % 2 == 1)
    single = [tf.cast(t, tf.complex64 if t.dtype.is_complex else tf.float32) for t in tensors]
    found = backend.expectation(program, sums, *single)
    assert found.dtype == tf.float32
    assert backend.state_vector(program, *single).dtype == tf.complex64
    other = backends.get(name)
    np.testing.assert_allclose(found, other.expectation(program, sums, *single), atol=1e-4)
    for mine, theirs in zip(
        gradients(backend, program, sums, single),
        gradients(other, program, sums, single),
        strict=True,
    ):
        assert mine.dtype == theirs.dtype
        np.testing.assert_allclose(mine, theirs, atol=3e-4)


@pytest.mark.parametrize("gradient", ["adjoint", "parameter_shift"])
def test_gradient_methods_agree_in_graphs(backend, gradient):
    program, sums, tensors = case(5)
    ours = build_expectation(program, sums, backend, gradient)
    theirs = build_expectation(program, sums, "tensorflow")

    def differentiate(function):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            total = tf.reduce_sum(function(*tensors) ** 2)
        return tape.gradient(total, tensors)

    unknown = [tf.TensorSpec([None, 2], tf.float64)]
    found = tf.function(lambda: differentiate(ours))()
    for mine, other in zip(found, differentiate(theirs), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-9)
    shape = tf.function(lambda x: ours(x, tensors[1]), input_signature=unknown)
    assert shape.get_concrete_function().output_shapes.as_list() == [None, 3]


def test_second_derivatives_equal_those_of_the_plain_backend(backend):
    program, sums, tensors = case(11, has_initial=True, max_qubits=3)

    def hessian(chosen):
        with tf.GradientTape() as outer:
            outer.watch(tensors)
            with tf.GradientTape() as inner:
                inner.watch(tensors)
                total = tf.reduce_sum(chosen.expectation(program, sums, *tensors) ** 2)
            first = inner.gradient(total, tensors[:2], unconnected_gradients=ZERO)
            second = tf.reduce_sum(first[0] ** 2) + tf.reduce_sum(first[1] ** 2)
        return outer.gradient(second, tensors, unconnected_gradients=ZERO)

    for mine, other in zip(hessian(backend), hessian(backends.get("tensorflow")), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-8)


def test_samples_repeat_with_their_seed_and_follow_the_probabilities(backend):
    program, _, tensors = case(3, has_initial=True, max_qubits=4)
    draws = backend.sample(program, *tensors, shots=20_000, seed=[1, 2])
    assert draws.dtype == tf.int64 and draws.shape == (3, 20_000)
    again = backend.sample(program, *tensors, shots=20_000, seed=[1, 2])
    np.testing.assert_array_equal(draws, again)
    other = backend.sample(program, *tensors, shots=20_000, seed=[1, 3])
    assert not np.array_equal(draws, other)
    size = 2**program.n_qubits
    chances = backend.probabilities(program, *tensors).numpy()
    chances /= chances.sum(axis=1, keepdims=True)
    for row, expected in zip(draws.numpy(), chances, strict=True):
        shares = np.bincount(row, minlength=size) / len(row)
        # Five standard deviations: a false alarm in about one of 10^5 runs.
        spread = np.sqrt(expected * (1 - expected) / len(row))
        assert (abs(shares - expected) < 5 * spread + 1e-3).all()


def test_rows_that_are_not_finite_give_nan_alone(backend):
    circuit = UnifiedCircuit(2).add_gate("RX", 0, "x").add_gate("RY", 1, "a")
    program = compile_circuit(circuit, inputs=["x"])
    x = tf.constant([[0.1], [np.nan], [np.inf]])
    theta = tf.constant([0.2])
    sums = parse_observables("Z", 2)
    with tf.GradientTape() as tape:
        tape.watch(x)
        found = backend.expectation(program, sums, x, theta)
    by_x = tape.gradient(found, x)
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), [False, True, True])
    np.testing.assert_array_equal(np.isnan(by_x[:, 0]), [False, True, True])
    with pytest.raises(InputError, match="row 1"):
        backend.sample(program, x, theta, shots=2, seed=[0, 0])


def test_a_failure_names_its_row(backend, monkeypatch):
    program, sums, tensors = case(1)
    kind = type(backend.arrays._make(program, True))
    state = kind.state

    def failing(self, angles, initial):
        if np.allclose(angles, self.table.values(*wrong)[0]):
            raise RuntimeError("too hot")
        return state(self, angles, initial)

    wrong = tensors[0].numpy()[2:], tensors[1].numpy()
    monkeypatch.setattr(kind, "state", failing)
    message = f"{backend.name} circuit in row 2 of a batch of 3 failed .too hot"
    with pytest.raises(BackendError, match=message):
        backend.expectation(program, sums, *tensors)
    with pytest.raises(tf.errors.OpError, match=message):
        tf.function(lambda: backend.expectation(program, sums, *tensors))()


def test_batches_of_no_or_many_rows_keep_their_order(backend):
    program, sums, (inputs, theta) = case(7)
    many = tf.constant(np.random.default_rng(0).normal(size=(40, 2)))
    expected = reference.expectation(program, sums, many, theta)
    np.testing.assert_allclose(backend.expectation(program, sums, many, theta), expected, atol=1e-9)
    assert backend.expectation(program, sums, inputs[:0], theta).shape == (0, 3)
    same_gradients(backend, program, sums, [inputs[:0], theta])


def test_calls_from_several_threads_do_not_mix(backend):
    program, sums, (inputs, theta) = case(9)
    expected = reference.expectation(program, sums, inputs, theta)
    seen = [None] * 200

    def call(number):
        seen[number] = backend.expectation(program, sums, inputs, theta)

    rows.for_each(call, len(seen), 4, "call")
    for found in seen:
        np.testing.assert_allclose(found, expected, atol=1e-9)


def test_a_state_that_fits_nowhere_is_refused_before_it_is_made(backend):
    program = Program(45, 0, 0, False, ())
    with pytest.raises(MemoryError, match="45 qubits"):
        backend.expectation(program, parse_observables("Z0", 45), np.zeros((1, 0)), [])


def test_configurations_make_the_same_backend_again(backend):
    assert type(backend)(**backend.get_config()) == backend
    assert backend.capabilities.adjoint and backend.capabilities.state_vector


@pytest.mark.parametrize("name", MODULES)
def test_a_missing_package_is_named_with_the_line_that_installs_it(name, monkeypatch):
    monkeypatch.setitem(sys.modules, MODULES[name], None)
    with pytest.raises(LibraryError, match=rf"pip install 'qstore-tf\[{name}\]'"):
        backends.get(name)


@pytest.mark.parametrize("n_qubits", [3, 15])
def test_observables_on_small_and_large_states_are_those_of_their_matrices(n_qubits):
    texts = [f"Z{q}" for q in range(n_qubits)] * 2 + ["X0 Y1 - 0.3 Z0 Z2 + 0.7", "Y0 Y1 Y2"]
    sums = tuple(parse_observables(texts, n_qubits)) + tuple(
        parse_observables([f"Z{a} Z{b}" for a in range(n_qubits) for b in range(a)], n_qubits)
    )
    rng = np.random.default_rng(1)
    state = rng.normal(size=2**n_qubits) + 1j * rng.normal(size=2**n_qubits)
    program = Program(n_qubits, 0, 0, True, ())
    expected = reference.expectation(program, sums, np.zeros((1, 0)), np.zeros(0), state[None])[0]
    measure = Measuring(sums, n_qubits)
    np.testing.assert_allclose(measure.values(state), expected, rtol=1e-9, atol=1e-7)
    gradient = rng.normal(size=len(sums))
    bra = measure.bra(state, gradient)
    # Expectations are quadratic: <state|gradient> is twice the weighted sum.
    np.testing.assert_allclose(np.vdot(state, bra).real, 2 * gradient @ expected, rtol=1e-9)
    other = rng.normal(size=2**n_qubits) + 1j * rng.normal(size=2**n_qubits)
    step = 1e-3
    up, down = (measure.values(state + s * other) @ gradient for s in (step, -step))
    np.testing.assert_allclose(np.vdot(bra, other).real, (up - down) / (2 * step), rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_moments_hold_gates_on_different_qubits_and_lose_none(seed):
    program, _, (inputs, theta) = case(seed)
    lowered = lower(program)
    for moment in lowered.moments:
        qubits = [q for step in moment for q in step.qubits]
        assert len(qubits) == len(set(qubits))
    assert lowered.table.values(inputs.numpy(), theta.numpy()).shape[0] == 3


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
def test_layers_train_as_on_the_native_backend(backend, encoding):
    from tensorflow import keras

    from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 5)).astype("float32"), rng.normal(size=(12, 1)).astype("float32")

    def trained(name):
        keras.utils.set_random_seed(3)
        if encoding == "amplitude":
            quantum = [
                AmplitudeEncoding(n_qubits=3),
                QuantumLayer(n_qubits=3, depth=2, backend=name),
                ExpectationValue(observables="Z", backend=name),
            ]
        else:
            quantum = [QuantumLayer(n_qubits=3, depth=2, backend=name)]
        layers = [keras.layers.Dense(3, activation="tanh"), *quantum, keras.layers.Dense(1)]
        model = keras.Sequential([keras.Input((5,)), *layers])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.fit(x, y, batch_size=5, epochs=2, verbose=0, shuffle=False)
        return model.get_weights()

    for mine, other in zip(trained(backend.name), trained("native"), strict=True):
        np.testing.assert_allclose(mine, other, atol=2e-5)


@pytest.mark.slow
def test_jacobians_are_those_of_the_plain_backend(backend):
    program, sums, tensors = case(4)

    def jacobian(chosen):
        with tf.GradientTape() as tape:
            tape.watch(tensors)
            values = chosen.expectation(program, sums, *tensors)
        return tape.jacobian(values, tensors, unconnected_gradients=ZERO)

    for mine, other in zip(jacobian(backend), jacobian(backends.get("tensorflow")), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-9)
