"""A circuit as a circuit of native gates, for `UnifiedCircuit.to_ionq_native`."""

from __future__ import annotations

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import CircuitError, describe
from qstore_tf.ionq.compiling import compile
from qstore_tf.ionq.targets import Target


def to_ionq_native(
    circuit: Circuit,
    target: str | Target = "forte-1",
    *,
    optimization_level: int = 3,
    entangler: str | None = None,
    max_partial: float = 0.25,
    approximation: float = 0.0,
    search: bool = False,
) -> UnifiedCircuit:
    """Returns a circuit in the native gates of an IonQ machine: GPi, GPi2, and ZZ or MS.

    It equals the circuit up to a global phase, a turn of each wire about Z at the end, which no
    measurement in Z sees, and a permutation of the wires: a SWAP is no gate but a change of names.
    `compile` with the same arguments has the rest: `output_permutation` is for each qubit the wire
    on which it ends, and `bind().frames` are the turns.

    Args:
        circuit: The circuit, without symbols. Measurement markers are dropped.
        target: As in `compile`.
        optimization_level: As in `compile`.
        entangler: As in `compile`.
        max_partial: As in `compile`, in turns.
        approximation: As in `compile`, an infidelity.
        search: As in `compile`.

    Returns:
        The native circuit, on wires; its parameters are numbers in turns.

    Raises:
        CircuitError: The circuit has symbols (they are named), a gate that cannot be compiled, or
            more qubits than the target.
        ConfigurationError: An option makes no sense.

    Example:
        >>> circuit = UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
        >>> to_ionq_native(circuit).count_gates()
        {'GPi2': 3, 'ZZ': 1}
        >>> swapped = circuit.add_gate("SWAP", [0, 1])
        >>> to_ionq_native(swapped).count_gates(), compile(swapped).output_permutation
        ({'GPi2': 3, 'ZZ': 1}, (1, 0))
    """
    if circuit.parameters:
        raise CircuitError(
            describe(
                "The circuit has symbols without values",
                expected="numbers",
                received=list(circuit.parameters),
                hint="Bind them, as in circuit.bind({'x': 0.1}), or keep them with "
                "qstore_tf.ionq.compile(circuit), which binds whole batches",
            )
        )
    compiled = compile(
        circuit,
        target,
        optimization_level=optimization_level,
        entangler=entangler,
        max_partial=max_partial,
        approximation=approximation,
        search=search,
    )
    return UnifiedCircuit.of(compiled.native())
