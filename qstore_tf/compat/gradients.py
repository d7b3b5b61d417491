"""Gradients of a loss by the symbols of a circuit, as earlier versions computed them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.circuits import compile_circuit, parse_observables
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.compat.circuits import AnyCircuit, circuit_of
from qstore_tf.errors import InputError, describe
from qstore_tf.execution import build_expectation
from qstore_tf.gradients import SPSA, GradientMethod, ParameterShift, fubini_study
from qstore_tf.optimizers.solving import solve

Array = np.ndarray[Any, Any]


class CircuitGradient:
    """The gradient of a loss of expectation values by the symbols of a circuit.

    Args:
        backend: A name or a backend.
        method: How it is computed.
    """

    def __init__(self, backend: Any = "auto", method: GradientMethod | None = None) -> None:
        self.backend = backends.get(backend)
        self.method = ParameterShift() if method is None else method

    def estimate_gradient(
        self,
        circuit: AnyCircuit,
        loss_fn: Callable[[tf.Tensor], Any],
        parameters: Mapping[str, float] | Any,
        observables: Any = "Z",
        seed: int | None = None,
    ) -> Array:
        """Returns the gradient [P].

        Args:
            circuit: The circuit, with symbols.
            loss_fn: From the expectation values [K], a tensor, to a number; in TensorFlow's
                functions or operators.
            parameters: Values of the symbols by name, or in order of appearance.
            observables: What is measured; Z of each qubit.
            seed: Of what is drawn; None: another each time.

        Raises:
            InputError: The values do not fit the symbols.
        """
        program, values = _read(circuit, parameters)
        sums = _sums(observables, program)
        run = build_expectation(program, sums, self.backend, self.method)
        words = np.random.default_rng(seed).integers(2**31 - 1, size=2)
        theta = tf.constant(values, "float64" if _is_double(self.backend) else "float32")
        with tf.GradientTape() as tape:
            tape.watch(theta)
            found = run(tf.zeros((1, 0), theta.dtype), theta, seed=tf.constant(words, tf.int32))
            loss = loss_fn(found[0])
        return np.asarray(tape.gradient(loss, theta))

    async def compute(
        self,
        circuit: AnyCircuit,
        loss_fn: Callable[[tf.Tensor], Any],
        parameters: Mapping[str, float] | Any,
        **options: Any,
    ) -> Array:
        """As `estimate_gradient`, in a thread."""
        return await asyncio.to_thread(
            self.estimate_gradient, circuit, loss_fn, parameters, **options
        )


class ParameterShiftGradient(CircuitGradient):
    """Exact gradients from shifted circuits: `qs.gradients.ParameterShift`.

    Args:
        backend: A name or a backend.

    Example:
        >>> from qstore_tf import UnifiedCircuit
        >>> circuit = UnifiedCircuit(1).add_gate("RY", 0, "a")
        >>> gradient = ParameterShiftGradient("tensorflow").compute(
        ...     circuit=circuit, loss_fn=lambda z: z[0] ** 2, parameters={"a": 0.3}
        ... )
        >>> bool(np.isclose(asyncio.run(gradient)[0], -np.sin(0.6)))
        True
    """

    def __init__(self, backend: Any = "auto") -> None:
        super().__init__(backend, ParameterShift())


class SPSAGradientEstimator(CircuitGradient):
    """Random gradients at the price of two circuits for each direction: `qs.gradients.SPSA`.

    Args:
        backend: A name or a backend.
        directions: Independent directions to average over.
        step: How far each angle is moved, radians.

    Example:
        >>> from qstore_tf import UnifiedCircuit
        >>> circuit = UnifiedCircuit(1).add_gate("RY", 0, "a")
        >>> found = SPSAGradientEstimator("tensorflow").estimate_gradient(
        ...     circuit, lambda z: z[0], {"a": np.pi / 2}
        ... )
        >>> found.round(2).tolist()
        [-1.0]
    """

    def __init__(self, backend: Any = "auto", directions: int = 1, step: float = 0.1) -> None:
        super().__init__(backend, SPSA(directions, step))


class NaturalGradientEstimator(CircuitGradient):
    """Gradients in the geometry of the states, (g + regularization)^-1 times the gradient.

    g is the Fubini-Study metric of the state that the circuit makes; see
    `qs.optimizers.QuantumNaturalGradient`, which trains with it. Metrics of the last circuits and
    values are kept: `hits` and `misses` count.

    Args:
        backend: A name or a backend.
        regularization: Added to the diagonal of the metric.
        cache_size: How many metrics are kept.
        shots: For metrics on backends without states.

    Example:
        >>> from qstore_tf import UnifiedCircuit
        >>> circuit = UnifiedCircuit(1).add_gate("RY", 0, "a")
        >>> estimator = NaturalGradientEstimator("tensorflow", regularization=0.25)
        >>> for _ in range(2):
        ...     found = estimator.estimate_gradient(circuit, lambda z: z[0], {"a": np.pi / 2})
        >>> found.round(2).tolist(), estimator.hits, estimator.misses  # -1 / (1/4 + 1/4)
        ([-2.0], 1, 1)
    """

    def __init__(
        self,
        backend: Any = "auto",
        regularization: float = 0.01,
        cache_size: int = 100,
        shots: int | None = None,
    ) -> None:
        super().__init__(backend)
        self.regularization, self.cache_size, self.shots = regularization, cache_size, shots
        self.hits = self.misses = 0
        self._metrics: dict[Any, Array] = {}

    def estimate_gradient(
        self,
        circuit: AnyCircuit,
        loss_fn: Callable[[tf.Tensor], Any],
        parameters: Mapping[str, float] | Any,
        observables: Any = "Z",
        seed: int | None = None,
    ) -> Array:
        """Returns the natural gradient [P]; see `CircuitGradient.estimate_gradient`."""
        plain = super().estimate_gradient(circuit, loss_fn, parameters, observables, seed)
        program, values = _read(circuit, parameters)
        metric = self._metric(program, values, seed).astype(plain.dtype)
        found = solve(tf.constant(metric), tf.constant(plain), self.regularization)
        return np.asarray(found[0] if isinstance(found, tuple) else found)

    def _metric(self, program: Program, values: Array, seed: int | None) -> Array:
        key = (program, values.tobytes())
        if key in self._metrics:
            self.hits += 1
            return self._metrics[key]
        self.misses += 1
        words = np.random.default_rng(seed).integers(2**31 - 1, size=2).astype("int32")
        options = {} if self.shots is None else {"shots": self.shots, "seed": words}
        dtype = "float64" if _is_double(self.backend) else "float32"
        metric = fubini_study(
            program,
            np.zeros((1, 0), dtype),
            values.astype(dtype),
            backend=self.backend,
            **options,
        )
        while len(self._metrics) >= self.cache_size:
            self._metrics.pop(next(iter(self._metrics)))
        self._metrics[key] = np.asarray(metric)
        return self._metrics[key]


def _is_double(backend: Any) -> bool:
    return "float64" in backend.capabilities.dtypes


def _sums(observables: Any, program: Program) -> tuple[PauliSum, ...]:
    return tuple(parse_observables(observables, program.n_qubits))


def _read(circuit: AnyCircuit, parameters: Any) -> tuple[Program, Array]:
    """The program, and the values of its symbols in order."""
    read = circuit_of(circuit)
    names = read.parameters
    if isinstance(parameters, Mapping):
        given = [parameters[name] for name in names if name in parameters]
        fits = len(given) == len(names) == len(parameters)
    else:
        given = np.asarray(parameters, "float64").reshape(-1).tolist()
        fits = len(given) == len(names)
    if not fits:
        raise InputError(
            describe(
                "The values do not fit the symbols of the circuit",
                expected=f"values of {list(names)}",
                received=parameters,
            )
        )
    return compile_circuit(read), np.asarray(given, "float64")
