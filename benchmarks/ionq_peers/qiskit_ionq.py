"""qiskit-ionq's native backends at level 3, without and with its own optimizer behind."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from types import SimpleNamespace
from typing import Any

import qiskit_ionq
from qiskit import QuantumCircuit
from qiskit.transpiler import generate_preset_pass_manager
from qiskit_ionq import ionq_backend

from benchmarks.ionq_peers.protocol import Output, Variant, main
from benchmarks.ionq_peers.qiskit import load, read

N_QUBITS = 36


def backend(name: str) -> Any:
    """A native backend, without asking the service how many qubits it has."""
    ionq_backend.get_n_qubits = lambda *_, **__: N_QUBITS
    provider = qiskit_ionq.IonQProvider("none", "http://127.0.0.1:9/v0.4")
    return provider.get_backend(f"qpu.{name}", gateset="native")


def polished(manager: Any, optimizer: Any, circuit: QuantumCircuit) -> list[QuantumCircuit]:
    """Both stages, as each has a layout of its own; alone, the optimizer would keep SWAPs."""
    first = manager.run(circuit)
    return [first, optimizer.run(first)]


def read_stages(stages: list[QuantumCircuit]) -> Output:
    """The last stage, qubits followed through all of them."""
    outputs = [read(circuit, native=True) for circuit in stages]
    wires = list(range(stages[0].num_qubits))
    for output in outputs:
        if output.permutation is not None:
            wires = [output.permutation[wire] for wire in wires]
    return replace(outputs[-1], permutation=wires)


warnings.filterwarnings("ignore")
VARIANTS = {}
for device, name in (("Aria", "aria-1"), ("Forte", "forte-1")):
    target = backend(name).target
    manager = generate_preset_pass_manager(optimization_level=3, target=target, seed_transpiler=7)
    config = SimpleNamespace(target=target, seed_transpiler=7)
    optimizer = qiskit_ionq.TrappedIonOptimizerPlugin().pass_manager(config, 3)
    title = f"qiskit-ionq level 3 {device}"
    VARIANTS[title] = Variant(lambda circuit, run=manager.run: [run(circuit)], read_stages)
    VARIANTS[f"{title}, TrappedIonOptimizer"] = Variant(
        partial(polished, manager, optimizer), read_stages
    )


if __name__ == "__main__":
    main({name: version(name) for name in ("qiskit-ionq", "qiskit")}, load, VARIANTS)
