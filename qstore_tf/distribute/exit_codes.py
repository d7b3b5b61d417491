"""What the exit code of a training process says to the one that supervises it."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of a worker; `qstore launch` and the Kubernetes manifests act on them."""

    FINISHED = 0
    STOPPED = 75
    PEER_LOST = 76
    START_TIMEOUT = 77
    PERMANENT = 78
