"""What the scripts of the clients have in common; needs nothing but Python.

A work is a function that does something with a client and asserts what must come of it. `main` runs
all works of a script and prints a line of JSON for each: its name, and None or what went wrong.
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
import warnings
from collections.abc import Callable

LIMIT_S = 60

_works: list[Callable[[], None]] = []


def work(function: Callable[[], None]) -> Callable[[], None]:
    """Marks a function as a work."""
    _works.append(function)
    return function


def about(found: float, expected: float, shots: int) -> None:
    """Asserts that a frequency agrees with a probability, within six deviations and one shot."""
    bound = 6 * (expected * (1 - expected) / shots) ** 0.5 + 1 / shots
    assert abs(found - expected) < bound, f"{found} is not about {expected}"


def main() -> None:
    """Runs the works but those named on the command line."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _too_long)
    for function in _works:
        name = function.__name__.replace("_", " ")
        if name in sys.argv[1:]:
            continue
        problem = None
        signal.alarm(LIMIT_S)
        try:
            function()
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            text = " ".join(str(error).split())[:300]
            problem = f"{type(error).__name__} at {where.name}:{where.lineno}: {text}"
        finally:
            signal.alarm(0)
        print(json.dumps({"work": name, "problem": problem}), flush=True)


def _too_long(*_: object) -> None:
    raise TimeoutError(f"not done after {LIMIT_S} s")
