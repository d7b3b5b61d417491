"""What running on IonQ costs beside the machine's own time, against a local IonQ.

    python benchmarks/ionq_running.py

Preparing: 1,000 circuits of 6 qubits (a layered ansatz, as a gradient's shifted circuits), from
numbers to the text of the job and from the service's answer to expectations, in native gates and in
those that the service compiles. Goal: under 0.2 s of processor time, the first compilation apart.
Throughput: jobs of one second behind 200 ms of latency, eight in flight. Goal: at least 90 % of
what the limit on jobs in flight allows.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import numpy as np

from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables
from qstore_tf.ionq import TARGETS, measuring
from qstore_tf.ionq.emulator.running import Emulator
from qstore_tf.ionq.runnable import GATESETS, CompileOptions
from qstore_tf.ionq.service.executor import Executor
from qstore_tf.ionq.service.results import decode
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.service.work import Work
from qstore_tf.ionq.writing import NativeTemplate

CIRCUITS, N_QUBITS, DEPTH = 1000, 6, 4
JOBS, IN_FLIGHT, LATENCY_S, RUN_S = 48, 8, 0.2, 1.0
REPEATS = 7


def main() -> None:
    """Prints both."""
    for gateset in GATESETS:
        first, parts = preparing(gateset)
        total = sum(parts.values())
        print(f"gateset {gateset}, made once for the structure: {1e3 * first:.1f} ms")
        for name, seconds in parts.items():
            print(f"{name}: {1e3 * seconds:.1f} ms")
        print(f"{CIRCUITS} circuits prepared and read: {total:.3f} s (goal: 0.2 s)")
    share = throughput()
    print(f"throughput: {share:.1%} of what {IN_FLIGHT} jobs in flight allow (goal: 90 %)")


def preparing(gateset: str) -> tuple[float, dict[str, float]]:
    """Returns processor seconds of compiling, and of each part for all circuits, the least.

    Args:
        gateset: "native", or "qis" for gates that the service compiles.
    """
    circuit = UnifiedCircuit(N_QUBITS)
    for layer in range(DEPTH):
        for qubit in range(N_QUBITS):
            circuit.add_gate("RY", qubit, f"a{layer}_{qubit}")
            circuit.add_gate("RZ", qubit, f"b{layer}_{qubit}")
        for qubit in range(N_QUBITS - 1):
            circuit.add_gate("CX", [qubit, qubit + 1])
    program = compile_circuit(circuit, inputs=circuit.parameters)
    observables = tuple(parse_observables("Z", N_QUBITS))
    inputs = np.random.default_rng(0).uniform(-3, 3, (CIRCUITS, program.n_inputs))
    options = CompileOptions(TARGETS["forte-1"], gateset=gateset)
    begin = time.process_time()
    plan = measuring.plan(program, observables, options)
    compiled = time.process_time() - begin
    (group,) = plan.groups
    rng = np.random.default_rng(1)
    answer = {
        f"circuit-{k}": dict(zip(map(str, range(2**N_QUBITS)), row.tolist(), strict=True))
        for k, row in enumerate(rng.dirichlet(np.ones(2**N_QUBITS), CIRCUITS))
    }
    text = json.dumps(answer)
    best: dict[str, float] = {}
    for repeat in range(REPEATS):
        times = [time.process_time()]
        # Other numbers each time, so that what is bound is not remembered.
        bound = group.runnable.bind(inputs + 1e-3 * repeat, np.zeros(0))
        times.append(time.process_time())
        bound.work.template.text(bound.work.values)
        times.append(time.process_time())
        (outcomes,) = decode(json.loads(text), [N_QUBITS] * CIRCUITS, None)
        group.expectations(outcomes, bound.flips)
        times.append(time.process_time())
        for name, seconds in zip(("bind", "write", "read"), np.diff(times).tolist(), strict=True):
            best[name] = min(seconds, best.get(name, seconds))
    return compiled, best


def throughput() -> float:
    """Returns the share of the ideal: for each place, a round trip and the run of each job."""
    template = NativeTemplate(2, (("GPi2", (0,)), ("ZZ", (0, 1))))
    values = np.random.default_rng(0).uniform(0, 0.25, (JOBS + IN_FLIGHT, 2))
    with tempfile.TemporaryDirectory() as folder, Emulator(latency_s=LATENCY_S, run_s=RUN_S) as one:
        executor = Executor(
            Server(one.url, "any"),
            max_circuits=1,
            max_in_flight=IN_FLIGHT,
            journal=Path(folder) / "journal.sqlite",
        )
        executor.run([Work(template, values[:IN_FLIGHT], 1, 1)])  # learns how long jobs take
        begin = time.monotonic()
        executor.run([Work(template, values[IN_FLIGHT:], 1, 1)])
        took = time.monotonic() - begin
    return (JOBS / IN_FLIGHT * (LATENCY_S + RUN_S) + LATENCY_S) / took


if __name__ == "__main__":
    main()
