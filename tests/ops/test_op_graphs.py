"""XLA, SavedModel, tracing."""

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf.circuits import compile_circuit, parse_observables
from qstore_tf.circuits.ansatz import hardware_efficient
from qstore_tf.ops import native, plain
from qstore_tf.ops.schedule import Diagonal, Local, Matrix, Permutation, schedule
from qstore_tf.testing import random_circuits as rc

MODULES = pytest.mark.parametrize("ops", [plain, native], ids=["plain", "native"])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_plain_ops_compile_with_xla(seed):
    program = rc.random_program(seed, 4, 25, 3, 4, has_initial=seed == 1)
    values = [v for v in rc.random_values(seed, program, 5) if v is not None]
    observables = rc.random_observables(seed, 4, 3)

    def step(*values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            out = plain.expectation(program, observables, *values)
        return out, tape.gradient(out, values), plain.probabilities(program, *values)

    compiled = tf.nest.flatten(tf.function(step, jit_compile=True)(*map(tf.constant, values)))
    for a, b in zip(compiled, tf.nest.flatten(step(*map(tf.constant, values))), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


def test_samples_compile_with_xla():
    program = rc.random_program(0, 3, 10, 2, 2)
    inputs, theta, _ = rc.random_values(0, program, 4)

    @tf.function(jit_compile=True)
    def draws():
        return plain.sample(program, inputs, theta, shots=50, seed=[3, 4])

    chances = plain.probabilities(program, inputs, theta).numpy()
    for row, chance in zip(draws().numpy(), chances, strict=True):
        assert (chance[row] > 0).all()


def test_a_layered_circuit_becomes_few_steps():
    """Compile time and step time follow the number of steps, not of gates."""
    circuit = hardware_efficient(6, 4)
    steps = schedule(compile_circuit(circuit))
    assert len(circuit.operations) >= 60
    assert len(steps) <= 4 * 6
    assert {type(step) for step in steps} == {Diagonal, Local, Permutation}


def test_wide_matrices_are_moved_together_by_swaps():
    rng = np.random.default_rng(0)
    program = rc.random_program(rng, 9, 0, 0, 0)
    matrix = tuple(map(tuple, rc.random_unitary(rng, 2)))
    from qstore_tf.circuits import Program, Unitary, reference

    gates = (Unitary(matrix, (8, 0), (4,)), Unitary(matrix, (1, 7)), Unitary(matrix, (0, 8), (1,)))
    program = Program(9, 0, 0, True, gates)
    assert all(s.matrix.shape == (4, 4) for s in schedule(program) if isinstance(s, Matrix))
    initial = rc.random_state(rng, 2, 9)
    np.testing.assert_allclose(
        plain.state_vector(program, np.zeros((2, 0)), [], initial),
        reference.state_vector(program, np.zeros((2, 0)), [], initial),
        atol=1e-12,
    )


@MODULES
def test_a_saved_module_runs_and_differentiates_after_loading(ops, tmp_path):
    program = rc.random_program(1, 3, 12, 2, 3)
    observables = parse_observables(["Z0", "X1 Y2"], 3)
    inputs, theta, _ = rc.random_values(1, program, 4)

    class Circuit(tf.Module):
        def __init__(self):
            super().__init__()
            self.theta = tf.Variable(theta)

        @tf.function(input_signature=[tf.TensorSpec([None, 2], tf.float64)])
        def __call__(self, inputs):
            return ops.expectation(program, observables, inputs, self.theta)

    module = Circuit()
    tf.saved_model.save(module, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))

    def both(module):
        with tf.GradientTape() as tape:
            out = module(tf.constant(inputs))
        return out, tape.gradient(out, module.theta)

    for a, b in zip(both(module), both(loaded), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_native_ops_refuse_xla_with_an_error_of_tensorflow():
    program = rc.random_program(1, 2, 5, 1, 1)
    inputs, theta, _ = rc.random_values(1, program, 2)
    observables = parse_observables("Z", 2)

    @tf.function(jit_compile=True)
    def compiled(inputs, theta):
        return native.expectation(program, observables, inputs, theta)

    with pytest.raises(tf.errors.InvalidArgumentError):
        compiled(inputs, theta)
