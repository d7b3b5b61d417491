"""Free ports of this machine, each for one launcher at a time."""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from qstore_tf.errors import ConfigurationError, describe

# Below the range for outgoing connections in Linux, so that none of those takes such a port.
_RANGE = range(20_000, 32_768)


@contextmanager
def held_ports(count: int) -> Iterator[list[int]]:
    """Finds free ports and reserves them against other launchers.

    The ports themselves stay unbound, because the workers bind them, again after a restart. What
    is bound is a name for each in the network namespace (an abstract Unix socket of Linux), which
    the system releases when this process dies.

    Args:
        count: The number of ports.

    Raises:
        ConfigurationError: There are fewer free ports.

    Example:
        >>> with held_ports(2) as ports:
        ...     len(set(ports))
        2
    """
    with ExitStack() as held:
        ports: list[int] = []
        for port in random.sample(_RANGE, len(_RANGE)):
            if len(ports) == count:
                break
            if _hold(port, held) and _is_free(port):
                ports.append(port)
        if len(ports) < count:
            raise ConfigurationError(
                describe(
                    "There are not enough free ports for the workers",
                    expected=f"{count} ports in {_RANGE.start} to {_RANGE.stop - 1}",
                    received=len(ports),
                    hint="Start fewer workers, or end other programs that listen on ports",
                )
            )
        yield ports


def _hold(port: int, held: ExitStack) -> bool:
    if sys.platform != "linux":
        return True
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    held.callback(name.close)
    try:
        name.bind(f"\0qstore-port-{port}")
    except OSError:  # reserved by another launcher
        return False
    return True


def _is_free(port: int) -> bool:
    # TensorFlow's server binds all addresses, so the probe does too; it never listens.
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
    return True
