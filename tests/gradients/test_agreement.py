"""Every gradient method agrees with every other, on random circuits.

Exact where they are exact; where they are random, their means do, within bounds that methods
which agree pass with probability 1 - 1e-6. Seeds are fixed, so the outcome is too.
"""

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import gradients
from qstore_tf.backends import Native, TensorFlow
from qstore_tf.backends.sampled import Sampled
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables
from qstore_tf.circuits.encodings import amplitude_encoding
from qstore_tf.gradients import (
    SPSA,
    Adaptive,
    Adjoint,
    FiniteDifference,
    HadamardTest,
    ParameterShift,
)
from qstore_tf.layers import QuantumLayer, amplitudes
from qstore_tf.testing import random_circuits as rc
from qstore_tf.testing.counting import Counting
from qstore_tf.testing.gradient_agreement import (
    check_gradients_agree,
    check_means_agree,
    check_sampled_gradients_agree,
    gradients_of,
    sampled_gradients_of,
)

EXACT = {
    "adjoint": Adjoint(),
    "parameter_shift": ParameterShift(),
    "hadamard_test": HadamardTest(),
    "adaptive": Adaptive(cheap="adjoint", precise="hadamard_test", threshold=1e9, window=2),
}
NEAR = {
    "central": FiniteDifference(1e-3),
    "forward": FiniteDifference(1e-5, "forward"),
}


def draw(seed, n_gates=12, has_initial=False, batch=2):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 4))
    program = rc.random_program(rng, n, n_gates, 2, 3, has_initial)
    values = [v for v in rc.random_values(rng, program, batch) if v is not None]
    return program, rc.random_observables(rng, n, 2), values


def functions(methods, backend, program, observables):
    return {
        name: method.expectation(backend, program, observables) for name, method in methods.items()
    }


def test_every_method_is_compared():
    names = {method.name for method in (*EXACT.values(), *NEAR.values(), SPSA())}
    assert names == set(gradients.METHODS)


@pytest.mark.parametrize("has_initial", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_methods_agree(seed, has_initial):
    program, observables, values = draw(seed, 15, has_initial)
    backend = Native() if seed % 2 else TensorFlow()
    exact = functions(EXACT, backend, program, observables)
    check_gradients_agree(exact, values, atol=1e-9, rtol=1e-9)
    near = functions({**NEAR, "adjoint": Adjoint()}, backend, program, observables)
    check_gradients_agree(near, values, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_methods_agree_in_single_precision(seed):
    program, observables, values = draw(seed)
    values = [value.astype(np.float32) for value in values]
    methods = {**EXACT, "central": FiniteDifference()}
    found = functions(methods, TensorFlow(), program, observables)
    check_gradients_agree(found, values, atol=2e-3, rtol=2e-3)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_directions_have_the_gradient_as_their_mean(seed):
    program, observables, values = draw(seed)
    methods = {
        "adjoint": Adjoint(),
        "one direction": SPSA(step=1e-3),
        "many": SPSA(directions=32, step=1e-3, decay=0.1),
        "adaptive": Adaptive(cheap=SPSA(8, step=1e-3), threshold=0.0),
    }
    found = functions(methods, TensorFlow(), program, observables)
    check_sampled_gradients_agree(found, values, repeats=100, tolerance=1e-3, seed=seed)


def test_the_error_of_random_directions_is_as_documented():
    """(P - 1) / directions of the squared length of the gradient."""
    program = rc.random_program(3, 3, 25, 0, 8)
    observables = rc.random_observables(3, 3, 1)
    values = list(rc.random_values(3, program, 1)[:2])
    found = functions({"a": Adjoint(), "s": SPSA(4, step=1e-3)}, TensorFlow(), program, observables)
    exact = gradients_of(found["a"], values)[1]
    draws = sampled_gradients_of(found["s"], values, 300)[1]
    ratio = ((draws - exact) ** 2).sum(axis=1).mean() / (exact**2).sum()
    assert abs(ratio / (7 / 4) - 1) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_methods_agree_on_shots(seed):
    """Steps of 0.1 and 0.2 put SPSA and differences off by some percent of the gradient."""
    circuit = rc.random_circuit(seed, 2, 8, ["RX", "RY", "RZ", "CX", "CRY"], ["x", "a", "b"])
    program = compile_circuit(circuit, [s for s in circuit.parameters if s == "x"])
    observables = parse_observables(["ZI", "0.5 X0 X1 - Y0 Z1"], 2)
    values = list(rc.random_values(seed, program, 2)[:2])
    shots = Sampled(TensorFlow(), 100)
    found = functions({"adjoint": Adjoint()}, TensorFlow(), program, observables)
    methods = {
        "parameter_shift": ParameterShift(),
        "hadamard_test": HadamardTest(),
        "finite_difference": FiniteDifference(0.2),
        "spsa": SPSA(directions=8, step=0.1),
        "adaptive": Adaptive(threshold=1e9, window=20),
    }
    found |= functions(methods, shots, program, observables)
    check_sampled_gradients_agree(found, values, repeats=100, tolerance=0.1, seed=seed)


@pytest.mark.parametrize("is_complex", [False, True])
def test_methods_agree_by_encoded_amplitudes(is_complex):
    """Amplitudes as angles, the way a backend without states is fed them."""
    preparation = amplitude_encoding(2, complex=is_complex)
    circuit = preparation.compose(UnifiedCircuit(2).add_gate("CRX", [0, 1], "a"))
    program = compile_circuit(circuit, inputs=preparation.parameters)
    observables = parse_observables(["ZI", "XY"], 2)
    rng = np.random.default_rng(1)
    rows, theta = rng.normal(size=(3, 4)), np.array([0.4])
    values = [rows, rng.normal(size=(3, 4)), theta] if is_complex else [rows, theta]

    def by_rows(function):
        def encoded(*values):
            *parts, theta = values
            state = tf.complex(*parts) if is_complex else parts[0]
            return function(amplitudes.angles(state), theta, seed=[0, 0])

        return encoded

    methods = {**EXACT, "central": FiniteDifference(1e-4)}
    del methods["adjoint"]
    found = functions(
        methods | {"adaptive": Adaptive("hadamard_test")}, Counting(), program, observables
    )
    found |= functions({"adjoint": Adjoint()}, TensorFlow(), program, observables)
    check_gradients_agree({k: by_rows(f) for k, f in found.items()}, values, atol=1e-6)


@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
@pytest.mark.parametrize("method", ["parameter_shift", "hadamard_test", FiniteDifference(1e-4)])
def test_layers_have_the_same_gradients_by_every_method(encoding, method):
    features = np.random.default_rng(0).normal(size=(3, 2))

    def outcome(backend, gradient):
        layer = QuantumLayer(
            2, 2, encoding, backend=backend, gradient=gradient, dtype="float64",
            theta_initializer="ones",
        )  # fmt: skip
        layer.build(features.shape)
        return lambda x: layer(x)

    found = {"adjoint": outcome("tensorflow", "adjoint"), "other": outcome(Counting(), method)}
    check_gradients_agree(found, [features], atol=1e-6)


def test_wrong_means_are_found():
    def noisy(factor):
        def function(x, seed):
            return x * (factor + tf.random.stateless_normal(x.shape, seed, dtype=x.dtype))

        return function

    x = [np.array([1.0, 2.0])]
    check_sampled_gradients_agree({"a": noisy(1.0), "b": noisy(1.0)}, x, repeats=100)
    with pytest.raises(AssertionError, match="wrong and right differ.*argument 0"):
        check_sampled_gradients_agree({"wrong": noisy(3.0), "right": noisy(1.0)}, x, repeats=100)


def test_false_alarms_are_about_as_rare_as_stated():
    """Three functions with two arguments; of 1000 checks at a rate of 0.1, some 100 may alarm.

    Fewer do, because the three pairs are not independent.
    """
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(1000):
        drawn = {name: [rng.normal(size=(100, k)) for k in (3, 2)] for name in "abc"}
        try:
            check_means_agree(drawn, false_alarm=0.1)
        except AssertionError:
            alarms += 1
    assert 50 < alarms < 130
