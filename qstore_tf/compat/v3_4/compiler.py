"""`IonQNativeGateCompiler` of version 3.4: `qs.ionq.compile` for IonQ's dicts."""

from __future__ import annotations

import time
from typing import Any

from qstore_tf.compat.circuits import AnyCircuit, circuit_of
from qstore_tf.ionq import compile as compile_native
from qstore_tf.ionq.targets import Target, lookup
from qstore_tf.ionq.wire import to_native


class IonQNativeGateCompiler:
    """Compiles circuits to native gates, and counts the gates that this saves.

    Args:
        target: A machine, such as "forte-1" or "aria-1".
        optimization_level: 0, gate by gate, to 3.

    Example:
        >>> gates = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]
        >>> compiler = IonQNativeGateCompiler()
        >>> native = compiler.compile_circuit({"qubits": 2, "circuit": gates})
        >>> native["gateset"], native["output_permutation"], compiler.get_stats()["gates_after"]
        ('native', [0, 1], 4)
    """

    def __init__(self, target: str | Target = "forte-1", optimization_level: int = 3) -> None:
        self.target = lookup(target) if isinstance(target, str) else target
        self.optimization_level = optimization_level
        self._circuits = self._before = self._after = 0
        self._seconds = 0.0
        self._reductions: list[float] = []

    def compile_circuit(self, circuit: AnyCircuit) -> dict[str, Any]:
        """Returns a circuit in native gates, as IonQ's dict.

        The unitary is the same up to a global phase, turns about Z at the end, and a permutation:
        qubit q is read from wire `output_permutation[q]`.

        Args:
            circuit: IonQ's dict, or a circuit without symbols.

        Raises:
            QstoreError: It cannot be read or compiled.
        """
        begun = time.perf_counter()
        read = circuit_of(circuit)
        compiled = compile_native(read, self.target, optimization_level=self.optimization_level)
        made = to_native(compiled.native(), self.target)
        made["output_permutation"] = list(compiled.output_permutation)
        self._seconds += time.perf_counter() - begun
        plain = compile_native(read, self.target, optimization_level=0)
        before = plain.gates_1q + plain.gates_2q
        after = compiled.gates_1q + compiled.gates_2q
        self._circuits, self._before, self._after = (
            self._circuits + 1,
            self._before + before,
            self._after + after,
        )
        self._reductions.append(100 * (before - after) / before if before else 0.0)
        return made

    def get_stats(self) -> dict[str, float]:
        """Returns what was measured so far.

        `circuits_compiled`; `gates_before`, of these circuits translated gate by gate, and
        `gates_after`; `avg_reduction_pct`, the mean over the circuits of what is saved of the
        first; `total_time_ms`, in which they were compiled.
        """
        saved = self._reductions
        return {
            "circuits_compiled": self._circuits,
            "gates_before": self._before,
            "gates_after": self._after,
            "avg_reduction_pct": sum(saved) / len(saved) if saved else 0.0,
            "total_time_ms": 1000 * self._seconds,
        }
