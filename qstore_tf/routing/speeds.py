"""How many circuits a second each member runs: measured, and before that from a shipped table.

The table is that of `backend="auto"` (benchmarks/results/backends.md), to which comes what a call
takes whatever it runs. It gives the first guess. Measurements of other sizes move a member's guess
up or down as a whole, those of other members, too, where it has none of its own: they tell how fast
this machine is. Where a size has been measured itself, only that counts.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass

from qstore_tf.circuits.program import Program

# The share that a new measurement has in the moving average.
_NEW = 0.3
_MOST_KEPT = 4096
# Milliseconds for 32 circuits of depth 2 (7n - 2 gates on n qubits), by the number of qubits.
_QUBITS = (4, 8, 12, 16, 20)
_FORWARD = {
    "native": (0.0119, 0.0238, 0.283, 4.46, 100.0),
    "tensorflow": (0.0656, 0.562, 10.2, 198.0, 11424.0),
    "qsim": (1.15, 2.38, 8.03, 58.6, 721.0),
    "tfq": (2.46, 5.54, 19.9, 111.0, 2065.0),
    "lightning": (0.584, 0.899, 2.34, 77.0, 1675.0),
    "qulacs": (0.994, 2.28, 74.9, 673.0, 9088.0),
}
_GRADIENT = {
    "native": (0.037, 0.0619, 0.963, 12.7, 592.0),
    "tensorflow": (0.142, 0.726, 12.1, 425.0, 18080.0),
    "qsim": (35.2, 144.0, 552.0, 9568.0, 153088.0),
    "tfq": (5.48, 13.0, 50.0, 506.0, 32928.0),
    "lightning": (3.27, 5.26, 19.7, 776.0, 23648.0),
    "qulacs": (4.12, 10.8, 136.0, 5536.0, 88576.0),
}
_SAMPLES = {  # 1000 shots
    "native": (0.709, 0.769, 5.78, 16.2, 205.0),
    "tensorflow": (1.94, 2.36, 13.9, 192.0, 8832.0),
    "qsim": (8.23, 5.95, 14.3, 55.9, 653.0),
    "tfq": (5.33, 6.93, 14.2, 88.8, 1673.0),
    "lightning": (2.93, 4.97, 10.4, 42.4, 884.0),
    "qulacs": (6.76, 6.25, 35.3, 751.0, 7168.0),
}
_WARM = ("ionq",)  # whose first runs are as fast as later ones
_SERVICE = 1.0  # circuits a second of a service that nothing is known of
# Seconds that a call takes, however little it runs (measured on two cores with other work).
_CALL = 1e-4
_CALLS = {"native": 2.5e-4, "tensorflow": 8e-4, "tfq": 1e-3}
_OTHER = 1000.0  # of a simulator that is not in the table, at 4 qubits


@dataclass(frozen=True)
class Size:
    """What the speed of a circuit depends on, in steps that are coarse enough to be met again.

    Attributes:
        kind: "forward", "gradient", "state" or "sample".
        n_qubits: Number of qubits.
        gates: Number of gates, rounded up to a power of two.
        shots: Shots, rounded up to a power of four; 0: exact.
        rows: Rows of the batch, rounded up to a power of four.
    """

    kind: str
    n_qubits: int
    gates: int
    shots: int
    rows: int = 1

    @classmethod
    def of(cls, program: Program, kind: str, shots: int | None, rows: int = 1) -> Size:
        """Returns the size of a program.

        Example:
            >>> from qstore_tf.circuits import UnifiedCircuit, compile_circuit
            >>> program = compile_circuit(UnifiedCircuit(2).add_gate("RX", 0, "a"))
            >>> Size.of(program, "forward", 1000, rows=32)
            Size(kind='forward', n_qubits=2, gates=1, shots=1024, rows=64)
        """
        gates = _up(len(program.gates), 2)
        return cls(kind, program.n_qubits, gates, _up(shots or 0, 4), max(1, _up(rows, 4)))


class Speeds:
    """Circuits per second by member and size, as moving averages. Safe for threads.

    Example:
        >>> speeds = Speeds()
        >>> size = Size("forward", 4, 32, 0, rows=64)
        >>> speeds.circuits_per_second("native", "native", size) > 1e5  # from the table
        True
        >>> speeds.note("native", size, rows=32, seconds=3.0)  # the first run warms up
        >>> speeds.note("native", size, rows=32, seconds=0.01)
        >>> speeds.circuits_per_second("native", "native", size)
        3200.0
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._measured: OrderedDict[tuple[str, Size], float] = OrderedDict()
        self._warm: set[tuple[str, Size]] = set()
        self._factors: dict[str, float] = {}  # logarithm of measured over guessed

    def note(self, name: str, size: Size, rows: int, seconds: float, kind: str = "") -> None:
        """Takes a measurement.

        The first run of a simulator with circuits of a size does not count: it loads libraries,
        compiles and allocates.

        Args:
            name: The member.
            size: Of each circuit.
            rows: How many circuits ran, of a batch; of none nothing is learned.
            seconds: How long all of them took.
            kind: The name of the member's backend, for the table; "" for that of the member.
        """
        if rows < 1 or not seconds > 0:
            return
        speed, key = rows / seconds, (name, size)
        factor = math.log(speed / guess(kind or name.split(":")[0], size))
        with self._lock:
            if kind not in _WARM and key not in self._warm:
                if len(self._warm) >= _MOST_KEPT:
                    self._warm.clear()
                self._warm.add(key)
                return
            known = self._measured.pop(key, None)
            # An average of logarithms: one slow run weighs as much as one fast one.
            self._measured[key] = speed if known is None else known * (speed / known) ** _NEW
            if len(self._measured) > _MOST_KEPT:
                self._measured.popitem(last=False)
            old = self._factors.get(name)
            self._factors[name] = factor if old is None else old + _NEW * (factor - old)

    def is_measured(self, name: str, size: Size) -> bool:
        """Whether a member has run circuits of this size."""
        with self._lock:
            return (name, size) in self._measured

    def circuits_per_second(self, name: str, kind: str, size: Size) -> float:
        """Returns the speed of a member, measured or guessed.

        Args:
            name: The member.
            kind: The name of its backend, for the table.
            size: Of each circuit.
        """
        with self._lock:
            known = self._measured.get((name, size))
            factor = self._factors.get(name)
            if factor is None:
                factor = self._of_this_machine(name)
        return guess(kind, size) * math.exp(factor) if known is None else known

    def _of_this_machine(self, name: str) -> float:
        """What other members say of it; those of services say nothing, and are told nothing."""
        others = [found for other, found in self._factors.items() if not _is_service(other)]
        return 0.0 if _is_service(name) or not others else sum(others) / len(others)


def guess(kind: str, size: Size) -> float:
    """Returns the circuits per second that the table says, before anything was measured.

    Between its numbers of qubits it goes straight in the logarithm, and beyond them each further
    qubit doubles the time; time is proportional to the gates, and with shots to these, beside what
    the state takes. A call takes some time besides, which is shared by its rows.

    Args:
        kind: The name of a backend. One of a service runs about a circuit a second; one that is
            not in the table is between the others.
        size: Of each circuit.

    Example:
        >>> size = Size("forward", 4, 26, 0, rows=256)
        >>> round(guess("native", size)), round(guess("qsim", size))
        (741599, 27527)
    """
    if _is_service(kind):
        return _SERVICE
    call = _CALLS.get(kind, _CALL)
    return size.rows / (call + size.rows * _seconds(kind, size))


def _seconds(kind: str, size: Size) -> float:
    """The seconds that one more row takes."""
    table = _GRADIENT if size.kind == "gradient" else _SAMPLES if size.shots else _FORWARD
    gates = max(1, size.gates) / (7 * max(size.n_qubits, _QUBITS[0]) - 2)
    if kind not in table:
        return gates * 2.0 ** max(0, size.n_qubits - _QUBITS[0]) / _OTHER
    seconds = _between(table[kind], size.n_qubits) / 1000 / 32
    if size.shots:
        exact = _between(_FORWARD[kind], size.n_qubits) / 1000 / 32
        return exact * gates + max(0.0, seconds - exact) * size.shots / 1000
    return seconds * gates


def _is_service(name: str) -> bool:
    return name.split(":")[0] in _WARM


def _between(row: tuple[float, ...], n_qubits: int) -> float:
    """The milliseconds of a row of the table at a number of qubits."""
    if n_qubits >= _QUBITS[-1]:
        return row[-1] * 2.0 ** min(n_qubits - _QUBITS[-1], 900)
    place = max(0, next(k for k, n in enumerate(_QUBITS) if n > n_qubits) - 1)
    low, high = _QUBITS[place], _QUBITS[place + 1]
    share = max(0.0, (n_qubits - low) / (high - low))
    return row[place] ** (1 - share) * row[place + 1] ** share


def _up(number: int, base: int) -> int:
    """The next power of a base."""
    found = 1
    while found < number:
        found *= base
    return found if number > 0 else 0
