"""Results of the service, in each shape that it has for them, as `Outcomes`.

    one circuit         {"0": 0.5, "3": 0.5}
    several circuits    {"<id of the circuit's own job>": {"0": 0.5, "3": 0.5}, ...}

Keys are states in decimal digits with qubit 0 as the *least* significant bit; here alone they
become ours, with wire 0 as the most significant. Several circuits come in the order in which they
were sent; where the job lists the ids of its circuits, that order is used and checked.

Nothing is repaired: what is missing, superfluous, not finite, negative, or does not add up to 1 is
an error.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.errors import ResultsError, describe
from qstore_tf.ionq.service.outcomes import Outcomes

# By how much a sum of probabilities may differ from 1. A shot that is missing is more than that.
TOLERANCE = 1e-4
_MOST_KNOWN = 1 << 20  # keys that are remembered for a number of qubits


def decode(
    document: Any,
    n_wires: Sequence[int],
    shots: int | None,
    children: Sequence[str] | None = None,
) -> list[Outcomes]:
    """Reads the results of one job.

    Args:
        document: The JSON of the service, as Python objects.
        n_wires: For each circuit that was sent, in order, its number of wires.
        shots: From how many shots they are; None: exact probabilities.
        children: The ids of the circuits' own jobs, in order, where the service told them.

    Returns:
        Outcomes for each stretch of neighbouring circuits with the same number of wires, in order.

    Raises:
        ResultsError: They do not fit the circuits.

    Example:
        >>> [outcomes] = decode({"1": 0.25, "0": 0.75}, [2], 4)
        >>> outcomes.states.tolist(), outcomes.probabilities.tolist()
        ([0, 2], [0.75, 0.25])
    """
    histograms = _histograms(document, len(n_wires), children)
    stretches: list[Outcomes] = []
    begin = 0
    for end in range(1, len(n_wires) + 1):
        if end == len(n_wires) or n_wires[end] != n_wires[begin]:
            stretches.append(_read(histograms[begin:end], n_wires[begin], shots, begin))
            begin = end
    return stretches


def _histograms(
    document: Any, n_circuits: int, children: Sequence[str] | None
) -> list[Mapping[str, Any]]:
    if not isinstance(document, dict) or not document:
        raise _wrong("no table of probabilities", "a JSON object", document)
    nested = [isinstance(value, dict) for value in document.values()]
    histograms: list[Mapping[str, Any]]
    if not any(nested):
        histograms = [document]
    elif not all(nested):
        raise _wrong("tables and numbers side by side", "one or the other", list(document)[:5])
    elif children and len(children) == len(document):
        missing = [child for child in children if child not in document]
        if missing:
            raise _wrong("other circuits than the job's", f"{missing[0]!r}", list(document)[:5])
        histograms = [document[child] for child in children]
    else:
        histograms = list(document.values())
    if len(histograms) != n_circuits:
        raise _wrong("a wrong number of circuits", n_circuits, len(histograms))
    return histograms


def _read(
    histograms: Sequence[Mapping[str, Any]], n_wires: int, shots: int | None, first: int
) -> Outcomes:
    lengths = np.fromiter(map(len, histograms), np.int64, len(histograms))
    if not lengths.all():
        raise _wrong(f"no outcome for circuit {first + int(lengths.argmin())}", "at least one")
    total = int(lengths.sum())
    try:
        known = _known(n_wires)
        keys = np.fromiter(map(known.__getitem__, chain(*histograms)), np.int64, total)
    except KeyError as error:
        expected = f"decimal digits of a state of {n_wires} qubits"
        raise _wrong("a state that there is not", expected, error.args[0]) from None
    numbers = list(chain.from_iterable(histogram.values() for histogram in histograms))
    odd = set(map(type, numbers)) - {float, int}
    if odd:
        raise _wrong("a probability that is no number", "numbers", sorted(t.__name__ for t in odd))
    try:
        values = np.array(numbers, np.float64)
    except OverflowError:
        raise _wrong("a probability that is no number", "numbers from 0 to 1") from None
    starts = np.concatenate([[0], np.cumsum(lengths)])
    _check(values, starts, shots, first)
    states = _reversed_bits(keys, n_wires)
    rows = np.repeat(np.arange(len(lengths)), lengths)
    order = np.lexsort((states, rows))
    return Outcomes(n_wires, starts, states[order], values[order], shots)


def _check(
    values: NDArray[np.float64], starts: NDArray[np.int64], shots: int | None, first: int
) -> None:
    """Checks the probabilities and scales those of each circuit, in place, to the sum 1."""
    rows = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    legal = (values >= 0) & (values <= 1 + TOLERANCE)  # false for NaN
    if not legal.all():
        entry = int(legal.argmin())
        what = f"an impossible probability for circuit {first + int(rows[entry])}"
        raise _wrong(what, "a number from 0 to 1", float(values[entry]))
    sums = np.add.reduceat(values, starts[:-1])
    off = np.abs(sums - 1)
    if off.max() > min(TOLERANCE, 0.5 / (shots or 1)):
        row = int(off.argmax())
        what = f"probabilities of circuit {first + row} that do not add up"
        raise _wrong(what, "a sum of 1", float(sums[row]))
    values /= sums[rows]


class _Keys(dict[str, int]):
    """The number of each key, read once; KeyError for what is no state."""

    def __init__(self, n_qubits: int) -> None:
        super().__init__()
        self._end = 1 << n_qubits

    def __missing__(self, key: str) -> int:
        if not (len(key) <= 20 and key.isascii() and key.isdecimal()):
            raise KeyError(key)
        number = int(key)
        if number >= self._end or str(number) != key:
            raise KeyError(key)
        if len(self) < _MOST_KNOWN:
            self[key] = number
        return number


_known = functools.lru_cache(maxsize=8)(_Keys)


def _reversed_bits(states: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    found = np.zeros_like(states)
    for qubit in range(n):
        found |= ((states >> qubit) & 1) << (n - 1 - qubit)
    return found


_NOT_GIVEN = object()


def _wrong(what: str, expected: object, received: object = _NOT_GIVEN) -> ResultsError:
    what = f"The service's results have {what}"
    if received is _NOT_GIVEN:
        return ResultsError(describe(what, expected=expected))
    return ResultsError(describe(what, expected=expected, received=received))
