"""The exit codes of a worker: why it exited, and whether to restart it."""

from __future__ import annotations

import signal
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of a worker. Any other code is a failure: restart it while restarts are left.

    Attributes:
        meaning: What the code says, in a few words.

    Example:
        >>> ExitCode.PEER_LOST.value, ExitCode.PEER_LOST.meaning
        (76, 'another worker was lost; restart')
    """

    meaning: str

    def __new__(cls, value: int, meaning: str = "") -> ExitCode:
        """Makes a member from a number and its meaning."""
        member = int.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    FINISHED = 0, "finished"
    STOPPED = 75, "SIGTERM was received and the state saved; restart"
    PEER_LOST = 76, "another worker was lost; restart"
    START_TIMEOUT = 77, "workers did not arrive within start_timeout; restart"
    PERMANENT = 78, "a configuration error; do not restart"


# These report an event of the whole group, whose cause may be the failure of another worker.
GROUP_CODES = (ExitCode.STOPPED, ExitCode.PEER_LOST, ExitCode.START_TIMEOUT)


def shell_code(returncode: int) -> int:
    """Returns the exit code that a shell shows: 128 + the signal for a process that was killed.

    Args:
        returncode: As `subprocess` gives it: negative for a signal.

    Example:
        >>> shell_code(-9), shell_code(3)
        (137, 3)
    """
    return 128 - returncode if returncode < 0 else returncode


def explain(returncode: int) -> str:
    """Describes how a process ended.

    Args:
        returncode: As `subprocess` gives it: negative for a signal.

    Example:
        >>> explain(-9)
        'killed by SIGKILL'
        >>> explain(77)
        'exit code 77 (START_TIMEOUT: workers did not arrive within start_timeout; restart)'
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
