"""`SmartCircuitCache` of version 3.4: structures once, circuits with their numbers once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from qstore_tf.circuits import UnifiedCircuit
from qstore_tf.compat.circuits import AnyCircuit, circuit_of
from qstore_tf.errors import CircuitError, describe
from qstore_tf.ionq.emulator.batches import Batch, Group
from qstore_tf.training.config_checks import whole


class SmartCircuitCache:
    """Keeps circuits by structure and numbers, so that they are built once.

    Two levels: `bound` is a circuit with its numbers, for which nothing is built again;
    `structure` is its gates with slots for the numbers, by which all circuits of one key are held
    to be of one structure: another one is an error. `QuantumLayer` needs none of this: its
    structure is compiled once, and a step moves numbers only.

    Args:
        max_templates: Structures that are kept; those used longest ago go first.
        max_bound_circuits: Circuits that are kept.

    Example:
        >>> def build(parameters, features):
        ...     return UnifiedCircuit(1).add_gate("RX", 0, features).add_gate("RY", 0, parameters)
        >>> cache = SmartCircuitCache()
        >>> for angle in (0.1, 0.1, 0.2):
        ...     circuit = cache.get_or_build("one", [angle], [0.5], build, n_qubits=1)
        >>> {name: cache.get_stats()[name] for name in ("bound_hits", "structure_hits", "built")}
        {'bound_hits': 1, 'structure_hits': 1, 'built': 2}
    """

    def __init__(self, max_templates: int = 100, max_bound_circuits: int = 1000) -> None:
        whole(1, 10**9).check("max_templates", max_templates)
        whole(1, 10**9).check("max_bound_circuits", max_bound_circuits)
        self._most = max_templates, max_bound_circuits
        self._structures: OrderedDict[Hashable, Group] = OrderedDict()
        self._bound: OrderedDict[Hashable, UnifiedCircuit] = OrderedDict()
        self._counts = {"bound_hits": 0, "structure_hits": 0, "structure_misses": 0, "built": 0}

    def get_or_build(
        self,
        structure_key: Hashable,
        parameters: Any,
        input_data: Any,
        builder_func: Callable[[Any, Any], AnyCircuit],
        n_qubits: int,
    ) -> UnifiedCircuit:
        """Returns a circuit, which is built where it is not there.

        Args:
            structure_key: Names the structure.
            parameters: Trained numbers.
            input_data: Features.
            builder_func: Called with both as they were given; returns the circuit, or IonQ's dict.
            n_qubits: Qubits of the circuit.

        Raises:
            CircuitError: What was built has other gates or qubits than the structure.
        """
        numbers = tuple(np.asarray(each, "float64").tobytes() for each in (parameters, input_data))
        key = (structure_key, n_qubits, *numbers)
        if key in self._bound:
            self._counts["bound_hits"] += 1
            self._bound.move_to_end(key)
            return self._bound[key]
        circuit = circuit_of(builder_func(parameters, input_data))
        self._counts["built"] += 1
        self._check(structure_key, circuit, n_qubits)
        _keep(self._bound, key, circuit, self._most[1])
        return circuit

    def get_stats(self) -> dict[str, float]:
        """Returns how often each level had what was asked for, and the rate of both."""
        counts = dict(self._counts)
        asked = counts["bound_hits"] + counts["built"]
        return {
            **counts,
            "hit_rate": counts["bound_hits"] / asked if asked else 0.0,
            "templates": len(self._structures),
            "bound_circuits": len(self._bound),
        }

    def print_stats(self) -> None:
        """Prints what `get_stats` returns."""
        for name, number in self.get_stats().items():
            print(f"{name:<18} {number:g}")

    def _check(self, key: Hashable, circuit: UnifiedCircuit, n_qubits: int) -> None:
        (group,) = Batch.of([circuit]).groups
        known = self._structures.get(key)
        if circuit.n_qubits != n_qubits or (known and known.circuit != group.circuit):
            raise CircuitError(
                describe(
                    f"The circuit is not of the structure {key!r}",
                    expected=f"{n_qubits} qubits"
                    + (f", gates {known.circuit.count_gates()}" if known else ""),
                    received=f"{circuit.n_qubits} qubits, gates {circuit.count_gates()}",
                    hint="Give each structure a key of its own",
                )
            )
        if known is None:
            self._counts["structure_misses"] += 1
            _keep(self._structures, key, group, self._most[0])
        else:
            self._counts["structure_hits"] += 1
            self._structures.move_to_end(key)


def _keep(kept: OrderedDict[Hashable, Any], key: Hashable, value: Any, most: int) -> None:
    kept[key] = value
    while len(kept) > most:
        kept.popitem(last=False)
