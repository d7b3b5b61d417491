"""IonQ as the design of version 4.0 called it: `qs.backends.IonQ` and `qs.ionq.compile`."""

from __future__ import annotations

import asyncio
from typing import Any

from qstore_tf import backends
from qstore_tf.compat.circuits import AnyCircuit, circuit_of, run
from qstore_tf.ionq import Compiled
from qstore_tf.ionq import compile as compile_native


class IonQNativeCompiler:
    """Compiles circuits to native gates: `qs.ionq.compile`.

    Args:
        target: A machine, such as "forte-1" or "aria-1".

    Example:
        >>> from qstore_tf import UnifiedCircuit
        >>> bell = UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
        >>> IonQNativeCompiler().compile(bell).gates_2q
        1
    """

    def __init__(self, target: str = "aria-1") -> None:
        self.target = target

    def compile(self, circuit: AnyCircuit) -> Compiled:
        """Returns a circuit in native gates, with symbols where it had any."""
        return compile_native(circuit_of(circuit), self.target)


class IonQBackend:
    """Runs one circuit on IonQ; in layers, `qs.backends.IonQ` runs batches.

    Args:
        api_key: None: IONQ_API_KEY.
        target: "simulator", "qpu.aria-1" and the like.
        use_native_gates: Whether circuits are compiled here.
        url: Of the service; None: IONQ_API_URL, or IonQ's own.
    """

    def __init__(
        self,
        api_key: str | None = None,
        target: str = "qpu.aria-1",
        use_native_gates: bool = True,
        url: str | None = None,
    ) -> None:
        self._options: dict[str, Any] = {
            "target": target,
            "gateset": "native" if use_native_gates else "qis",
            "api_key": api_key,
            "url": url,
        }

    async def execute(
        self, compiled: AnyCircuit | Compiled, shots: int = 1000, timeout: float | None = None
    ) -> dict[str, Any]:
        """Runs a circuit in a thread; returns `counts`, `probabilities` and `total_shots`.

        Bit strings have qubit 0 of the circuit first, also of one that was compiled.

        Args:
            compiled: A circuit without symbols, or what `IonQNativeCompiler.compile` returned.
            shots: Of the circuit.
            timeout: Seconds after which a queued job is canceled; None: it waits.

        Raises:
            QstoreError: The service failed, or the time was over.
        """
        backend = backends.get("ionq", deadline_s=timeout, **self._options)
        wires = compiled.output_permutation if isinstance(compiled, Compiled) else None
        circuit = compiled.native() if isinstance(compiled, Compiled) else compiled
        (found,) = await asyncio.to_thread(run, [circuit], backend, shots)
        return found if wires is None else _of_qubits(found, wires)


def _of_qubits(found: dict[str, Any], wires: tuple[int, ...]) -> dict[str, Any]:
    """Results of wires as those of the qubits that end on them."""

    def move(by_bits: dict[str, Any]) -> dict[str, Any]:
        return {"".join(bits[wire] for wire in wires): value for bits, value in by_bits.items()}

    return {
        **found,
        "counts": move(found["counts"]),
        "probabilities": move(found["probabilities"]),
    }
