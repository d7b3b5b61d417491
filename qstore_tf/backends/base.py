"""What every backend offers, and what it says about itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, InputError, describe


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do.

    Attributes:
        state_vector: It has state vectors: `state_vector`, `probabilities` and initial states.
        exact: Expectations are exact to float precision, not estimated from shots.
        adjoint: Its results are differentiable as they are, in inputs, theta and initial state.
        dtypes: Names of the float dtypes it runs in.
        xla: It compiles with `jit_compile=True`.
        batched: It runs a whole batch in one call.
        samples: It draws samples.
    """

    state_vector: bool
    exact: bool
    adjoint: bool
    dtypes: tuple[str, ...] = ("float32",)
    xla: bool = False
    batched: bool = True
    samples: bool = True


class Backend(ABC):
    """Runs programs on a batch.

    Subclasses set `name` and `capabilities` and implement `expectation`; those that have state
    vectors or draw samples implement the other methods too.
    """

    name: str
    capabilities: Capabilities

    def check(self, program: Program) -> None:  # noqa: B027
        """Raises ConfigurationError where this backend cannot run a gate of the program.

        The message names the gate and a backend that can. Called once, before anything runs.
        """

    def row_bytes(self, program: Program, dtype: tf.DType, samples: bool = False) -> int:
        """Returns how many bytes each row of a batch adds to the memory of a run, about.

        Arguments and results do not count. 0, as here, where memory does not grow with the
        batch, so that nothing is won by splitting it.

        Args:
            program: What is run.
            dtype: float32 or float64.
            samples: Whether `sample` is meant, else `expectation` and its gradient.
        """
        return 0

    @abstractmethod
    def expectation(
        self,
        program: Program,
        observables: Sequence[PauliSum],
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        seed: Any = None,
    ) -> tf.Tensor:
        """Returns the expectations [B, K] of the observables.

        Args:
            program: What to run.
            observables: K sums of Pauli strings.
            inputs: [B, F] float32 or float64, radians.
            theta: [P] of the same dtype, radians.
            initial_state: Complex [B, 2^n] where the program has one.
            seed: Two integers where expectations are estimated from shots; the same seed gives
                the same shots. Exact backends ignore it.
        """

    def state_vector(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        """Returns the final states [B, 2^n]; arguments as `expectation`.

        Raises:
            ConfigurationError: This backend has no state vectors.
        """
        raise self._lacks("state vectors")

    def probabilities(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        """Returns the probabilities [B, 2^n] of the basis states; arguments as `expectation`.

        Raises:
            ConfigurationError: This backend has no probabilities.
        """
        raise self._lacks("exact probabilities")

    def sample(
        self,
        program: Program,
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        shots: int,
        seed: Any,
    ) -> tf.Tensor:
        """Returns basis-state indices drawn from the final state, int64 [B, shots].

        Args:
            program: What to run.
            inputs: [B, F], as for `expectation`.
            theta: [P].
            initial_state: Complex [B, 2^n] where the program has one.
            shots: Draws for each sample.
            seed: Two integers; the same seed gives the same draws.

        Raises:
            ConfigurationError: This backend draws no samples.
        """
        raise self._lacks("samples")

    def check_dtype(self, dtype: tf.DType) -> None:
        """Raises InputError where this backend does not run in a float dtype."""
        if dtype.name not in self.capabilities.dtypes:
            raise InputError(
                describe(
                    f"Backend {self.name!r} does not run in {dtype.name}",
                    expected=" or ".join(self.capabilities.dtypes),
                    received=dtype.name,
                    hint="Use dtype='float32' in the layer, or backend='native'",
                )
            )

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same backend again."""
        return {}

    def _lacks(self, what: str) -> ConfigurationError:
        return ConfigurationError(
            describe(
                f"Backend {self.name!r} does not return {what}",
                hint="Use backend='tensorflow' or backend='native'",
            )
        )

    def __repr__(self) -> str:
        """Returns the expression that makes the same backend again."""
        options = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({options})"

    def __eq__(self, other: object) -> bool:
        """Two backends are equal where they are of one class and configured alike."""
        return (
            isinstance(other, Backend)
            and type(self) is type(other)
            and self.get_config() == other.get_config()
        )

    def __hash__(self) -> int:
        """Goes with equality."""
        return hash((type(self), repr(sorted(self.get_config().items()))))
