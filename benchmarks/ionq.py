"""Compares compilers for IonQ's native gates: gates, depth, pulses, time.

    python benchmarks/ionq.py                       # everything (environments are made at first)
    python benchmarks/ionq.py --only qstore,qiskit --circuits hea6x4,qft5
    python benchmarks/ionq.py --cached --only qstore    # qstore anew, peers from the last run

Every peer compiles the same OpenQASM 2 in an environment of its own; counting and checking are
done here, the same for all. BQSKit takes minutes a circuit: what it has once compiled, or not
within its time limit, is read from `results/ionq_bqskit.json`; remove that file to run it anew.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import environments, ionq_circuits, ionq_tables, machine
from benchmarks.ionq_checking import check
from benchmarks.ionq_counting import Gate, count
from benchmarks.ionq_rows import Row
from qstore_tf.circuits import UnifiedCircuit

ROOT = environments.ROOT
RESULTS = ROOT / "benchmarks" / "results"
CACHE = environments.VENVS / "results"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS", "MKL_NUM_THREADS")
ENVIRONMENT = {**os.environ, **dict.fromkeys(THREADS, "1"), "TF_CPP_MIN_LOG_LEVEL": "3"}
Answer = dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """One script of `ionq_peers`.

    Attributes:
        environment: in which it runs; None for the interpreter of qstore_tf.
        limit: seconds for one circuit, after which it is given up.
        slow: whether to keep what was once compiled, and give up for good what was not.
    """

    environment: str | None
    limit: int = 300
    slow: bool = False


PEERS = {
    "qstore": Peer(None),
    "qiskit": Peer("ionq_qiskit"),
    "pytket": Peer("ionq_pytket"),
    "qiskit_ionq": Peer("ionq_qiskit_ionq"),
    "cirq_ionq": Peer("ionq_cirq"),
    "bqskit": Peer("ionq_bqskit", limit=240, slow=True),
}


def main() -> int:
    """Runs what the command line asks for; returns 1 if an output is not the same circuit."""
    arguments = _arguments()
    described = machine.describe()
    circuits = ionq_circuits.circuits(arguments.circuits)
    programs = {name: circuit.to_qasm() for name, circuit in circuits.items()}
    answers, failures = {}, []
    for name, peer in PEERS.items():
        kept = _read_cache(name)
        if name in arguments.only:
            try:
                answers[name] = _measure(name, peer, kept, programs, arguments.python)
            except RuntimeError as error:
                failures.append(f"{name}: {error}")
        elif arguments.cached:
            answers[name] = kept

    rows, versions, bindings = [], {}, {}
    for name, answer in answers.items():
        versions |= answer["versions"]
        bindings |= answer["bind"]
        for circuit, made in _matching(answer, programs).items():
            old = name not in arguments.only or circuit not in answer.get("fresh", ())
            rows += _rows(circuit, circuits[circuit], made["variants"], old)
    order = list(circuits)
    rows.sort(key=lambda row: order.index(row.circuit))
    described["versions"] = ", ".join(f"{name} {number}" for name, number in versions.items())
    document = ionq_tables.markdown(rows, bindings, described, failures)
    print(document)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "ionq.md").write_text(document)
    payload = {"machine": described, "bind": bindings, "rows": [row.as_json() for row in rows]}
    (arguments.out / "ionq.json").write_text(json.dumps(payload, indent=1) + "\n")
    return int(any(row.wrong for row in rows))


def _rows(
    name: str, circuit: UnifiedCircuit, variants: Mapping[str, Answer], cached: bool
) -> Iterator[Row]:
    for title, output in variants.items():
        if "error" in output:
            yield Row(title, name, output, None, None, cached)
            continue
        gates = [
            Gate(tuple(gate["qubits"]), np.array(gate["matrix"]) @ [1, 1j])
            for gate in output["gates"]
        ]
        counted = count(circuit.n_qubits, gates)
        verdict = check(circuit, gates, output)
        yield Row(title, name, output, counted, verdict, cached)


def _measure(
    name: str, peer: Peer, kept: Answer, programs: Mapping[str, str], python: Path
) -> Answer:
    """Runs a peer's script on the circuits, anew after each that took too long."""
    if peer.environment is not None:
        python = environments.ensure(peer.environment)
    known = _matching(kept, programs) if peer.slow else {}
    left = {circuit: qasm for circuit, qasm in programs.items() if circuit not in known}
    result: Answer = {**kept, "fresh": list(left)}
    timed = ionq_circuits.TIMED[0]
    bind = {"circuit": programs.get(timed), "samples": ionq_circuits.TIMED[2]}
    asked = {"circuits": left, "bind": bind if timed in left else None}
    while asked["circuits"]:
        heard = False
        for line in _lines(name, python, asked, peer.limit):
            heard = True
            if "circuit" in line:
                _say(f"{name}: {line['circuit']}")
                qasm = asked["circuits"].pop(line["circuit"])
                result["circuits"][line["circuit"]] = {
                    "program": _digest(qasm),
                    "variants": line["variants"],
                }
            else:
                result |= line
            _write_cache(name, result)
        if not heard:
            raise RuntimeError(f"{python} -m benchmarks.ionq_peers.{name} does not start")
        if asked["circuits"]:
            given_up = next(iter(asked["circuits"]))
            _say(f"{name}: {given_up} given up")
            qasm = asked["circuits"].pop(given_up)
            error = {"error": f"no answer within {peer.limit} s"}
            result["circuits"][given_up] = {
                "program": _digest(qasm),
                "variants": {name: error},
            }
            _write_cache(name, result)
    return result


def _lines(name: str, python: Path, asked: Answer, limit: int) -> Iterator[Answer]:
    """What a script prints, until it ends or takes too long over one line."""
    process = subprocess.Popen(
        [str(python), "-m", f"benchmarks.ionq_peers.{name}"],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None and process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps(asked))
        process.stdin.close()
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    try:
        while line := lines.get(timeout=limit):
            yield json.loads(line)
    except queue.Empty:
        pass
    finally:
        # Its workers too.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _read(stream: IO[str], lines: queue.SimpleQueue[str]) -> None:
    for line in stream:
        lines.put(line)
    lines.put("")


def _matching(answer: Answer, programs: Mapping[str, str]) -> dict[str, Answer]:
    """Of what was compiled, that of the circuits as they are now."""
    return {
        name: made
        for name, made in answer["circuits"].items()
        if name in programs and made["program"] == _digest(programs[name])
    }


def _digest(qasm: str) -> str:
    return hashlib.sha256(qasm.encode()).hexdigest()


def _cache_file(name: str) -> Path:
    return RESULTS / f"ionq_{name}.json" if PEERS[name].slow else CACHE / f"ionq-{name}.json"


def _read_cache(name: str) -> Answer:
    file = _cache_file(name)
    if file.is_file():
        return json.loads(file.read_text())
    return {"versions": {}, "circuits": {}, "bind": {}}


def _write_cache(name: str, answer: Answer) -> None:
    file = _cache_file(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({key: value for key, value in answer.items() if key != "fresh"}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    _choice(parser, "--only", PEERS, "compilers to run")
    _choice(parser, "--circuits", ionq_circuits.CASES, "circuits")
    parser.add_argument(
        "--cached", action="store_true", help="show the last results of compilers not run"
    )
    parser.add_argument(
        "--python", type=Path, default=Path(sys.executable), help="interpreter of qstore_tf"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


def _choice(
    parser: argparse.ArgumentParser,
    option: str,
    known: Sequence[str] | Mapping[str, Any],
    what: str,
) -> None:
    def chosen(value: str) -> list[str]:
        names = value.split(",")
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise argparse.ArgumentTypeError(
                f"unknown: {', '.join(unknown)}; there are {', '.join(known)}"
            )
        return names

    shown = f"{what}, of {','.join(known)} (default: all)"
    parser.add_argument(option, type=chosen, default=list(known), help=shown)


def _say(message: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
