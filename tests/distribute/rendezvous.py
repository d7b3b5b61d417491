"""Meetings of workers in threads of one process, for tests."""

import contextlib
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from qstore_tf.distribute.group.cluster import Cluster
from qstore_tf.distribute.group.group import Group
from qstore_tf.distribute.group.meeting import Meeting, meet


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def clusters(count: int) -> list[Cluster]:
    """What each of some workers sees of their cluster."""
    workers = tuple(f"127.0.0.1:{port}" for port in free_ports(count))
    return [Cluster(workers, index) for index in range(count)]


def in_threads(tasks: list[Callable[[], Any]]) -> list[Future[Any]]:
    """Runs tasks at the same time and returns when all are over."""
    with ThreadPoolExecutor(len(tasks)) as pool:
        return [pool.submit(task) for task in tasks]


@contextlib.contextmanager
def groups(count: int, **options: Any) -> Iterator[list[Group]]:
    """Groups of workers that have met; they leave at the end."""
    met: list[Meeting] = [
        future.result()
        for future in in_threads(
            [lambda c=cluster: meet(c, {}, 20.0) for cluster in clusters(count)]  # type: ignore[misc]
        )
    ]
    made = [Group(meeting, **options) for meeting in met]
    try:
        yield made
    finally:
        for group in made:
            group.abandon()
