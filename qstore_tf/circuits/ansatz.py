"""Trainable circuits: which qubits are entangled, and the rotations between.

Every builder returns a `UnifiedCircuit` whose symbols are `name_0, name_1, ...` in the order
in which they appear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qstore_tf import limits
from qstore_tf.circuits.arguments import check_n_qubits, named
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, describe, did_you_mean

Pairs = tuple[tuple[int, int], ...]
Entanglement = str | Sequence[tuple[int, int]]
Builder = Callable[..., UnifiedCircuit]


def _linear(n_qubits: int) -> Pairs:
    return tuple((q, q + 1) for q in range(n_qubits - 1))


def _circular(n_qubits: int) -> Pairs:
    # On two qubits the closing pair would be the first one again, reversed.
    closing = ((n_qubits - 1, 0),) if n_qubits > 2 else ()
    return _linear(n_qubits) + closing


def _full(n_qubits: int) -> Pairs:
    return tuple((a, b) for a in range(n_qubits) for b in range(a + 1, n_qubits))


def _pairs(n_qubits: int) -> Pairs:
    chain = _linear(n_qubits)
    return chain[0::2] + chain[1::2]


ENTANGLEMENTS: Mapping[str, Callable[[int], Pairs]] = {
    "linear": _linear,
    "circular": _circular,
    "full": _full,
    "pairs": _pairs,
}
"""Which (control, target) pairs one entangling layer joins, by name.

* `linear`: 0-1, 1-2, 2-3, ... (depth n - 1)
* `circular`: `linear`, then the last qubit to the first (n > 2)
* `full`: every pair a < b
* `pairs`: 0-1, 2-3, ... side by side, then 1-2, 3-4, ... (depth 2, a brick wall)
"""


def entangling_pairs(entanglement: Entanglement, n_qubits: int) -> Pairs:
    """Resolves an entanglement to its (control, target) pairs.

    Args:
        entanglement: a name from `ENTANGLEMENTS`, or the pairs themselves.
        n_qubits: number of qubits.

    Returns:
        The pairs in the order in which they are applied; empty for one qubit.

    Raises:
        ConfigurationError: if the name is unknown, a pair is not two different qubits of
            the circuit, or there are more pairs than the limit on gates.

    >>> entangling_pairs("pairs", 5)
    ((0, 1), (2, 3), (1, 2), (3, 4))
    """
    check_n_qubits(n_qubits)
    if isinstance(entanglement, str):
        rule = ENTANGLEMENTS.get(entanglement.lower())
        if rule is None:
            raise ConfigurationError(
                describe(
                    "Unknown entanglement",
                    expected="a name from the list below, or a list of (control, target) pairs",
                    received=entanglement,
                    hint=did_you_mean(entanglement, ENTANGLEMENTS),
                )
            )
        if rule is _full:
            limits.GATES.check(n_qubits * (n_qubits - 1) // 2, "entanglement='full'")
        return rule(n_qubits)
    return tuple(_checked_pair(pair, n_qubits) for pair in entanglement)


def _checked_pair(pair: object, n_qubits: int) -> tuple[int, int]:
    try:
        first, second = (int(q) for q in pair)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        first = second = -1
    if first == second or not (0 <= first < n_qubits and 0 <= second < n_qubits):
        raise ConfigurationError(
            describe(
                "A pair to entangle must be two different qubits of the circuit",
                expected=f"(control, target), each from 0 to {n_qubits - 1}",
                received=pair,
                hint="Correct the pair or raise n_qubits.",
            )
        )
    return first, second


def _check_depth(depth: object) -> None:
    if isinstance(depth, bool) or not hasattr(depth, "__index__") or int(depth) < 0:
        raise ConfigurationError(
            describe(
                "The depth of an ansatz counts its layers",
                expected="an integer from 0 up",
                received=depth,
                hint="Give the number of layers, such as depth=4.",
            )
        )


def _layered(
    n_qubits: int,
    depth: int,
    entanglement: Entanglement,
    name: str,
    has_rz: Callable[[int, int], bool],
) -> UnifiedCircuit:
    check_n_qubits(n_qubits)
    _check_depth(depth)
    pairs = entangling_pairs(entanglement, n_qubits)
    # An upper bound: some layers have fewer RZ.
    limits.GATES.check(depth * (2 * n_qubits + len(pairs)), f"An ansatz of depth {depth}")
    circuit = UnifiedCircuit(n_qubits)
    count = 0
    for layer in range(depth):
        for qubit in range(n_qubits):
            gates = ("RY", "RZ") if has_rz(layer, qubit) else ("RY",)
            for gate in gates:
                circuit.add_gate(gate, [qubit], [f"{name}_{count}"])
                count += 1
        for control, target in pairs:
            circuit.add_gate("CX", [control, target])
    return circuit


def hardware_efficient(
    n_qubits: int,
    depth: int = 1,
    entanglement: Entanglement = "linear",
    name: str = "theta",
) -> UnifiedCircuit:
    """Layers of RY and RZ on each qubit, each layer followed by CX gates.

    Kandala et al., arXiv:1704.05018, with RY-RZ rotations. Per layer and qubit the symbols
    run RY, RZ: the parameters reshape to `[depth, n_qubits, 2]`.

    Args:
        n_qubits: number of qubits.
        depth: number of layers.
        entanglement: a name from `ENTANGLEMENTS` or a list of (control, target) pairs.
        name: stem of the symbols.

    Returns:
        A circuit with `2 * n_qubits * depth` parameters.

    Raises:
        ConfigurationError: if an argument is out of range or unknown.

    >>> hardware_efficient(3, depth=2).n_parameters
    12
    """
    return _layered(n_qubits, depth, entanglement, name, lambda layer, qubit: True)


def hardware_efficient_reduced(
    n_qubits: int,
    depth: int = 1,
    entanglement: Entanglement = "linear",
    name: str = "theta",
) -> UnifiedCircuit:
    """`hardware_efficient` with a third fewer parameters.

    Every qubit keeps its RY in every layer; an RZ stays on every third qubit only, and that
    third moves by one qubit from layer to layer (those with `(qubit + layer) % 3 == 2`), so
    that over three layers each qubit gets one RZ. When `n_qubits` or `depth` is a multiple of
    3 there are exactly `4/3 * n_qubits * depth` parameters, otherwise that within rounding.

    Args:
        n_qubits: number of qubits.
        depth: number of layers.
        entanglement: a name from `ENTANGLEMENTS` or a list of (control, target) pairs.
        name: stem of the symbols.

    Returns:
        The circuit.

    Raises:
        ConfigurationError: if an argument is out of range or unknown.

    >>> hardware_efficient_reduced(3, depth=2).n_parameters
    8
    """
    return _layered(
        n_qubits, depth, entanglement, name, lambda layer, qubit: (qubit + layer) % 3 == 2
    )


ANSATZE: Mapping[str, Callable[..., UnifiedCircuit]] = {
    "hardware_efficient": hardware_efficient,
    "hardware_efficient_reduced": hardware_efficient_reduced,
}
"""The ansatz builders by name; each takes (n_qubits, depth, entanglement, name)."""


def get_ansatz(name: str) -> Callable[..., UnifiedCircuit]:
    """Looks an ansatz builder up by name.

    Raises:
        ConfigurationError: if there is none of that name.

    >>> get_ansatz("hardware_efficient")(2, depth=1).n_parameters
    4
    """
    return named(ANSATZE, name, "ansatz")
