"""A network of this machine's own with a delay between its hosts: namespaces and a router.

Each host is a network namespace with one TUN device. A process of its own, the router, reads the
packets that leave a host, holds them for the delay, and hands them to the host they are for: what
`tc qdisc ... netem delay` does, which not every kernel has. It costs some processor time a packet.

Needs root, `/dev/net/tun` and the program `ip` (Linux). None of it has a way out of this machine.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import select
import shutil
import struct
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from types import TracebackType

_NAME = "qstore-bench"
_TUN = Path("/dev/net/tun")
_TUNSETIFF, _IFF_TUN, _IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
# Few large packets: the router's time per packet is not the network's.
_MTU = 60_000
PORT = 2222


class Hosts:
    """So many hosts, each a network namespace; a context that removes them.

    Args:
        count: how many.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._names = [f"{_NAME}-{os.getpid()}-{index}" for index in range(count)]
        self._router: subprocess.Popen[str] | None = None

    @property
    def addresses(self) -> list[str]:
        """`host:port` for a worker on each host."""
        return [f"{_host(index)}:{PORT}" for index in range(self.count)]

    @property
    def prefixes(self) -> list[list[str]]:
        """What to put before a command to run it on each host."""
        return [["ip", "netns", "exec", name] for name in self._names]

    def __enter__(self) -> Hosts:
        remove_orphans()
        try:
            for name in self._names:
                _run("ip", "netns", "add", name)
            self._router = subprocess.Popen(
                [sys.executable, __file__, *self._names],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            self._wait_for_router()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._remove()

    def delay(self, seconds: float) -> None:
        """Holds back what leaves each host by so many seconds: a round trip takes twice that."""
        assert self._router is not None and self._router.stdin is not None
        self._router.stdin.write(f"{seconds}\n")
        self._router.stdin.flush()
        self._wait_for_router()

    def _wait_for_router(self) -> None:
        assert self._router is not None and self._router.stdout is not None
        if not self._router.stdout.readline():
            raise RuntimeError(f"the router ended with exit code {self._router.wait()}")

    def _remove(self) -> None:
        if self._router is not None:
            self._router.kill()
            self._router.wait()
        for name in _existing().intersection(self._names):
            _run("ip", "netns", "delete", name)


def possible() -> bool:
    """Whether this process may make such hosts."""
    root = sys.platform == "linux" and os.geteuid() == 0
    return root and _TUN.exists() and shutil.which("ip") is not None


def remove_orphans() -> None:
    """Removes what processes left behind that were killed before they could."""
    for name in _existing():
        if name.startswith(f"{_NAME}-"):
            owner = name.removeprefix(f"{_NAME}-").partition("-")[0]
            if not Path(f"/proc/{owner}").exists():
                _run("ip", "netns", "delete", name)


def route(names: list[str]) -> None:
    """Carries packets between the hosts until standard input ends; a line there sets the delay."""
    devices = [_device(name, index) for index, name in enumerate(names)]
    addresses = [bytes(map(int, _host(index).split("."))) for index in range(len(names))]
    to = dict(zip(addresses, devices, strict=True))
    delay = 0.0
    # The delay is the same for all, so the first to come is the first to go.
    held: deque[tuple[float, int, bytes]] = deque()
    print("ready", flush=True)
    while True:
        wait = max(0.0, held[0][0] - time.monotonic()) if held else None
        readable = select.select([sys.stdin, *devices], [], [], wait)[0]
        for device in readable:
            if device is sys.stdin:
                line = sys.stdin.readline()
                if not line:
                    return
                delay = float(line)
                print("set", flush=True)
                continue
            packet = os.read(device, 65536)
            # IPv4; the destination is at byte 16.
            if packet[0] >> 4 == 4 and packet[16:20] in to:
                held.append((time.monotonic() + delay, to[packet[16:20]], packet))
        now = time.monotonic()
        while held and held[0][0] <= now:
            _, device, packet = held.popleft()
            os.write(device, packet)


def _device(namespace: str, index: int) -> int:
    """A TUN device that is the only one of a namespace; its other end stays here."""
    device = os.open(_TUN, os.O_RDWR | os.O_NONBLOCK)
    name = f"qsb{os.getpid()}n{index}"
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH", name.encode(), _IFF_TUN | _IFF_NO_PI))
    _run("ip", "link", "set", name, "netns", namespace)
    _run("ip", "-n", namespace, "addr", "add", f"{_host(index)}/24", "dev", name)
    _run("ip", "-n", namespace, "link", "set", name, "mtu", str(_MTU), "up")
    _run("ip", "-n", namespace, "link", "set", "lo", "up")
    return device


def _existing() -> set[str]:
    output = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True)
    return {line.split()[0] for line in output.stdout.splitlines() if line.strip()}


def _host(index: int) -> str:
    return f"10.77.0.{index + 1}"


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed: {done.stderr.strip()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="The router between network namespaces.")
    parser.add_argument("namespaces", nargs="+")
    route(parser.parse_args().namespaces)
