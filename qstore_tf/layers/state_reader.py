"""What layers share that read something from a quantum state."""

from __future__ import annotations

from typing import Any, ClassVar

import tensorflow as tf

from qstore_tf import execution
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, InputError, describe
from qstore_tf.layers.base import QuantumBase
from qstore_tf.layers.keras_version import is_shape_inference
from qstore_tf.layers.run import Run, run_of
from qstore_tf.layers.run_options import RunOptions, check_has_states, plain, read_run_options
from qstore_tf.layers.shapes import empty_inputs, read_shape, symbolic
from qstore_tf.layers.values import Values


class StateReader(QuantumBase):
    """Base of the layers that take states: after quantum layers they run the whole circuit.

    An explicit backend is used; `None` means that of the preceding layers.
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
        backend_or_auto = "auto" if backend is None else backend
        options = read_run_options(backend_or_auto, "auto" if gradient is None else gradient, shots)
        super().__init__(run_options=options, seed=seed, **kwargs)
        self._backend_given = backend is not None
        self._gradient_given = gradient is not None

    @property
    def takes_backend(self) -> bool:
        """Whether a backend was given; else it is that of the preceding layers."""
        return self._backend_given

    def _options_after(self, preceding: RunOptions) -> RunOptions:
        """What this layer was given, and for the rest what the preceding layers have."""
        own = self._run_options
        if not (self._backend_given or self._gradient_given) and own.shots is None:
            return preceding
        return RunOptions(
            own.backend if self._backend_given else preceding.backend,
            own.gradient if self._gradient_given else preceding.gradient,
            preceding.shots if own.shots is None else own.shots,
        )

    def _read_state_shape(self, shape: Any) -> tuple[int | None, int]:
        """Batch size and number of qubits of a state of this shape."""
        batch, width = read_shape(shape, type(self).__name__, "a state, complex [batch, 2^n]")
        n_qubits = width.bit_length() - 1
        if n_qubits == 0 or width != 2**n_qubits:
            raise InputError(
                describe(
                    f"Layer '{self.name}' was not fed a quantum state",
                    expected="complex [batch, 2^n], a power of two from 2 up",
                    received=f"width {width}",
                    hint="Put AmplitudeEncoding before it, which pads features to a state",
                )
            )
        return batch, n_qubits

    def build(self, input_shape: Any) -> None:
        """Checks that the input is a state, and that what is read from it fits."""
        self.compute_output_shape(input_shape)
        super().build(input_shape)

    def _preceding_run(self, inputs: tf.Tensor, fuse: bool = True) -> Run:
        """The run that made the state, with the options of this layer.

        Where none is attached to the state, one without gates that starts from it.
        """
        _, n_qubits = self._read_state_shape(inputs.shape)
        self._check_state(inputs.dtype)
        state = self._amplitudes(inputs)
        run = run_of(state) if fuse else None
        if run is not None:
            options = self._options_after(run.options)
            execution.check_dtype(options.resolved, self.real_dtype)
            return run.with_options(options)
        if not is_shape_inference(inputs):
            check_has_states(self._run_options, self.name)
        values = Values.without_theta(empty_inputs(state, self.real_dtype), state)
        return Run(Program(n_qubits, 0, 0, True, ()), values, self._run_options)

    def _check_state(self, dtype: Any) -> None:
        if not tf.as_dtype(dtype).is_complex:
            raise InputError(
                describe(
                    f"Layer '{self.name}' reads quantum states but was fed real numbers",
                    expected="complex [batch, 2^n], the output of an encoding layer or of a "
                    "QuantumLayer fed with a state",
                    received=tf.as_dtype(dtype).name,
                    hint="Put AmplitudeEncoding or AngleEncoding before it. A QuantumLayer fed "
                    "with features measures by itself: give it the observables instead",
                )
            )

    @classmethod
    def _refuse_options(cls, given: dict[str, Any], names: tuple[str, ...], reason: str) -> None:
        """Raises ConfigurationError for options that other readers have and this one lacks."""
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
        """What was given; None for what is taken from the preceding layers."""
        return {
            "backend": plain(self._made_with.backend) if self._backend_given else None,
            "gradient": plain(self._made_with.gradient) if self._gradient_given else None,
            "shots": self._made_with.shots,
            "seed": self.seed,
        }


class ExactReader(StateReader):
    """Base of the layers that read exactly, from state vectors: they draw nothing."""

    # What is read, for messages.
    _quantity: ClassVar[str]

    def __init__(self, *, backend: Any = None, **kwargs: Any) -> None:
        """Checks the options; see the layers."""
        shots = kwargs.pop("shots", None)
        if shots is not None:
            raise execution.exact_only_error(self._quantity, shots)
        reason = "States are exact, and differentiated by the backend itself"
        self._refuse_options(kwargs, ("gradient", "seed"), reason)
        super().__init__(backend=backend, **kwargs)
        if backend is not None:
            self._check_exact(self._run_options)

    def _preceding_run(self, inputs: tf.Tensor, fuse: bool = True) -> Run:
        """As of other readers; raises ConfigurationError where it cannot be read exactly."""
        run = super()._preceding_run(inputs, fuse)
        self._check_exact(run.options)
        return run

    def _check_exact(self, options: RunOptions) -> None:
        """Raises ConfigurationError where there are shots, or the backend has no states."""
        if options.shots is not None:
            raise execution.exact_only_error(self._quantity, options.shots)
        if not options.has_states:
            raise ConfigurationError(
                describe(
                    f"{self._quantity} need a backend with state vectors",
                    received=f"backend={options.resolved.name!r}",
                    hint="Use backend='native' or 'tensorflow', or measure with "
                    "ExpectationValue or Sample",
                )
            )

    def get_config(self) -> dict[str, Any]:
        """Returns the configuration."""
        return {**super().get_config(), "backend": self._own_config()["backend"]}
