"""BQSKit: numerical resynthesis of blocks of three qubits into RZZ and U3; slow, approximate."""

from __future__ import annotations

import sys
from importlib.metadata import version

from bqskit import Circuit, compile
from bqskit.compiler import Compiler, MachineModel
from bqskit.ir.gates import RZZGate, U3Gate
from bqskit.ir.lang.qasm2 import OPENQASM2Language

from benchmarks.ionq_peers.protocol import Output, Variant, main


def read(circuit: Circuit) -> Output:
    """Gates of a circuit; qubits end where they began."""
    return Output(
        [(list(operation.location), operation.get_unitary().numpy) for operation in circuit]
    )


if __name__ == "__main__":
    with Compiler(num_workers=1) as compiler:
        level = int(sys.argv[1]) if sys.argv[1:] else 2

        def compiled(circuit: Circuit) -> Circuit:
            model = MachineModel(circuit.num_qudits, gate_set={RZZGate(), U3Gate()})
            return compile(
                circuit, model=model, optimization_level=level, compiler=compiler, seed=7
            )

        main(
            {"bqskit": version("bqskit")},
            OPENQASM2Language().decode,
            {f"BQSKit level {level}, {{rzz, u3}}": Variant(compiled, read, in_process=False)},
        )
