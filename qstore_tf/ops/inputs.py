"""Checks of the tensors that go into a program, before any op sees them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf.checks import check_initial_use, check_shots
from qstore_tf.circuits.program import Program
from qstore_tf.errors import InputError, describe

# What stands for the initial state in programs that have none.
_NOTHING = np.zeros((0, 0))

_COMPLEX = {tf.float32: tf.complex64, tf.float64: tf.complex128}


def prepare(
    program: Program, inputs: Any, theta: Any, initial_state: Any = None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor | None]:
    """Converts and checks the arguments of a run.

    Args:
        program: The program they are for.
        inputs: [B, F] float32 or float64.
        theta: [P] of the same dtype.
        initial_state: Complex [B, 2^n] of the same precision, or None.

    Returns:
        The three as tensors; the initial state is None where the program has none. Python lists
        and integers take the other argument's dtype, float32 where neither has one.

    Raises:
        InputError: A rank, a static shape or a dtype does not fit. Shapes that are unknown while
            tracing are checked when the op runs.
    """
    dtype = _real_dtype(inputs, theta)
    inputs = _real("inputs", inputs, dtype)
    theta = _real("theta", theta, dtype)
    _check_shape("inputs", inputs, (None, program.n_inputs), "[B, F] with F columns, one a symbol")
    _check_shape("theta", theta, (program.n_theta,), "[P], one entry a trained symbol")
    return inputs, theta, _initial(program, inputs, initial_state)


def prepare_for_op(
    program: Program, inputs: Any, theta: Any, initial_state: Any = None
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """As `prepare`, with an empty tensor for the state of programs that have none."""
    inputs, theta, initial = prepare(program, inputs, theta, initial_state)
    if initial is None:
        initial = tf.constant(_NOTHING, complex_dtype(inputs.dtype))
    return inputs, theta, initial


def complex_dtype(dtype: tf.DType) -> tf.DType:
    """Returns the complex dtype of a float dtype's precision."""
    return _COMPLEX[tf.as_dtype(dtype)]


def _dtype_of(value: Any) -> tf.DType | None:
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return None
    try:
        found = tf.as_dtype(dtype)
    except TypeError:
        return None
    return None if found.is_integer or found.is_bool else found


def _real_dtype(inputs: Any, theta: Any) -> tf.DType:
    found = {"inputs": _dtype_of(inputs), "theta": _dtype_of(theta)}
    for name, dtype in found.items():
        if dtype is not None and dtype not in _COMPLEX:
            raise InputError(
                describe(
                    f"`{name}` has a dtype that programs do not run in",
                    expected="float32 or float64",
                    received=dtype.name,
                    hint=f"Cast it: tf.cast({name}, tf.float32)",
                )
            )
    given = {dtype for dtype in found.values() if dtype is not None}
    if len(given) > 1:
        assert found["inputs"] is not None and found["theta"] is not None
        raise InputError(
            describe(
                "`inputs` and `theta` have different dtypes",
                expected="both float32 or both float64",
                received=f"inputs {found['inputs'].name}, theta {found['theta'].name}",
                hint=f"Cast one of them: tf.cast(inputs, tf.{found['theta'].name})",
            )
        )
    return given.pop() if given else tf.float32


def _real(name: str, value: Any, dtype: tf.DType) -> tf.Tensor:
    try:
        integer = _dtype_of(value) is None and getattr(value, "dtype", None) is not None
        return tf.cast(value, dtype) if integer else tf.convert_to_tensor(value, dtype)
    except (TypeError, ValueError) as error:
        raise InputError(
            describe(
                f"`{name}` cannot be read as a {dtype.name} tensor ({error})",
                expected="a rectangular array of numbers",
            )
        ) from error


def _check_shape(name: str, value: tf.Tensor, shape: tuple[int | None, ...], meaning: str) -> None:
    if value.shape.is_compatible_with(tf.TensorShape(shape)):
        return
    raise InputError(
        describe(
            f"`{name}` has a shape that does not fit the program",
            expected=f"{_written(shape)}, that is {meaning}",
            received=_written(value.shape),
        )
    )


def _written(shape: Any) -> str:
    if isinstance(shape, tf.TensorShape) and shape.rank is None:
        return "unknown rank"
    return "[" + ", ".join("B" if size is None else str(size) for size in shape) + "]"


def _initial(program: Program, inputs: tf.Tensor, state: Any) -> tf.Tensor | None:
    check_initial_use(program, state is not None)
    if state is None:
        return None
    want = complex_dtype(inputs.dtype)
    dtype = _dtype_of(state)
    if dtype is not None and dtype.is_complex and dtype != want:
        raise InputError(
            describe(
                "`initial_state` and `inputs` have different precision",
                expected=f"{want.name}, because `inputs` is {inputs.dtype.name}",
                received=dtype.name,
                hint=f"Cast one of them: tf.cast(initial_state, tf.{want.name})",
            )
        )
    if dtype is not None and not dtype.is_complex:
        raise InputError(
            describe("`initial_state` is not complex", expected=want.name, received=dtype.name)
        )
    state = tf.convert_to_tensor(state, want)
    _check_shape(
        "initial_state",
        state,
        (inputs.shape[0] if inputs.shape.rank else None, 2**program.n_qubits),
        f"one state vector of {program.n_qubits} qubits a sample",
    )
    return state


def check_sampling(shots: int, seed: Any) -> tf.Tensor:
    """Returns the seed as an int64 [2] tensor; raises InputError for bad shots or seeds."""
    check_shots(shots, InputError)
    return check_seed(seed)


def check_seed(seed: Any) -> tf.Tensor:
    """Returns a seed as an int64 [2] tensor; raises InputError unless it is two integers."""
    try:
        given = tf.convert_to_tensor(seed)
        fits = given.dtype.is_integer and given.shape.is_compatible_with([2])
    except (TypeError, ValueError, OverflowError):
        fits = False
    if not fits:
        raise InputError(
            describe("`seed` must be two integers", expected="such as [0, 1]", received=seed)
        )
    return tf.cast(given, tf.int64)
