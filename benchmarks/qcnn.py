"""A quantum convolutional network of 23 qubits: time and memory of a circuit with its gradient.

The network of TensorFlow Quantum's tutorial, as its multi-worker report scaled it to 23 qubits:
a cluster state, a rotation RX(x) on each qubit (the data), then convolutions and poolings in turn
until one qubit is left, whose <Z> is read. A convolution is one two-qubit unitary of 15 angles on
all neighbours in a ring; a pooling, of 6 angles, hands half of the qubits to the other half. As 23
is no power of two, a qubit without a partner goes on unpooled: 23, 12, 6, 3, 2, 1. Other than in
the tutorial, angles are those of RX, ..., RZZ (radians), the same up to a factor and global phases.

The report trains 1,000 examples, about 3,000 circuits, per epoch: 5 minutes on 32 nodes, about 4
hours on one. Printed here: seconds of one circuit with its gradient by all angles, on one and two
cores; peak memory; what an epoch takes; what `scaling_model.py` predicts for 32 workers.

    python benchmarks/qcnn.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import machine, measure, memory, scaling_model, tables

if TYPE_CHECKING:
    from qstore_tf import UnifiedCircuit

QUBITS = 23
EXAMPLES = 1_000
# What the report counts for them; a gradient here counts as one circuit.
CIRCUITS = 3_000
BATCH = 32  # Of the epoch; one example per worker and step on 32 workers.
COLLECTIVES_BESIDES_GRADIENTS = (8, 4, 4)


def build(n_qubits: int) -> UnifiedCircuit:
    """The network; its symbols x0, x1, ... are the data, all others are trained."""
    from qstore_tf import UnifiedCircuit

    circuit = UnifiedCircuit(n_qubits)
    for qubit in range(n_qubits):
        circuit.add_gate("H", qubit)
    for qubit in range(n_qubits):
        circuit.add_gate("CZ", [qubit, (qubit + 1) % n_qubits])
    for qubit in range(n_qubits):
        circuit.add_gate("RX", qubit, f"x{qubit}")
    active, layer = list(range(n_qubits)), 0
    while len(active) > 1:
        convolve(circuit, active, f"conv{layer}_")
        half = len(active) // 2
        pool(circuit, active[:half], active[-half:], f"pool{layer}_")
        active, layer = active[half:], layer + 1
    return circuit


def convolve(circuit: UnifiedCircuit, qubits: list[int], name: str) -> None:
    """One two-qubit unitary on neighbours in a ring, first the even pairs, then the others."""
    pairs = list(zip(qubits[0::2], qubits[1::2], strict=False))
    if len(qubits) > 2:
        pairs += list(zip(qubits[1::2], [*qubits[2::2], qubits[0]], strict=False))
    for first, second in pairs:
        rotate(circuit, first, name, 0)
        rotate(circuit, second, name, 3)
        for gate, angle in (("RZZ", 6), ("RYY", 7), ("RXX", 8)):
            circuit.add_gate(gate, [first, second], f"{name}{angle}")
        rotate(circuit, first, name, 9)
        rotate(circuit, second, name, 12)


def pool(circuit: UnifiedCircuit, sources: list[int], sinks: list[int], name: str) -> None:
    """Hands what each source knows to its sink: CNOT between bases that are learned."""
    for source, sink in zip(sources, sinks, strict=True):
        rotate(circuit, sink, name, 0)
        rotate(circuit, source, name, 3)
        circuit.add_gate("CX", [source, sink])
        for gate, angle in (("RZ", 2), ("RY", 1), ("RX", 0)):
            circuit.add_gate(gate, sink, f"-{name}{angle}")


def rotate(circuit: UnifiedCircuit, qubit: int, name: str, first: int) -> None:
    """RX, RY and RZ by three angles, numbered from `first`."""
    for offset, gate in enumerate(("RX", "RY", "RZ")):
        circuit.add_gate(gate, qubit, f"{name}{first + offset}")


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description="A QCNN: seconds per circuit with gradient.")
    parser.add_argument("--qubits", type=int, default=QUBITS)
    parser.add_argument("--circuits", type=int, default=3, help="to time on each number of cores")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--out", type=Path, default=scaling_model.RESULTS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        measure.limit_threads(arguments.threads[0])
        print(json.dumps(gradients(arguments.qubits, arguments.circuits)))
        return 0
    described = machine.describe()
    results = {count: _in_child(arguments, count) for count in arguments.threads}
    document = report(arguments.qubits, results, described, arguments.out)
    print(document)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "qcnn.md").write_text(document)
    return 0


def report(
    n_qubits: int, results: dict[int, dict[str, Any]], described: dict[str, str], folder: Path
) -> str:
    """The document: what was measured, and what follows from it."""
    any_result = next(iter(results.values()))
    rows = []
    for threads, result in results.items():
        seconds = statistics.median(result["seconds"])
        rows.append(
            [
                str(threads),
                f"{seconds:.2f}",
                f"{min(result['seconds']):.2f} to {max(result['seconds']):.2f}",
                f"{result['forward']:.2f}",
                f"{result['extra'] / 2**20:.0f} ({result['extra'] / (8 * 2**n_qubits):.1f} states)",
                f"{EXAMPLES * seconds / 60:.0f}",
                f"{CIRCUITS * seconds / 60:.0f}",
            ]
        )
    header = (
        "cores",
        "circuit with gradient (s)",
        "range (s)",
        "value alone (s)",
        "peak memory (MiB)",
        f"epoch of {EXAMPLES} gradients (min)",
        f"{CIRCUITS} gradients (min)",
    )
    lines = [f"# A QCNN of {n_qubits} qubits", ""]
    lines += [f"- {key}: {value}" for key, value in described.items()]
    lines += [f"- {any_result['gates']} gates, {any_result['angles']} trained angles, float32"]
    lines += [f"- TensorFlow {any_result['tensorflow']}"]
    lines += ["", "## Measured; epochs by multiplication", "", tables.text(header, rows), ""]
    lines += ["## Predicted: 32 workers, one example each per step", ""]
    lines += [_prediction(results, any_result["angles"], folder), ""]
    return "\n".join(lines)


def _prediction(results: dict[int, dict[str, Any]], angles: int, folder: Path) -> str:
    file = folder / "scaling_model.json"
    if not file.exists():
        return f"Not made: there is no {file.name}; run scaling_model.py first."
    fitted = scaling_model.Network(**json.loads(file.read_text())["network"])
    network = scaling_model.stated(fitted)
    collectives = [4 * angles, *COLLECTIVES_BESIDES_GRADIENTS]
    rows = []
    for threads, result in results.items():
        seconds = statistics.median(result["seconds"])
        step = scaling_model.step(seconds, collectives, BATCH, network)
        steps = -(-EXAMPLES // BATCH)
        rows.append(
            [
                f"{BATCH} x {threads}",
                f"{step:.2f}",
                f"{seconds / step:.3f}",
                f"{steps * step / 60:.2f}",
                f"{CIRCUITS / EXAMPLES * steps * step / 60:.2f}",
            ]
        )
    header = (
        "nodes x cores",
        "step (s)",
        "efficiency",
        f"epoch of {EXAMPLES} gradients (min)",
        f"{CIRCUITS} gradients (min)",
    )
    return tables.text(header, rows)


def _in_child(arguments: argparse.Namespace, threads: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", "--threads", str(threads)]
    command += ["--qubits", str(arguments.qubits), "--circuits", str(arguments.circuits)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the measurement on {threads} cores failed:\n{done.stderr[-3000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def gradients(n_qubits: int, circuits: int) -> dict[str, Any]:
    """Seconds of values and gradients of this process, and what they add to its memory."""
    import resource

    import numpy as np
    import tensorflow as tf

    from qstore_tf.layers import QuantumLayer

    def layer_and_gradient(width: int) -> tuple[Any, Any, Any]:
        circuit = build(width)
        names = [f"x{qubit}" for qubit in range(width)]
        readout = "I" * (width - 1) + "Z"
        layer = QuantumLayer(circuit=circuit, inputs=names, observables=[readout])
        layer.build((1, width))

        @tf.function
        def gradient(inputs: Any) -> Any:
            with tf.GradientTape() as tape:
                value = tf.reduce_sum(layer(inputs))
            return tape.gradient(value, layer.trainable_variables)

        return circuit, layer, gradient

    # Threads, pools and TensorFlow itself are there before memory is counted.
    small = layer_and_gradient(4)[2](tf.zeros([1, 4]))
    assert small
    circuit, layer, gradient = layer_and_gradient(n_qubits)
    inputs = tf.constant(np.random.default_rng(0).random((1, n_qubits), np.float32))
    before = memory.resident()
    gradient(inputs)  # Traces.
    seconds = []
    for _ in range(circuits):
        started = time.perf_counter()
        found = gradient(inputs)[0].numpy()
        seconds.append(time.perf_counter() - started)
    started = time.perf_counter()
    layer(inputs).numpy()
    forward = time.perf_counter() - started
    assert np.all(np.isfinite(found)) and np.any(found)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "seconds": seconds,
        "forward": forward,
        "extra": peak - before,
        "gates": len(circuit),
        "angles": int(found.size),
        "tensorflow": tf.__version__,
    }


if __name__ == "__main__":
    sys.exit(main())
