"""Joins program, observables, backend and gradient method into one differentiable function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from qstore_tf import backends, gradients
from qstore_tf.backends import Backend
from qstore_tf.backends.sampled import Sampled
from qstore_tf.checks import check_observables
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.gradients import GradientMethod


def build_expectation(
    program: Program,
    observables: Sequence[PauliSum],
    backend: str | Backend = "auto",
    gradient: str | GradientMethod = "auto",
    shots: int | None = None,
) -> Callable[..., tf.Tensor]:
    """Returns a function from numbers to expectations, differentiable in all of them.

    Everything that can be checked is checked here, once; a call only moves numbers.

    Args:
        program: What to run.
        observables: K sums of Pauli strings.
        backend: A name or a backend.
        gradient: A name or a gradient method.
        shots: Shots to estimate the expectations from, for each sample and each group of
            observables that are measured together. None is exact.

    Returns:
        `f(inputs, theta, initial_state=None, seed=None)` with `inputs` [B, F], `theta` [P]
        (radians, both float32 or both float64) and, where the program has one, a complex
        `initial_state` [B, 2^n]; it returns the expectations [B, K]. `seed`, two integers, is
        needed where something is drawn: with shots, and by gradient methods that are random.

    Raises:
        ConfigurationError: The backend or gradient is unknown, they do not go together, the
            backend cannot run a gate of the program, or draws no samples where shots are wanted.
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
    chosen, method = choose(backend, gradient, shots)
    chosen.check(program)
    return method.expectation(chosen, program, tuple(observables))


def choose(
    backend: str | Backend, gradient: str | GradientMethod, shots: int | None = None
) -> tuple[Backend, GradientMethod]:
    """Returns what expectations run on, and what differentiates them, checked together.

    Args:
        backend: A name or a backend.
        gradient: A name or a gradient method. "auto" is "parameter_shift" with shots.
        shots: As in `build_expectation`.

    Raises:
        ConfigurationError: One of them is unknown, or they do not go together.

    Example:
        >>> choose("tensorflow", "auto", shots=100)[1].name
        'parameter_shift'
    """
    chosen = backends.get(backend)
    if shots is not None:
        if isinstance(chosen, Sampled):
            raise ConfigurationError(
                describe(
                    "The backend already sets shots",
                    expected="shots=None",
                    received={"backend": chosen, "shots": shots},
                    hint="Leave shots out, or give the backend that it draws from",
                )
            )
        chosen = chosen.with_shots(shots) or Sampled(chosen, shots)
    name = gradient if isinstance(gradient, str) else getattr(gradient, "name", None)
    if isinstance(chosen, Sampled) and name == "adjoint":
        raise ConfigurationError(
            describe(
                "gradient='adjoint' reads its gradients from state vectors, and shots give none",
                received={"gradient": name, "shots": chosen.shots},
                hint="Use gradient='parameter_shift' or gradient='spsa', or leave shots out",
            )
        )
    return chosen, gradients.get(gradient, chosen)


def check_dtype(backend: Backend, dtype: Any) -> None:
    """Raises ConfigurationError where the backend does not compute in a float dtype.

    Example:
        >>> check_dtype(backends.get("tensorflow"), "float64")
    """
    name = tf.as_dtype(dtype).name
    if name in backend.capabilities.dtypes:
        return
    does = " or ".join(map(repr, backend.capabilities.dtypes))
    raise ConfigurationError(
        describe(
            f"Backend {backend.name!r} does not compute in {name}",
            expected=f"dtype={does}",
            received=name,
            hint=f"Use dtype={does}, or backend='native' or 'tensorflow'",
        )
    )


def build_state(
    program: Program,
    backend: str | Backend = "auto",
    gradient: str | GradientMethod = "auto",
    shots: int | None = None,
) -> Callable[..., tf.Tensor]:
    """Returns `f(inputs, theta, initial_state=None)` to final states [B, 2^n], differentiable.

    Args:
        program: What to run.
        backend: A name or a backend with state vectors.
        gradient: A name or a gradient method that differentiates states.
        shots: None; states are exact, so that anything else is an error.

    Raises:
        ConfigurationError: The backend or gradient is unknown, they do not go together, the
            backend has no state vectors or cannot run a gate of the program, or shots are given.
    """
    chosen = backends.get(backend)
    if isinstance(chosen, Sampled):
        shots = chosen.shots
    if shots is not None:
        raise exact_only_error("State vectors", shots)
    method = gradients.get(gradient, chosen)
    if not chosen.capabilities.state_vector:
        raise ConfigurationError(
            describe(
                f"Backend {chosen.name!r} has no state vectors",
                hint="Write encoding, circuit and measurement as one layer: "
                "QuantumLayer(..., encoding=..., observables=...)",
            )
        )
    chosen.check(program)
    return method.state(chosen, program)


def exact_only_error(what: str, shots: Any) -> ConfigurationError:
    """The error for what cannot be computed from shots."""
    return ConfigurationError(
        describe(
            f"{what} cannot be computed from shots",
            expected="shots=None",
            received=f"shots={shots}",
            hint="Leave shots out, draw basis states with Sample(shots=...), or estimate "
            "expectation values with ExpectationValue(..., shots=...)",
        )
    )
