"""Namespaces with a delay: held back as told, gone afterwards, also after a failure."""

import os
import statistics
import subprocess
import sys

import pytest

from benchmarks import namespaces

# Where CI has promised that they can run, they fail instead.
pytestmark = pytest.mark.skipif(
    not namespaces.possible() and os.environ.get("QSTORE_REQUIRE_NAMESPACES", "0") in ("", "0"),
    reason="needs root, ip and /dev/net/tun",
)

ECHO = """
import socket
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.bind(("0.0.0.0", 7))
print("ready", flush=True)
while True:
    end.sendto(*end.recvfrom(99))
"""
ASK = """
import socket, time
end = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
end.settimeout(10)
for _ in range(9):
    started = time.perf_counter()
    end.sendto(b"x", ("10.77.0.2", 7))
    end.recvfrom(9)
    print(time.perf_counter() - started)
"""


def test_an_echo_takes_two_delays() -> None:
    with namespaces.Hosts(2) as hosts:
        command = [*hosts.prefixes[1], sys.executable, "-c", ECHO]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as echo:
            assert echo.stdout is not None and echo.stdout.readline()
            try:
                for delay in (0.0, 0.1):
                    hosts.delay(delay)
                    ask = [*hosts.prefixes[0], sys.executable, "-c", ASK]
                    answer = subprocess.run(ask, capture_output=True, text=True, check=True)
                    seconds = statistics.median(map(float, answer.stdout.split()))
                    assert 2 * delay <= seconds < 2 * delay + 0.08
            finally:
                echo.kill()
    assert not namespaces._existing().intersection(hosts._names)


def test_nothing_is_left_after_a_failure() -> None:
    hosts = namespaces.Hosts(2)
    with pytest.raises(ValueError, match="on purpose"), hosts:
        assert namespaces._existing().issuperset(hosts._names)
        raise ValueError("on purpose")
    assert not namespaces._existing().intersection(hosts._names)
    assert hosts._router is not None and hosts._router.poll() is not None
