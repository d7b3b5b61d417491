"""How a training process says, by its exit code, why it ended and whether to run it again."""

from __future__ import annotations

import signal
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of a worker. All others mean: it failed, run it again while restarts are left.

    Attributes:
        meaning: What the code says, in a few words.

    Example:
        >>> ExitCode.PEER_LOST.value, ExitCode.PEER_LOST.meaning
        (76, 'another worker went away; run me again')
    """

    meaning: str

    def __new__(cls, value: int, meaning: str = "") -> ExitCode:
        """Makes a member of a number and what it means."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    FINISHED = 0, "finished"
    STOPPED = 75, "SIGTERM was received, the state was saved; run me again"
    PEER_LOST = 76, "another worker went away; run me again"
    START_TIMEOUT = 77, "workers did not come within start_timeout; run me again"
    PERMANENT = 78, "a configuration that no restart mends; do not restart"


# What befalls the workers together: one that ends so says that something else has happened.
OF_THE_GROUP = (ExitCode.STOPPED, ExitCode.PEER_LOST, ExitCode.START_TIMEOUT)


def shell_code(returncode: int) -> int:
    """The exit code a shell shows: 128 and the signal's number for a process that was killed.

    Args:
        returncode: As of `subprocess`: negative for a signal.

    Example:
        >>> shell_code(-9), shell_code(3)
        (137, 3)
    """
    return 128 - returncode if returncode < 0 else returncode


def explain(returncode: int) -> str:
    """Says how a process ended.

    Args:
        returncode: As of `subprocess`: negative for a signal.

    Example:
        >>> explain(-9)
        'killed by SIGKILL'
        >>> explain(77)
        'exit code 77 (START_TIMEOUT: workers did not come within start_timeout; run me again)'
        >>> explain(1)
        'exit code 1'
    """
    if returncode < 0:
        try:
            return f"killed by {signal.Signals(-returncode).name}"
        except ValueError:  # a real-time signal
            return f"killed by signal {-returncode}"
    for code in ExitCode:
        if code.value == returncode:
            return f"exit code {returncode} ({code.name}: {code.meaning})"
    return f"exit code {returncode}"
