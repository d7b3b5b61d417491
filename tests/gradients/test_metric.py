"""The metric from the native op, from states, from overlaps and from shots is the same."""

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.backends import Backend, Capabilities
from qstore_tf.circuits import UnifiedCircuit, compile_circuit
from qstore_tf.circuits.ansatz import hardware_efficient
from qstore_tf.circuits.theta_blocks import theta_blocks
from qstore_tf.errors import ConfigurationError
from qstore_tf.gradients import metric as module
from qstore_tf.gradients.metric import fubini_study, quantum_fisher
from qstore_tf.shifts import APPROXIMATIONS, kept_elements
from qstore_tf.testing import random_circuits as rc


class Counts(Backend):
    """Draws samples and has nothing else, as hardware does; counts its calls."""

    name = "counts"
    capabilities = Capabilities(state_vector=False, exact=False, adjoint=False)

    def __init__(self):
        self.inner, self.calls, self.rows = backends.get("native"), 0, 0

    def expectation(self, *arguments, **options):
        raise NotImplementedError

    def sample(self, program, inputs, theta, initial_state=None, *, shots, seed):
        self.calls += 1
        self.rows += int(inputs.shape[0])
        return self.inner.sample(program, inputs, theta, initial_state, shots=shots, seed=seed)


def draw(seed, has_initial=False):
    rng = np.random.default_rng(seed)
    program = rc.random_program(rng, int(rng.integers(1, 5)), 14, 2, 4, has_initial)
    return program, rc.random_values(rng, program, 2)


@pytest.mark.parametrize("approximation", APPROXIMATIONS)
@pytest.mark.parametrize("has_initial", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_native_states_and_overlaps_agree(seed, has_initial, approximation):
    program, values = draw(seed, has_initial)
    native = fubini_study(program, *values, backend="native", approximation=approximation)
    plain = fubini_study(program, *values, backend="tensorflow", approximation=approximation)
    np.testing.assert_allclose(plain, native, atol=1e-10)
    tensors = [None if v is None else tf.constant(v) for v in values]
    shifted = module._from_overlaps(
        backends.get("tensorflow"), program, *tensors, approximation, None, None
    )
    keep = kept_elements(program, approximation)
    np.testing.assert_allclose(shifted * keep, native, atol=1e-9)
    np.testing.assert_array_equal(native * (1 - keep), 0 * keep)


def test_the_op_serves_a_native_backend_with_a_memory_limit_too(monkeypatch):
    program, values = draw(2)
    monkeypatch.delattr(module, "_from_states")
    limited = backends.get("native", memory_limit=2**20)
    np.testing.assert_array_equal(
        fubini_study(program, *values, backend=limited),
        fubini_study(program, *values, backend="native"),
    )


def test_counted_overlaps_are_unbiased_within_the_noise_of_shots_in_one_call():
    program = compile_circuit(hardware_efficient(2, 1), has_initial=False)
    values = np.zeros((2, 0), "float32"), np.array([0.3, 0.8, -0.5, 0.9], "float32")
    backend, shots = Counts(), 4000
    counted = fubini_study(program, *values, backend=backend, shots=shots, seed=[1, 2])
    assert backend.calls == 1
    # An element is a sum of 4 frequencies with weights 1/8, twice averaged: its standard error
    # is below 4/8 * 0.5/sqrt(2 shots). Five of these in 10 elements: one false alarm in 10^5.
    bound = 5 * 0.25 / np.sqrt(2 * shots)
    np.testing.assert_allclose(counted, fubini_study(program, *values), atol=bound)
    again = fubini_study(program, *values, backend=backend, shots=shots, seed=[1, 2])
    np.testing.assert_array_equal(counted, again)


def test_approximations_save_circuits_where_overlaps_are_counted():
    program = compile_circuit(hardware_efficient(3, 2))
    values = np.zeros((1, 0), "float32"), np.zeros(program.n_theta, "float32")
    rows = []
    for approximation in APPROXIMATIONS:
        backend = Counts()
        fubini_study(
            program, *values, backend=backend, shots=1, seed=[0, 0], approximation=approximation
        )
        rows.append(backend.rows)
    assert rows[0] == 2 * program.n_theta**2 and rows[2] == 2 * program.n_theta
    assert rows[0] > rows[1] > rows[2]


def test_the_fisher_information_is_four_times_the_metric():
    program, values = draw(1)
    np.testing.assert_allclose(quantum_fisher(program, *values), 4 * fubini_study(program, *values))


def test_blocks_are_layers_of_commuting_gates():
    ring = UnifiedCircuit(3)
    for q in range(3):
        ring.add_gate("RX", q, f"x{q}")
    for q in range(3):
        ring.add_gate("RZZ", [q, (q + 1) % 3], f"z{q}")
    for q in range(3):
        ring.add_gate("RX", q, f"y{q}")
    assert theta_blocks(compile_circuit(ring)) == (0, 0, 0, 1, 1, 1, 2, 2, 2)
    shared = UnifiedCircuit(1).add_gate("RX", 0, "a").add_gate("RY", 0, "b").add_gate("RX", 0, "a")
    assert theta_blocks(compile_circuit(shared)) == (0, 1)
    # A constant gate in between that commutes with the second but not with the first.
    fixed = UnifiedCircuit(1).add_gate("RY", 0, "a").add_gate("RZ", 0, 0.3).add_gate("RZ", 0, "b")
    assert theta_blocks(compile_circuit(fixed)) == (0, 1)
    # Angles on other qubits share the layer.
    apart = UnifiedCircuit(2).add_gate("RX", 0, "a").add_gate("RY", 1, "b")
    assert theta_blocks(compile_circuit(apart)) == (0, 0)


def test_what_does_not_go_together_is_refused():
    program, values = draw(1)
    with pytest.raises(ConfigurationError, match="Did you mean 'diagonal'"):
        fubini_study(program, *values, approximation="diagonl")
    with pytest.raises(ConfigurationError, match="number of shots"):
        fubini_study(program, *values, backend=Counts())
    with pytest.raises(ConfigurationError, match="need a seed"):
        fubini_study(program, *values, backend=Counts(), shots=10)
    program, values = draw(1, has_initial=True)
    with pytest.raises(ConfigurationError, match="starts from a given state"):
        fubini_study(program, *values, backend="native", shots=10, seed=[0, 0])
