"""The interface of backends in NumPy, and the checks of the arrays that go into them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qstore_tf.backends.base import Batch, Named
from qstore_tf.checks import check_initial_use
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, InputError, describe

Array = np.ndarray[Any, Any]

_COMPLEX: dict[str, np.dtype[Any]] = {
    "float32": np.dtype(np.complex64),
    "float64": np.dtype(np.complex128),
}


@dataclass(frozen=True, eq=False)
class Gradients:
    """The gradients of a real loss with respect to what went into a batch.

    With respect to a complex number z it is dL/dRe(z) + i dL/dIm(z), as in TensorFlow.

    Attributes:
        inputs: [B, F].
        theta: [P], the sum over the batch.
        initial: Complex [B, 2^n]; None where the program has no initial state.
    """

    inputs: Array
    theta: Array
    initial: Array | None = None


class ArrayBackend(Named, ABC):
    """Runs programs on a batch of NumPy arrays.

    Subclasses set `name` and `capabilities` and implement `expectation`, and of the other
    methods those that their capabilities promise: `state_vector` with states, `sample` with
    samples, `pull_expectation` and `pull_state` with adjoint gradients.

    Callers check the program and the dtype once, with `check` and `check_dtype`, and the arrays
    of each batch with `check_batch`. Rows whose numbers are not finite give NaN.

    Attributes:
        remote: Whether a run goes to a machine elsewhere, and may cost money: it then takes place
            just as often as a graph says, where others may be left out or computed beforehand.
    """

    remote: bool = False

    def row_bytes(self, program: Program, dtype: np.dtype[Any], samples: bool = False) -> int:
        """Returns how many bytes each row adds to the memory of a run; see `Backend.row_bytes`."""
        return 0

    @abstractmethod
    def expectation(
        self, batch: Batch, observables: Sequence[PauliSum], seed: Sequence[int] | None = None
    ) -> Array:
        """Returns the expectations [B, K] of K observables, of the dtype of the inputs.

        Args:
            batch: What to run.
            observables: K sums of Pauli strings.
            seed: Two integers where expectations are estimated from shots.
        """

    def state_vector(self, batch: Batch) -> Array:
        """Returns the final states [B, 2^n]."""
        raise self._lacks("state vectors")

    def probabilities(self, batch: Batch) -> Array:
        """Returns the probabilities [B, 2^n] of the basis states."""
        if not self.capabilities.state_vector:
            raise self._lacks("exact probabilities")
        states = self.state_vector(batch)
        found: Array = states.real**2 + states.imag**2
        return found

    def sample(self, batch: Batch, shots: int, seed: Sequence[int]) -> Array:
        """Returns basis-state indices int64 [B, shots]; the same seed gives the same draws."""
        raise self._lacks("samples")

    def pull_expectation(
        self, batch: Batch, observables: Sequence[PauliSum], upstream: Array
    ) -> Gradients:
        """Returns the gradients, given `upstream` [B, K], those with respect to the results."""
        raise self._no_gradient()

    def pull_state(self, batch: Batch, upstream: Array) -> Gradients:
        """Returns the gradients, given `upstream` [B, 2^n], those with respect to the states."""
        raise self._no_gradient()

    def _no_gradient(self) -> ConfigurationError:
        return ConfigurationError(
            describe(
                f"Backend {self.name!r} returns results without gradients",
                hint="Use gradient='parameter_shift', or backend='native'",
            )
        )


def complex_of(dtype: Any) -> np.dtype[Any]:
    """Returns the complex dtype of a float dtype's precision."""
    return _COMPLEX[np.dtype(dtype).name]


def as_batch(program: Program, inputs: Any, theta: Any, initial: Any = None) -> Batch:
    """Returns a checked batch of anything that NumPy reads.

    Args:
        program: What to run.
        inputs: [B, F]; float64 stays, everything else becomes float32.
        theta: [P].
        initial: [B, 2^n] where the program has an initial state.

    Raises:
        InputError: A shape does not fit the program, or an initial state is missing or not wanted.
    """
    inputs = np.asarray(inputs)
    dtype: np.dtype[Any] = np.dtype("float64" if inputs.dtype == np.float64 else "float32")
    theta = np.asarray(theta, dtype)
    initial = None if initial is None else np.asarray(initial, complex_of(dtype))
    return check_batch(Batch(program, inputs.astype(dtype, copy=False), theta, initial))


def check_batch(batch: Batch) -> Batch:
    """Returns the batch; raises InputError where the shapes of its arrays do not fit."""
    program, rows = batch.program, len(batch.inputs)
    check_initial_use(program, batch.initial is not None)
    if batch.inputs.shape != (rows, program.n_inputs):
        raise _misfit("inputs", f"[B, {program.n_inputs}]", batch.inputs)
    if batch.theta.shape != (program.n_theta,):
        raise _misfit("theta", f"[{program.n_theta}]", batch.theta)
    if batch.initial is not None:
        check_rows(rows, batch.initial)
        if batch.initial.shape != (rows, 2**program.n_qubits):
            raise _misfit("initial_state", f"[B, {2**program.n_qubits}]", batch.initial)
    return batch


def check_rows(rows: int, other: Array) -> None:
    """Raises InputError unless an array has one entry for each row of a batch."""
    if len(other) != rows:
        raise InputError(
            describe(
                "The arguments of a run have different numbers of rows",
                expected=f"{rows}, as many as `inputs` has",
                received=len(other),
            )
        )


def _misfit(name: str, expected: str, received: Array) -> InputError:
    return InputError(
        describe(
            f"`{name}` has a shape that does not fit the program",
            expected=expected,
            received=list(received.shape),
        )
    )
