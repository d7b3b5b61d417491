"""What the layers share that read something from a quantum state."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import tensorflow as tf

from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, InputError, describe
from qstore_tf.execution import exact_only
from qstore_tf.layers import carried
from qstore_tf.layers.base import QuantumBase, finds_shapes, no_inputs, read_shape, symbolic
from qstore_tf.layers.carried import Carried
from qstore_tf.layers.means import Means, check_has_states, plain, read_means


class StateReader(QuantumBase):
    """Base of the layers that take states: behind quantum layers they run the whole circuit.

    A backend that was given holds; `None` is that of the layers in front.
    """

    def __init__(
        self,
        *,
        backend: Any = None,
        gradient: Any = None,
        shots: Any = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Checks the options; see the layers."""
        means = read_means("auto" if backend is None else backend, gradient or "auto", shots)
        super().__init__(means=means, seed=seed, **kwargs)
        self._own_backend = backend is not None
        self._own_gradient = gradient is not None

    def _means_behind(self, before: Means) -> Means:
        """What this layer was given, and for the rest what the layers in front have."""
        means = self._means.behind(before)
        if not self._own_backend:
            means = replace(means, backend=before.backend)
        if not self._own_gradient:
            means = replace(means, gradient=before.gradient)
        return means

    def _read(self, shape: Any) -> tuple[int | None, int]:
        """Batch size and number of qubits of a state of this shape."""
        batch, width = read_shape(shape, type(self).__name__, "a state, complex [batch, 2^n]")
        n_qubits = width.bit_length() - 1
        if n_qubits == 0 or width != 2**n_qubits:
            raise InputError(
                describe(
                    f"Layer '{self.name}' was not fed a quantum state",
                    expected="complex [batch, 2^n], a power of two from 2 up",
                    received=f"width {width}",
                    hint="Put AmplitudeEncoding in front, which pads features to a state",
                )
            )
        return batch, n_qubits

    def build(self, input_shape: Any) -> None:
        """Checks that the input is a state, and that what is read from it fits."""
        self.compute_output_shape(input_shape)
        super().build(input_shape)

    def _before(self, inputs: tf.Tensor, fuse: bool = True) -> Carried:
        """The circuit that made the state; one without gates that starts from it where none is."""
        _, n_qubits = self._read(inputs.shape)
        self._check_state(inputs.dtype)
        state = self._amplitudes(inputs)
        before = carried.of(state) if fuse else None
        if before is not None:
            return replace(before, means=self._means_behind(before.means))
        if not finds_shapes(inputs):
            check_has_states(self._means, self.name)
        none = no_inputs(state, self.real_dtype)
        theta = tf.zeros([0], self.real_dtype)
        return Carried(Program(n_qubits, 0, 0, True, ()), none, theta, state, self._means)

    def _check_state(self, dtype: Any) -> None:
        if not tf.as_dtype(dtype).is_complex:
            raise InputError(
                describe(
                    f"Layer '{self.name}' reads quantum states but was fed real numbers",
                    expected="complex [batch, 2^n], the output of an encoding layer or of a "
                    "QuantumLayer fed with a state",
                    received=tf.as_dtype(dtype).name,
                    hint="Put AmplitudeEncoding or AngleEncoding in front. A QuantumLayer fed "
                    "with features measures by itself: give it the observables instead",
                )
            )

    @classmethod
    def _refuse_options(cls, given: dict[str, Any], names: tuple[str, ...], reason: str) -> None:
        """Raises ConfigurationError for options that other readers have and this one has not."""
        values = {name: given.pop(name, None) for name in names}
        found = {name: value for name, value in values.items() if value is not None}
        if found:
            raise ConfigurationError(
                describe(
                    f"{cls.__name__} takes no {' and no '.join(found)}",
                    received=found,
                    hint=f"{reason}. Leave it out",
                )
            )

    @property
    def _output_dtype(self) -> Any:
        return self.compute_dtype

    def compute_output_spec(self, inputs: Any) -> Any:
        """Returns the symbolic output, without running anything."""
        self._check_state(inputs.dtype)
        self._check_dtype(inputs.dtype)
        return symbolic(self.compute_output_shape(inputs.shape), self._output_dtype)

    def _own_config(self) -> dict[str, Any]:
        """What was given; None for what is taken from the layers in front."""
        return {
            "backend": plain(self._means.backend) if self._own_backend else None,
            "gradient": plain(self._means.gradient) if self._own_gradient else None,
            "shots": self._means.shots,
            "seed": self.seed,
        }


class ExactReader(StateReader):
    """Base of the layers that read exactly, from state vectors: they draw nothing."""

    # Names in messages what is read.
    _reads: ClassVar[str]

    def __init__(self, *, backend: Any = None, **kwargs: Any) -> None:
        """Checks the options; see the layers."""
        shots = kwargs.pop("shots", None)
        if shots is not None:
            raise exact_only(self._reads, shots)
        reason = "States are exact, and differentiated by the backend itself"
        self._refuse_options(kwargs, ("gradient", "seed"), reason)
        super().__init__(backend=backend, **kwargs)
        if backend is not None:
            self._check_exact(self._means)

    def _check_exact(self, means: Means) -> None:
        """Raises ConfigurationError where there are shots, or the backend has no states."""
        if means.shots is not None:
            raise exact_only(self._reads, means.shots)
        if not means.has_states:
            raise ConfigurationError(
                describe(
                    f"{self._reads} need a backend with state vectors",
                    received=f"backend={means.resolved.name!r}",
                    hint="Use backend='native' or 'tensorflow', or measure with "
                    "ExpectationValue or Sample",
                )
            )

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {**super().get_config(), "backend": self._own_config()["backend"]}
