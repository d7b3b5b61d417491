"""pytket's strongest general pass, to TK2 and to CX; and what it moves behind a measurement."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import version
from typing import Any

from pytket.circuit import Circuit, OpType
from pytket.passes import AutoRebase, FullPeepholeOptimise
from pytket.qasm import circuit_from_qasm_str
from pytket.utils import prepare_circuit

from benchmarks.ionq_peers.protocol import Output, Variant, main

TARGETS = {"TK2": OpType.TK2, "CX": OpType.CX}


def optimised(circuit: Circuit, target: OpType) -> Circuit:
    """The circuit, SWAPs at its end left implicit."""
    circuit = circuit.copy()
    FullPeepholeOptimise(allow_swaps=True, target_2qb_gate=target).apply(circuit)
    return circuit


def prepared(circuit: Circuit) -> tuple[Circuit, Circuit]:
    """For |0...0> and measured in Z: the circuit, and classical gates for its outcomes."""
    circuit = circuit.copy()
    AutoRebase({OpType.CX, OpType.TK1}).apply(circuit)
    quantum, classical = prepare_circuit(circuit.measure_all())
    FullPeepholeOptimise(allow_swaps=False, target_2qb_gate=OpType.TK2).apply(quantum)
    return quantum, classical


def read(circuit: Circuit) -> Output:
    """Gates and where the qubits end."""
    places = {qubit: place for place, qubit in enumerate(circuit.qubits)}
    gates = [
        ([places[qubit] for qubit in command.qubits], command.op.get_unitary())
        for command in circuit.get_commands()
        if command.qubits and command.op.is_gate() and command.op.type != OpType.Measure
    ]
    starts = {end: start for start, end in circuit.implicit_qubit_permutation().items()}
    return Output(gates, permutation=[places[starts[qubit]] for qubit in circuit.qubits])


def read_prepared(made: tuple[Circuit, Circuit]) -> Output:
    """The same, with the classical gates as a map of the outcomes."""
    circuit, classical = made
    measured = [
        (circuit.qubits.index(qubit), bit.index[0])
        for qubit, bit in circuit.qubit_to_bit_map.items()
    ]
    steps = classical.to_dict()["commands"]
    outcomes = []
    for outcome in range(2**circuit.n_qubits):
        bits = [0] * circuit.n_qubits
        for wire, bit in measured:
            bits[bit] = outcome >> (circuit.n_qubits - 1 - wire) & 1
        for step in steps:
            _apply(step, bits)
        outcomes.append(int("".join(map(str, bits)), 2))
    return replace(read(circuit), permutation=None, outcomes=outcomes)


def _apply(step: dict[str, Any], bits: list[int]) -> None:
    """One classical gate: bits set, or a table of what their number becomes."""
    places = [index[0] for _, index in step["args"]]
    table = step["op"]["classical"]["values"]
    if step["op"]["type"] == "SetBits":
        made = [int(value) for value in table]
    else:
        value = table[sum(bits[place] << k for k, place in enumerate(places))]
        made = [value >> k & 1 for k in range(len(places))]
    for place, bit in zip(places, made, strict=True):
        bits[place] = bit


VARIANTS = {
    f"pytket FullPeephole {name}": Variant(
        lambda circuit, target=target: optimised(circuit, target), read
    )
    for name, target in TARGETS.items()
}
VARIANTS["pytket prepare_circuit, measured"] = Variant(prepared, read_prepared)

if __name__ == "__main__":
    main({"pytket": version("pytket")}, circuit_from_qasm_str, VARIANTS)
