"""Tapes of PennyLane: how they are made, the order of their wires, symbols for parameters."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from qstore_tf.circuits.symbols import check_symbol_name
from qstore_tf.errors import ConversionError, describe


def wires_of(source: Any, args: Sequence[Any] = ()) -> list[Any]:
    """The wires of a PennyLane circuit in the order of its qubits, as `qml.state` orders them.

    These are the wires of a QNode's device, all of them, where it was made with wires. Without:
    wires that are labelled 0, 1, ..., n - 1 stand in that order, however they are used; others
    in the order of their first use, those that are only measured last.

    Args:
        source: a tape, a QNode or a quantum function.
        args: what a QNode or a quantum function is called with.

    Raises:
        ConversionError: it is none of these.
    """
    return order_of(source, tape_of(source, args))


def order_of(source: Any, tape: Any) -> list[Any]:
    """The wires of a circuit whose tape is known; see `wires_of`."""
    device = getattr(source, "device", None)
    if device is not None and device.wires is not None:
        return list(device.wires)
    used = [wire for operation in tape.operations for wire in operation.wires]
    used = list(dict.fromkeys(used))
    measured = [wire for measurement in tape.measurements for wire in measurement.wires]
    wires = list(dict.fromkeys([*used, *measured]))
    # PennyLane keeps the labels only if those of the operations come before the others.
    if set(used) == set(range(len(used))) and set(wires) == set(range(len(wires))):
        return list(range(len(wires)))
    return wires


def tape_of(source: Any, args: Sequence[Any]) -> Any:
    """The tape of a QNode or of a quantum function called with `args`, or a tape as it is.

    Raises:
        ConversionError: it is none of these.
    """
    qml = sys.modules.get("pennylane")
    if qml is not None:
        if isinstance(source, qml.tape.QuantumScript):
            return source
        if isinstance(source, qml.QNode):
            source = source.func
        if callable(source) and not isinstance(source, type):
            return qml.tape.make_qscript(source)(*args)
    raise ConversionError(
        describe(
            "This is not a PennyLane circuit",
            expected="a pennylane.tape.QuantumScript, a QNode or a quantum function",
            received=type(source).__name__,
            hint="Record operations with pennylane.tape.QuantumScript([...])",
        )
    )


def with_symbols(tape: Any, trainable: str | None) -> list[Any]:
    """The operations of the tape, their trainable parameters replaced by symbols."""
    operations = list(tape.operations)
    if trainable is None:
        return operations
    from pennylane.ops.functions import bind_new_parameters

    check_symbol_name(trainable)
    new: dict[int, dict[int, Any]] = {}
    # Parameters of the measured observables come after those of the operations.
    for k, number in enumerate(tape.trainable_params):
        place = tape.par_info[number]
        if place["op_idx"] < len(operations):
            value = operations[place["op_idx"]].data[place["p_idx"]]
            new.setdefault(place["op_idx"], {})[place["p_idx"]] = _symbols(
                f"{trainable}_{k}", np.shape(value)
            )
    for position, replaced in new.items():
        operation = operations[position]
        data = [replaced.get(p, value) for p, value in enumerate(operation.data)]
        try:
            operations[position] = bind_new_parameters(operation, data)
        # PennyLane computes with parameters in constructors too, each with errors of its own.
        except Exception as error:
            raise ConversionError(
                describe(
                    f"Operation {position} of the PennyLane tape, {operation.name}, takes no "
                    f"symbols: {first_line(error)}",
                    hint="Leave its parameters out of tape.trainable_params, or leave out "
                    "`trainable` to bind all parameters to their numbers",
                )
            ) from error
    return operations


def _symbols(name: str, shape: tuple[int, ...]) -> Any:
    """An array of SymPy symbols; of no dimension for one symbol, which PennyLane computes with."""
    import sympy

    result = np.empty(shape, dtype=object)
    for entry in itertools.product(*map(range, shape)):
        result[entry] = sympy.Symbol("_".join([name, *map(str, entry)]))
    return result


def first_line(error: BaseException) -> str:
    """The first line of an error of PennyLane's, or its class where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
