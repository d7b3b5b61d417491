"""Caches with a limit on how many results they keep and on how many bytes these take together.

What is made once for each circuit is kept here, so that a step finds it again. The limits keep
a search over many circuits within bounds, and one over huge circuits too.
"""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

# What one cache keeps. The latest result stays whatever its size.
MOST_RESULTS = 256
MOST_BYTES = 64 << 20

# A compiled gate, with its text and with what is made of it, about: 360 bytes of it are the gate.
GATE_BYTES = 1000


@dataclass
class Counts:
    """How often a result was there, and how often it had to be made."""

    hits: int = 0
    misses: int = 0


def counts_of(remembered: Callable[..., object]) -> Counts:
    """Returns the counts of a function that `remember` returned, since the process began.

    Example:
        >>> @remember(lambda result, number: 1)
        ... def double(number):
        ...     return 2 * number
        >>> double(1), double(1), counts_of(double)
        (2, 2, Counts(hits=1, misses=1))
    """
    counts: Counts = getattr(remembered, _COUNTS)
    return counts


_COUNTS = "_counts"


def remember(
    weigh: Callable[..., int], *, most: int = MOST_RESULTS, heaviest: int = MOST_BYTES
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Keeps the results of a function of hashable arguments; those used longest ago go first.

    Args:
        weigh: Called with the result and the arguments; returns about how many bytes both take.
        most: Results to keep.
        heaviest: Bytes of all results together.

    Example:
        >>> @remember(lambda result, text: len(result), heaviest=3)
        ... def upper(text):
        ...     print("made", text)
        ...     return text.upper()
        >>> upper("ab"), upper("ab"), upper("cd"), upper("ab")
        made ab
        made cd
        made ab
        ('AB', 'AB', 'CD', 'AB')
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        results: OrderedDict[Any, tuple[R, int]] = OrderedDict()
        lock = threading.Lock()
        weight = 0
        counts = Counts()

        @functools.wraps(function)
        def remembered(*args: P.args, **kwargs: P.kwargs) -> R:
            nonlocal weight
            key = (args, tuple(sorted(kwargs.items()))) if kwargs else args
            with lock:
                found = results.get(key)
                if found is not None:
                    counts.hits += 1
                    results.move_to_end(key)
                    return found[0]
                counts.misses += 1
            result = function(*args, **kwargs)
            size = weigh(result, *args, **kwargs)
            with lock:
                if key not in results:
                    results[key] = (result, size)
                    weight += size
                while len(results) > 1 and (len(results) > most or weight > heaviest):
                    _, (_, gone) = results.popitem(last=False)
                    weight -= gone
            return result

        setattr(remembered, _COUNTS, counts)
        return remembered

    return decorate


def of_programs(result: object, *args: Any) -> int:
    """The bytes of all programs among the arguments and of as large a result, for `remember`."""
    programs = [getattr(arg, "program", arg) for arg in args]
    return GATE_BYTES * (1 + sum(len(getattr(program, "gates", ())) for program in programs))


def of_arrays(result: Any, *args: Any) -> int:
    """The bytes of an array or of several, and of the programs that they belong to."""
    arrays = result if isinstance(result, tuple) else (result,)
    return of_programs(None, *args) + sum(array.nbytes for array in arrays)
