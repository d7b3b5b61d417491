"""What verbs take and return, as JSON and back. Server and client share it, so that they agree.

Arrays travel as lists of numbers, or packed as dtype, shape and base64 of their little-endian
bytes, which keeps every bit and is quicker. An endless coherence time is null.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from qstore_tf import errors
from qstore_tf.errors import ItemError, ResultsError, describe
from qstore_tf.ionq.money.amounts import Money
from qstore_tf.store.arguments.names import is_text
from qstore_tf.store.definitions.correlation import Correlation, Measured
from qstore_tf.store.items.correlations import Proposal
from qstore_tf.store.records import (
    BatchResult,
    Context,
    Item,
    Match,
    Namespace,
    Page,
    QueryResult,
    RowError,
    Vector,
)

DTYPES = ("float32", "float64", "complex64", "complex128")
MOST_NUMBERS = 1 << 28

# Errors that keep their type on the way; others arrive as StoreError.
ERRORS = {
    kind.__name__: kind
    for kind in (
        errors.ConfigurationError,
        errors.CorrelationError,
        errors.FilterError,
        errors.InputError,
        errors.ItemError,
        errors.MemoryLimitError,
        errors.NotFoundError,
        errors.StoreBusyError,
        errors.StoreError,
    )
}


def pack(array: Any, packed: bool = True) -> Any:
    """An array as JSON; None stays None."""
    if array is None:
        return None
    array = np.asarray(array)
    if not packed and array.dtype.kind != "c":
        return array.tolist()
    dtype = np.dtype(array.dtype if str(array.dtype) in DTYPES else np.float64)
    data = np.ascontiguousarray(array, dtype.newbyteorder("<")).tobytes()
    return {
        "dtype": dtype.name,
        "shape": list(array.shape),
        "base64": base64.b64encode(data).decode(),
    }


def unpack(value: Any) -> Any:
    """An array from JSON; lists come back as they are, for the checks of the verbs.

    Raises:
        ItemError: A packed array that does not hold what it says.
    """
    if not isinstance(value, Mapping):
        return value
    try:
        dtype, shape = value["dtype"], tuple(value["shape"])
        data = base64.b64decode(value["base64"], validate=True)
        good = dtype in DTYPES and all(type(n) is int and 0 <= n <= MOST_NUMBERS for n in shape)
        if not good or math.prod(shape) * np.dtype(dtype).itemsize != len(data):
            raise ValueError
        return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).reshape(shape)
    except (KeyError, TypeError, ValueError, binascii.Error):
        raise ItemError(
            describe(
                "A packed array cannot be read",
                expected=f"dtype (one of {', '.join(DTYPES)}), shape, and base64 of as many bytes",
            )
        ) from None


def pack_contexts(contexts: Sequence[Any] | None) -> Any:
    """Contexts of one item as users write them."""
    if contexts is None:
        return None
    packed: list[Any] = []
    for entry in contexts:
        if isinstance(entry, Context):
            entry = (entry.name, entry.weight, entry.vector)
        if isinstance(entry, (str, bytes)) or not isinstance(entry, Sequence):
            packed.append(entry)
        else:
            vector = [pack(each) for each in entry[2:3]]
            packed.append([*map(_plain, entry[:2]), *vector, *entry[3:]])
    return packed


def unpack_contexts(contexts: Sequence[Any] | None) -> Any:
    """The opposite of `pack_contexts`."""
    if contexts is None:
        return None
    return [
        (*entry[:2], *(unpack(each) for each in entry[2:])) if isinstance(entry, list) else entry
        for entry in contexts
    ]


def _plain(value: Any) -> Any:
    """Numbers of NumPy as Python's; everything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def encode(value: Any, packed: bool = True) -> Any:
    """What a verb returns, as JSON.

    Args:
        value: A record, a sequence or dict of them, a number, or None.
        packed: Whether arrays are packed.
    """
    if isinstance(value, np.ndarray):
        return pack(value, packed)
    if isinstance(value, Exception):
        return {"type": type(value).__name__, "message": str(value)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: encode(getattr(value, field.name), packed)
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {key: encode(each, packed) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(each, packed) for each in value]
    if isinstance(value, str):
        return value if is_text(value) else repr(value)  # no answer can hold the other
    if isinstance(value, float) and not math.isfinite(value):
        return None if value > 0 else str(value)
    return _plain(value)


def error_from(value: Mapping[str, Any]) -> Exception:
    """An error from its JSON; of a type that is not known here, a StoreError."""
    kind = ERRORS.get(str(value.get("type")), errors.StoreError)
    return kind(str(value.get("message", "")))


def _number(value: Any) -> float:
    """A number whose infinity travels as null."""
    if value is None:
        return math.inf
    return float(value)


def _context(value: Any) -> Context:
    return Context(value["name"], value["weight"], _array(value["vector"]))


def _array(value: Any) -> Vector | None:
    return None if value is None else np.asarray(unpack(value))


def _item(value: Any) -> Item | None:
    if value is None:
        return None
    return Item(
        **{
            **value,
            "vector": _array(value["vector"]),
            "contexts": tuple(map(_context, value["contexts"])),
            "coherence_time": _number(value["coherence_time"]),
            "groups": tuple(value["groups"]),
        }
    )


def _match(value: Any) -> Match:
    return Match(**{**value, "vector": _array(value["vector"]), "path": tuple(value["path"])})


def _query_result(value: Any) -> QueryResult:
    cost = value["cost"]
    return QueryResult(
        **{
            **value,
            "matches": tuple(map(_match, value["matches"])),
            "cost": None if cost is None else Money(Decimal(cost["amount"]), cost["currency"]),
        }
    )


def _batch_result(value: Any) -> BatchResult:
    rows = tuple(
        RowError(row["index"], row["id"], error_from(row["error"])) for row in value["errors"]
    )
    return BatchResult(value["stored"], rows, value["commit"])


def _correlation(value: Any) -> Correlation:
    found: dict[str, Any] = {
        name: math.nan if number == "nan" else number for name, number in value["measured"].items()
    }
    bits = ("mutual_information", "entanglement_entropy", "log_negativity")
    return Correlation(
        value["declared"], Measured(**found), *(_number(value[name]) for name in bits)
    )


def _each(decode: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda values: [decode(value) for value in values]


def _same(value: Any) -> Any:
    return value


# What each verb returns, from its JSON.
DECODERS: dict[str, Callable[[Any], Any]] = {
    "put": _batch_result,
    "patch": _batch_result,
    "remove": _same,
    "learn": _same,
    "define_context": _same,
    "create_group": _same,
    "delete_group": _same,
    "decohere": _same,
    "restore": _same,
    "create_namespace": _same,
    "delete_namespace": _same,
    "namespaces": _each(lambda v: Namespace(**{**v, "contexts": tuple(v["contexts"])})),
    "get_many": _each(_item),
    "count": _same,
    "list": lambda v: Page(tuple(v["ids"]), v["next_token"]),
    "query_many": _each(_query_result),
    "tunnel_search": _query_result,
    "entangled_groups": _same,
    "measure_correlation": _correlation,
    "propose_groups": _each(lambda v: Proposal(**{**v, "members": tuple(v["members"])})),
    "stale": _each(_item),
}


def decode(verb: str, value: Any) -> Any:
    """What a verb returns, from its JSON.

    Raises:
        ResultsError: The JSON is not what this verb returns: a server of another version, perhaps.
    """
    try:
        return DECODERS[verb](value)
    except (KeyError, TypeError, ValueError, AttributeError, ItemError) as error:
        raise ResultsError(
            describe(
                f"The answer of the service to {verb!r} cannot be read",
                received=type(error).__name__,
                hint="Server and client may be of different versions.",
            )
        ) from None
