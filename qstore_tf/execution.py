"""Joins program, observables, backend and gradient method into one differentiable function."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from qstore_tf import backends, gradients
from qstore_tf.backends import Backend
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients import GradientMethod
from qstore_tf.ops.inputs import check_observables


def build_expectation(
    program: Program,
    observables: Sequence[PauliSum],
    backend: str | Backend = "auto",
    gradient: str | GradientMethod = "auto",
) -> Callable[..., tf.Tensor]:
    """Returns a function from numbers to expectations, differentiable in all of them.

    Everything that can be checked is checked here, once; a call only moves numbers.

    Args:
        program: What to run.
        observables: K sums of Pauli strings.
        backend: A name or a backend.
        gradient: A name or a gradient method.

    Returns:
        `f(inputs, theta, initial_state=None)` with `inputs` [B, F], `theta` [P] (radians, both
        float32 or both float64) and, where the program has one, a complex `initial_state`
        [B, 2^n]; it returns the expectations [B, K].

    Raises:
        ConfigurationError: The backend or gradient is unknown, or they do not go together.
        ObservableError: An observable is on a qubit that is not there.

    Example:
        >>> from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables
        >>> circuit = UnifiedCircuit(1).add_gate("RY", 0, "x").add_gate("RY", 0, "a")
        >>> program = compile_circuit(circuit, inputs=["x"])
        >>> f = build_expectation(program, parse_observables("Z", 1), backend="tensorflow")
        >>> print(f([[0.0]], [0.0]).numpy().round(3))
        [[1.]]
    """
    check_observables(observables, program.n_qubits)
    chosen = backends.get(backend)
    return gradients.get(gradient, chosen).expectation(chosen, program, tuple(observables))


def build_state(
    program: Program,
    backend: str | Backend = "auto",
    gradient: str | GradientMethod = "auto",
) -> Callable[..., tf.Tensor]:
    """Returns `f(inputs, theta, initial_state=None)` to final states [B, 2^n], differentiable.

    Args:
        program: What to run.
        backend: A name or a backend with state vectors.
        gradient: A name or a gradient method that differentiates states.

    Raises:
        ConfigurationError: The backend or gradient is unknown, they do not go together, or the
            backend has no state vectors.
    """
    chosen = backends.get(backend)
    method = gradients.get(gradient, chosen)
    if not chosen.capabilities.state_vector:
        raise ConfigurationError(
            describe(
                f"Backend {chosen.name!r} has no state vectors",
                hint="Write encoding, circuit and measurement as one layer: "
                "QuantumLayer(..., encoding=..., observables=...)",
            )
        )
    return method.state(chosen, program)
