"""qstore_tf: both devices and all modes, and its numeric encoder for amplitudes."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import numpy as np

import qstore_tf
from benchmarks.ionq_checking import gates_of
from benchmarks.ionq_circuits import TIMED, ansatz
from benchmarks.ionq_peers.protocol import Output, Variant, main, timed
from qstore_tf import ionq
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, reference
from qstore_tf.errors import CircuitError
from qstore_tf.ionq import compiling
from qstore_tf.ionq.compiler import ms, turnovers, zz
from qstore_tf.ionq.encoder import Pattern, solve
from qstore_tf.ionq.outputs import output_map

DEVICES = {"forte": "forte-1", "aria": "aria-1"}
PULSES = ("GPi", "GPi2")
ENCODED = "state"


def compiled(target: str, mode: str, circuit: UnifiedCircuit, search: bool = False) -> Any:
    """One compilation, of a circuit as if it had not been seen before."""
    for kept in (zz._plain, ms._plan, ms._path, turnovers._moves):
        kept.cache_clear()
    return ionq.compile(circuit, target=target, mode=mode, search=search)


def encoded(target: str, gate: str, circuit: UnifiedCircuit) -> Any:
    """The state of a circuit by the numeric encoder instead."""
    vector = reference.state_vector(compile_circuit(circuit))[0]
    pattern = Pattern(circuit.n_qubits, gate)
    solution = solve(pattern, [vector.real])
    if not solution.converged[0]:
        raise CircuitError("the encoder's solver did not converge")
    template = pattern.circuit()
    values = dict(zip(template.parameters, solution.angles[0].tolist(), strict=True))
    return ionq.compile(template.bind(values), target=target, mode="measured")


def read(device: str, mode: str, result: Any) -> Output:
    """Emitted gates, and what outcomes stand for."""
    circuit = result.native()
    gates = [(gate.qubits, gate.matrix) for gate in gates_of(circuit)]
    names = [operation.gate for operation in circuit.operations]
    one = sum(name in PULSES for name in names)
    measured = mode == "measured"
    return Output(
        gates,
        permutation=None if measured else result.output_permutation,
        native=(one, len(names) - one),
        outcomes=outcomes(result, circuit.n_qubits) if measured else None,
        from_zero=mode != "unitary",
        frames=result.bind().frames[0],
        device=device,
    )


def outcomes(result: Any, n_qubits: int) -> list[int]:
    """The input's outcome for each outcome of the compiled circuit."""
    matrix, offset = output_map(result)
    places = np.arange(n_qubits)[::-1]
    bits = np.arange(2**n_qubits)[:, None] >> places & 1
    mapped = (bits @ matrix.astype(int).T + offset) % 2
    return (mapped << places).sum(1).tolist()


def bind(_: str, samples: int) -> dict[str, float]:
    """Processor milliseconds a sample to bind a batch to the ansatz, compiled with its symbols."""
    circuit = ansatz(*TIMED[1])
    values = np.random.default_rng(7).uniform(-np.pi, np.pi, (samples, circuit.n_parameters))
    times = {}
    for target in DEVICES.values():
        result = ionq.compile(circuit, target=target)
        _, _, seconds = timed(partial(result.bind, values))
        times[f"qstore_tf {target}"] = seconds / samples * 1e3
    return times


# Circuits that a search changes.
SEARCHED = ("mixed3", "mixed4", "mixed6", "mixed8", "mixed10", "cuccaro", "state")
VARIANTS = (
    {
        f"qstore_tf {target}, {mode}": Variant(
            partial(compiled, target, mode), partial(read, device, mode)
        )
        for mode in compiling.MODES
        for device, target in DEVICES.items()
    }
    | {
        f"qstore_tf {target}, unitary, search": Variant(
            partial(compiled, target, "unitary", search=True),
            partial(read, device, "unitary"),
            only=SEARCHED,
        )
        for device, target in DEVICES.items()
    }
    | {
        f"qstore_tf {target}, encoder {gate}, measured": Variant(
            partial(encoded, target, gate), partial(read, device, "measured"), only=ENCODED
        )
        for gate in ("CZ", "RZZ")
        for device, target in DEVICES.items()
    }
)

if __name__ == "__main__":
    # What is timed is compiling, not finding what was compiled before.
    compiling._compiled = compiling._compiled.__wrapped__
    turnovers._moves = lru_cache(turnovers._moves.__wrapped__)
    main({"qstore_tf": qstore_tf.__version__}, UnifiedCircuit.from_qasm, VARIANTS, bind)
