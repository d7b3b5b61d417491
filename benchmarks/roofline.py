"""How far the native op is from what this machine's arithmetic and memory allow.

Compiles `roofline.cc`, measures the peak of fused multiply-adds in single precision and the
read+write bandwidth at the size of each workload's states, and sets beside them what a gradient
needs at least. The operations are counted below for the circuit of `workload.py` under an engine
that exploits its structure; measured steps come from the last run of `run.py`.

    python benchmarks/roofline.py
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import environments, machine, report
from benchmarks.workload import WORKLOADS, Workload

AMPLITUDE_BYTES = 8
# What follows is as in qstore_tf/cc/lib/fast with AVX-512 in single precision.
# Up to so many qubits the lanes of a register hold as many samples, which advance together.
SAMPLE_LANE_QUBITS = 8
LANES = 16
# States of at least so many qubits are cut into tiles, smaller ones worked on whole and saved up to
# so many numbers.
CUT_QUBITS = 14
MOST_SAVED_REALS = 2**20
# Qubits of the first tile, which alone runs through its gates: 7 to 13, and 4 left to the factors
# and 4 to the lanes.
LEAST_FIRST, MOST_FIRST, NOT_FIRST = 7, 13, 8
# Rows of a tile of 16 and 20 qubits, about.
TILE_BITS = 8
# Circuits up to this size are taken to keep a block of samples in the caches.
IN_CACHE_QUBITS = 12


def flops(workload: Workload) -> float:
    """Floating-point operations of one sample's gradient, a multiply-add counted as two.

    With N = 2^n amplitudes: RY on a qubit is one multiply-add per real number of the state once
    the cosine is taken out of the layer (4N); the RZ of a layer are one diagonal complex product
    (6N), its factors shared by the batch; CNOTs only relabel. The first layer merges with the
    encoding into a product state, N complex products for its last factor, half as many for the
    one before, and so on (12N). The last layer's RZ and CNOTs change no <Z> and are left out.
    A state that is cut runs forwards twice, and gates on the first tile alone are not counted: it
    is at most a sixteenth of the state from 16 qubits on.
    """
    size = 2.0**workload.n_qubits
    forward = 12 * size + _turned(workload)
    if is_cut(workload):
        forward *= 2
    # Probabilities and their fold to n expectations; the weighted diagonal and its bra.
    measure = 3 * size + 2 * size + 2 * size + 2 * size
    return forward + measure + backward_flops(workload, both=not saves_states(workload))


def backward_flops(workload: Workload, *, both: bool) -> float:
    """Those of the way back, where lambda alone is turned back, or `both` vectors are.

    An RY angle's derivative takes two multiply-adds per amplitude (4N), all RZ angles of a layer
    come from one product of the vectors (4N) and a fold of differences (2N). The derivatives of
    the product state come from its contraction with lambda, one half of the qubits after the
    other (16N).
    """
    turned = _turned(workload)
    return (2 if both else 1) * turned + turned + 16 * 2.0**workload.n_qubits


def is_cut(workload: Workload) -> bool:
    """Whether the state is cut into tiles, which stay in the caches from start to end."""
    return workload.n_qubits >= CUT_QUBITS


def saves_states(workload: Workload) -> bool:
    """Whether psi is saved before each merged diagonal, so that it need not be turned back."""
    return is_cut(workload) or _saved_reals(workload) <= MOST_SAVED_REALS


def moved_bytes(workload: Workload) -> float:
    """Bytes of state that one sample's gradient reads and writes if nothing stays in registers.

    What remains when every layer's gates are applied to blocks that fit the first-level caches.
    Forwards the product state is written, each further layer reads and writes the state, and the
    measurement reads it. Backwards psi is read to write lambda, each layer but the first reads
    psi, and reads and writes lambda, and the contraction at the end reads lambda. Where no states
    were saved, each layer writes psi too. Zero for circuits that are small enough to stay in the
    caches anyway, and for states of which one tile after the other does.
    """
    if workload.n_qubits <= IN_CACHE_QUBITS or is_cut(workload):
        return 0.0
    layers = workload.depth - 1
    forward = 1 + 2 * layers + 1
    backward = 2 + (3 if saves_states(workload) else 4) * layers + 1
    return (forward + backward) * AMPLITUDE_BYTES * 2.0**workload.n_qubits


def working_set(workload: Workload) -> int:
    """Bytes of lambda and of psi, as often as that is saved; of a tile where the state is cut."""
    if is_cut(workload):
        return (2 + _saved_states(workload)) * AMPLITUDE_BYTES * LANES * 2**TILE_BITS
    saved = _saved_states(workload) if saves_states(workload) else 1
    return (1 + saved) * AMPLITUDE_BYTES * 2**workload.n_qubits * _lanes(workload)


def _turned(workload: Workload) -> float:
    """Operations of the gates, once, on all of the state.

    Layer by layer, one qubit less of the first tile has all of its CNOTs there.
    """
    n, size = workload.n_qubits, 2.0**workload.n_qubits
    first = min(MOST_FIRST, max(LEAST_FIRST, n - NOT_FIRST)) if is_cut(workload) else 0
    rotations = sum(n - max(0, first - layer) for layer in range(1, workload.depth))
    return 4 * rotations * size + _diagonals(workload) * 6 * size


def _diagonals(workload: Workload) -> int:
    """Layers whose RZ are a diagonal of their own: not the first one, nor the last."""
    return max(0, workload.depth - 2)


def _saved_states(workload: Workload) -> int:
    """One before each merged diagonal, and the final one."""
    return _diagonals(workload) + 1


def _saved_reals(workload: Workload) -> int:
    return 2 * 2**workload.n_qubits * _lanes(workload) * _saved_states(workload)


def _lanes(workload: Workload) -> int:
    return LANES if workload.n_qubits <= SAMPLE_LANE_QUBITS else 1


def main() -> int:
    """Prints the roofline and each measured workload's distance from it."""
    parser = argparse.ArgumentParser(description="Compare gradient steps with the machine's peak.")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--results", type=Path, help="a gradient_steps.json of run.py")
    arguments = parser.parse_args()
    print(machine.headline())
    sizes = [working_set(workload) for workload in WORKLOADS]
    peak, bandwidths = measure_machine(arguments.threads, [*sizes, 2**29])
    print(f"peak of multiply-adds, {arguments.threads} threads: {peak:.1f} GFLOP/s (float32)")
    print(f"bandwidth to memory, read and write: {bandwidths[2**29]:.1f} GB/s")
    steps = _measured_steps(arguments.results)
    rows = [
        [
            "n, depth, B",
            "MFLOP",
            "MB moved",
            "GB/s there",
            "bound (ms)",
            "measured",
            "of the bound",
            "way back",
        ]
    ]
    for workload, size in zip(WORKLOADS, sizes, strict=True):
        work = flops(workload) * workload.batch
        moved = moved_bytes(workload) * workload.batch
        bound = max(work / peak, moved / bandwidths[size]) * 1e-9
        step = steps.get(("qstore", workload.key))
        rows.append(
            [
                workload.key.replace(",", ", "),
                f"{work * 1e-6:.1f}",
                f"{moved * 1e-6:.1f}",
                f"{bandwidths[size]:.0f}",
                f"{bound * 1e3:.3f}",
                "-" if step is None else f"{step * 1e3:.3f}",
                "-" if step is None else f"{bound / step:.0%}",
                f"{_share_of_both(workload):.0%}",
            ]
        )
        for peer, goal in report.GOALS[workload.key].items():
            theirs = steps.get((peer, workload.key))
            if theirs is not None:
                rows[-1].append(f"{report.TITLES[peer]}: at most {theirs / bound:.0f}x ({goal:g}x)")
    widths = [max(len(row[i]) for row in rows) for i in range(8)]
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=False)]
        print("  ".join(cells), "; ".join(row[8:]))
    print("bound: the larger of FLOP / peak and bytes / bandwidth at the size of psi and lambda.")
    print("way back: its operations, of those it would take to turn back both psi and lambda.")
    print("at most: the ratio to a peer that a step at the bound would reach (goal in brackets).")
    return 0


def measure_machine(threads: int, sizes: list[int]) -> tuple[float, dict[int, float]]:
    """Peak GFLOP/s, and GB/s read and written by working set in bytes.

    Raises:
        RuntimeError: there is no C++ compiler, or it failed.
    """
    source = Path(__file__).with_name("roofline.cc")
    compiler = os.environ.get("CXX", "g++")
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder) / "roofline")
        flags = ["-std=c++17", "-O3", "-march=native", "-ffp-contract=fast", "-pthread"]
        try:
            subprocess.run([compiler, *flags, str(source), "-o", program], check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise RuntimeError(f"{compiler} could not compile {source}: {error}") from error
        command = [program, str(threads), *map(str, sizes)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    peak, bandwidths = 0.0, {}
    for line in output.splitlines():
        fields = line.split()
        if fields[0] == "fma":
            peak = float(fields[1])
        else:
            bandwidths[int(fields[1])] = float(fields[2])
    return peak, bandwidths


def _share_of_both(workload: Workload) -> float:
    both = not saves_states(workload)
    return backward_flops(workload, both=both) / backward_flops(workload, both=True)


def _measured_steps(file: Path | None) -> dict[tuple[str, str], float]:
    """Median seconds of a step in the graph by framework and workload, as far as known."""
    if file is not None:
        results = json.loads(file.read_text())["results"]
    else:
        cache = environments.VENVS / "results"
        results = [json.loads(path.read_text()) for path in sorted(cache.glob("*.json"))]
    steps = {}
    for result in results:
        seconds = report.middle(result.get("loop", []))
        if seconds is not None:
            steps[result["framework"], result["workload"]] = seconds
    return steps


if __name__ == "__main__":
    sys.exit(main())
