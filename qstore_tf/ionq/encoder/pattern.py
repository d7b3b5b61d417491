"""Which gates the numeric encoder uses: a pattern for each number of qubits, whatever the vector.

A layer of rotations, then entanglers between pairs of qubits with rotations on both ends of each.
The pairs are the perfect matchings of the complete graph in turn, so that a step holds as many
entanglers as there is room for. Two kinds of entangler:

- "CZ" with RY prepares real vectors. Each brings 2 angles; 2^n - 1 are needed.
- "RZZ" by an angle of its own, with RY and RZ, prepares complex vectors. Each brings 5 angles;
  2^(n+1) - 2 are needed.

Where two qubits meet for the first time in the first step, part of what comes before adds
nothing to what comes after: the pair reaches all its states with one angle before it, on the first
qubit, RY for CZ and RZ for RZZ. The other rotations before it are RY(pi/2), which costs one pulse
rather than two. With these gone, counting angles tells how many entanglers it takes.

Measured with `solve`: one entangler less leaves |r|^2 = 1e-7 or more of random vectors. With just
as many, and within 11 random starts, CZ reached all of 40 vectors of each of 6 kinds for 2 to 6
qubits: Gaussian, sparse, smooth as of an image, a single amplitude, uniform in [0, 1], of 0 and 1.
For 7 qubits it missed single amplitudes only. RZZ reached all complex Gaussian vectors, but of real
smooth ones 31 of 40 for 4 qubits and 34 of 40 for 5. With one extra entangler nearly every start
succeeds, and nearly all of those vectors are reached too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

from qstore_tf.circuits.arguments import check_n_qubits
from qstore_tf.circuits.circuit import Circuit
from qstore_tf.errors import ConfigurationError, describe, did_you_mean

MAX_QUBITS = 8
KINDS = ("CZ", "RZZ")

Pair = tuple[int, int]


@dataclass(frozen=True)
class Layer:
    """Entanglers that act at the same time, and the rotations after them.

    Attributes:
        pairs: The qubits that are entangled; empty in the first layer.
        fixed: Qubits with RY(pi/2).
        ry: Qubits with an RY of an angle of its own.
        rz: Qubits with an RZ of an angle of its own, after their RY.
        zz: Whether the entanglers have angles.
        first_angle: Number of the layer's first angle; pairs come first, then RY, then RZ.
    """

    pairs: tuple[Pair, ...]
    fixed: tuple[int, ...]
    ry: tuple[int, ...]
    rz: tuple[int, ...]
    zz: bool
    first_angle: int

    @property
    def zz_angles(self) -> range:
        """Numbers of the angles of the pairs."""
        return range(self.first_angle, self.first_angle + len(self.pairs) * self.zz)

    @property
    def ry_angles(self) -> range:
        """Numbers of the angles of RY."""
        return range(self.zz_angles.stop, self.zz_angles.stop + len(self.ry))

    @property
    def rz_angles(self) -> range:
        """Numbers of the angles of RZ."""
        return range(self.ry_angles.stop, self.ry_angles.stop + len(self.rz))


@dataclass(frozen=True)
class Pattern:
    """The gates that prepare a vector of 2^n amplitudes; only their angles depend on the vector.

    Entanglers (two-qubit gates) and their depth, with no extra ones, against the CX gates of
    `amplitude_encoding`:

    | n | CZ | depth | CX, real | RZZ | depth | CX, complex |
    |---|---|---|---|---|---|---|
    | 2 | 1 | 1 | 2 | 1 | 1 | 2 |
    | 3 | 3 | 3 | 6 | 3 | 3 | 10 |
    | 4 | 7 | 4 | 14 | 6 | 3 | 26 |
    | 5 | 14 | 7 | 30 | 12 | 6 | 58 |
    | 6 | 30 | 10 | 62 | 25 | 9 | 122 |
    | 7 | 62 | 21 | 126 | 50 | 17 | 250 |
    | 8 | 126 | 32 | 254 | 102 | 26 | 506 |

    Args:
        n_qubits: Number of qubits n, 1 to 8. Qubit 0 is the most significant bit.
        gate: "CZ" for real vectors; "RZZ" for complex ones, and for real ones with fewer gates.
        extra_gates: Entanglers beyond the fewest. One or two let the solver converge from nearly
            every start, which is 3 to 5 times as fast, and halve how steeply the angles depend on
            the vector.

    Raises:
        ConfigurationError: An argument is out of range.

    Example:
        >>> pattern = Pattern(6)
        >>> pattern.n_gates, pattern.depth, pattern.n_angles
        (30, 10, 63)
        >>> pattern.circuit().count_gates()
        {'RY': 66, 'CZ': 30}
    """

    n_qubits: int
    gate: str = "CZ"
    extra_gates: int = 0

    def __post_init__(self) -> None:
        check_n_qubits(self.n_qubits)
        if self.n_qubits > MAX_QUBITS:
            raise ConfigurationError(
                describe(
                    "Angles of the numeric encoder cannot be solved for so many qubits",
                    expected=f"n_qubits from 1 to {MAX_QUBITS}",
                    received=self.n_qubits,
                    hint="Use `amplitude_encoding`, whose angles come from a formula.",
                )
            )
        if self.gate not in KINDS:
            raise ConfigurationError(
                describe(
                    "Unknown entangler of the numeric encoder",
                    expected="'CZ' for real or 'RZZ' for complex vectors",
                    received=self.gate,
                    hint=did_you_mean(str(self.gate), KINDS),
                )
            )
        most = self._fewest
        if type(self.extra_gates) is not int or not 0 <= self.extra_gates <= most:
            raise ConfigurationError(
                describe(
                    "A wrong number of extra entanglers",
                    expected=f"an integer from 0 to {most}, the number of necessary ones",
                    received=self.extra_gates,
                    hint="One or two are enough for a smoother dependence on the vector.",
                )
            )

    @property
    def is_complex(self) -> bool:
        """Whether the pattern reaches complex vectors."""
        return self.gate == "RZZ"

    @property
    def size(self) -> int:
        """Number of amplitudes, 2^n."""
        return int(2**self.n_qubits)

    @property
    def n_gates(self) -> int:
        """Number of entanglers."""
        return self._fewest + self.extra_gates

    @property
    def _fewest(self) -> int:
        """The fewest entanglers with as many angles as a normalized vector has dimensions."""
        pairs, alone = divmod(self.n_qubits, 2)
        if self.is_complex:
            return math.ceil((2 * self.size - 2 - pairs - 2 * alone) / 5)
        return math.ceil((self.size - 1 - pairs - alone) / 2)

    @property
    def n_angles(self) -> int:
        """Number of angles that depend on the vector."""
        return self.layers[-1].rz_angles.stop

    @property
    def depth(self) -> int:
        """Number of steps of entanglers."""
        return len(self.layers) - 1

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers in time order, the first one without entanglers."""
        rounds = _matchings(self.n_qubits)
        layers = [self._first_layer()]
        left = self.n_gates
        while left:
            pairs = rounds[(len(layers) - 1) % len(rounds)][:left]
            ends = tuple([qubit for pair in pairs for qubit in pair])
            turned = ends if self.is_complex else ()
            count = layers[-1].rz_angles.stop
            layers.append(Layer(pairs, (), ends, turned, self.is_complex, count))
            left -= len(pairs)
        return tuple(layers)

    def _first_layer(self) -> Layer:
        qubits = range(self.n_qubits)
        first = _matchings(self.n_qubits)[:1]
        leading = {a for pairs in first for a, _ in pairs}
        trailing = {b for pairs in first for _, b in pairs}
        own = tuple([q for q in qubits if q not in trailing])
        if not self.is_complex:
            return Layer((), tuple(sorted(trailing)), own, (), False, 0)
        alone = tuple([q for q in own if q not in leading])
        return Layer((), tuple(sorted(leading | trailing)), alone, own, True, 0)

    def circuit(self, name: str = "angle") -> Circuit:
        """Returns the circuit, to be compiled once: vectors differ in the values of its symbols.

        Args:
            name: Stem of the symbols `{name}_0, {name}_1, ...`, in the order of appearance, which
                is that of the angles that `solve` returns.

        Returns:
            A circuit of RY and CZ, or of RY, RZ and RZZ.

        Example:
            >>> Pattern(2).circuit().parameters
            ('angle_0', 'angle_1', 'angle_2')
        """
        circuit = Circuit(self.n_qubits)
        for layer in self.layers:
            for number, pair in enumerate(layer.pairs):
                symbol = f"{name}_{layer.first_angle + number}" if self.is_complex else None
                circuit.add_gate(self.gate, pair, symbol)
            for qubit in layer.fixed:
                circuit.add_gate("RY", qubit, math.pi / 2)
            for gate, qubits, angles in (
                ("RY", layer.ry, layer.ry_angles),
                ("RZ", layer.rz, layer.rz_angles),
            ):
                for qubit, angle in zip(qubits, angles, strict=True):
                    circuit.add_gate(gate, qubit, f"{name}_{angle}")
        return circuit


def _matchings(n_qubits: int) -> tuple[tuple[Pair, ...], ...]:
    """All pairs of qubits in rounds without a qubit twice, by the circle method for tournaments.

    An odd number of qubits leaves another one out in each round.
    """
    size = n_qubits + n_qubits % 2
    ring = list(range(size))
    rounds = []
    for _ in range(size - 1):
        pairs = [(ring[i], ring[-1 - i]) for i in range(size // 2)]
        rounds.append(tuple([(min(p), max(p)) for p in pairs if max(p) < n_qubits]))
        ring = [ring[0], ring[-1], *ring[1:-1]]
    return tuple(rounds) if n_qubits > 1 else ()
