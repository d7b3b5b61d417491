"""What every backend offers, and what it says about itself; no framework is imported here."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, InputError, describe

if TYPE_CHECKING:
    import tensorflow as tf
    from typing_extensions import Self


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do.

    Attributes:
        state_vector: It has state vectors: `state_vector`, `probabilities` and initial states.
        exact: Expectations are exact to float precision, not estimated from shots.
        adjoint: Its results are differentiable as they are, in inputs, theta and initial state.
        dtypes: Names of the float dtypes it runs in.
        xla: It compiles with `jit_compile=True`.
        samples: It draws samples.
    """

    state_vector: bool
    exact: bool
    adjoint: bool
    dtypes: tuple[str, ...] = ("float32",)
    xla: bool = False
    samples: bool = True


@dataclass(frozen=True, eq=False)
class Batch:
    """A program and the numbers of a batch, in arrays or in tensors.

    Attributes:
        program: What to run.
        inputs: [B, F] float32 or float64, radians.
        theta: [P] of the same dtype, radians.
        initial: Complex [B, 2^n] where the program has an initial state, else None.
    """

    program: Program
    inputs: Any
    theta: Any
    initial: Any = None

    @property
    def values(self) -> tuple[Any, Any, Any]:
        """Inputs, theta and initial state."""
        return self.inputs, self.theta, self.initial


class Named:
    """What backends say about themselves: a name, what they can do, and how to make them again.

    Subclasses set `name` and `capabilities`, and `get_config` where they have options.
    """

    name: str
    capabilities: Capabilities

    def check(self, program: Program) -> None:
        """Raises ConfigurationError where this backend cannot run a gate of the program.

        The message names the gate and a backend that can. Called before each program runs.
        """

    def check_dtype(self, dtype: Any) -> None:
        """Raises InputError where this backend does not run in a float dtype, one with a `name`."""
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

    def with_shots(self, shots: int) -> Self | None:
        """Returns this backend with a number of shots, where it estimates from shots by itself.

        None, as here, where it does not: `Sampled` then draws its samples and estimates from them.
        """
        return None

    def inner_backends(self) -> tuple[Named, ...]:
        """Returns the backends that this one hands its work to; none, as here, where it runs it."""
        return ()

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
            isinstance(other, Named)
            and type(self) is type(other)
            and self.get_config() == other.get_config()
        )

    def __hash__(self) -> int:
        """Goes with equality."""
        return hash((type(self), repr(sorted(self.get_config().items()))))


class WithAccount:
    """Mixed into backends that spend: each equals itself alone, and is not copied.

    Two of one configuration may not share an account.
    """

    def __eq__(self, other: object) -> bool:
        """Whether it is the same object."""
        return self is other

    def __hash__(self) -> int:
        """Goes with equality."""
        return object.__hash__(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The same object: an account is not copied."""
        return self


class Backend(Named, ABC):
    """Runs programs on a batch, in TensorFlow: tensors in, tensors out.

    Subclasses set `name` and `capabilities` and implement `expectation`; those that have state
    vectors or draw samples implement the other methods too. What computes in NumPy is an
    `ArrayBackend` instead (`qstore_tf.backends.arrays`), which `backends.get` turns into one of
    these.
    """

    @property
    def is_exportable(self) -> bool:
        """Whether its calls are TensorFlow's own operations, which an exported SavedModel holds.

        Calls of other backends run Python, in the process that traced them.
        """
        return all(getattr(inner, "is_exportable", False) for inner in self.inner_backends())

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


class BatchBackend(Backend):
    """A backend whose subclass writes four methods of a `Batch`, instead of the public ones.

    The numbers of the batch are as the caller gave them; the subclass converts and checks them.
    """

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
        """Returns the expectations [B, K] of the observables; see `Backend.expectation`."""
        return self._expectation(Batch(program, inputs, theta, initial_state), observables, seed)

    def state_vector(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        """Returns the final states [B, 2^n]; see `Backend.state_vector`."""
        return self._state_vector(Batch(program, inputs, theta, initial_state))

    def probabilities(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        """Returns the probabilities [B, 2^n]; see `Backend.probabilities`."""
        return self._probabilities(Batch(program, inputs, theta, initial_state))

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
        """Returns basis-state indices int64 [B, shots]; see `Backend.sample`."""
        return self._sample(Batch(program, inputs, theta, initial_state), shots, seed)

    @abstractmethod
    def _expectation(self, batch: Batch, observables: Sequence[PauliSum], seed: Any) -> tf.Tensor:
        """Returns the expectations [B, K]."""

    def _state_vector(self, batch: Batch) -> tf.Tensor:
        """Returns the final states [B, 2^n]."""
        raise self._lacks("state vectors")

    def _probabilities(self, batch: Batch) -> tf.Tensor:
        """Returns the probabilities [B, 2^n]."""
        raise self._lacks("exact probabilities")

    def _sample(self, batch: Batch, shots: int, seed: Any) -> tf.Tensor:
        """Returns basis-state indices, int64 [B, shots]."""
        raise self._lacks("samples")
