"""A process that kills itself at a step, so that a test can try every one of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from typing import Any


def kill_at(step: int, places: Iterable[tuple[type, str]]) -> list[int]:
    """Makes this process kill itself before or after the step-th call of some methods.

    Args:
        step: Counted from 1, two for each call; 0: never.
        places: Classes and the names of their methods.

    Returns:
        A list whose only number counts the steps.

    Example:
        >>> class Pen:
        ...     def write(self):
        ...         print("written")
        >>> count = kill_at(0, [(Pen, "write")])
        >>> Pen().write(); count
        written
        [2]
    """
    count = [0]

    def take_step() -> None:
        count[0] += 1
        if count[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def stepped(method: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            take_step()
            found = method(*args, **kwargs)
            take_step()
            return found

        return wrapped

    for owner, name in places:
        setattr(owner, name, stepped(getattr(owner, name)))
    return count
