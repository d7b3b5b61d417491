"""`UnifiedCircuit.to_ionq_native`, and circuits of Qiskit through the compiler."""

import subprocess
import sys

import numpy as np
import pytest

from qstore_tf.circuits import Circuit, UnifiedCircuit
from qstore_tf.circuits.formats import registry
from qstore_tf.errors import CircuitError, ConfigurationError, ConversionError
from qstore_tf.ionq import Compiled, compile


def as_given(compiled: Compiled, native: UnifiedCircuit) -> np.ndarray:
    """The unitary of a native circuit after what the compiler declares, qubits in their order."""
    n = native.n_qubits
    turned = UnifiedCircuit.of(native)
    for wire, angle in enumerate(compiled.bind().frames[0]):
        turned.add_gate("RZ", wire, float(angle))
    tensor = turned.unitary().reshape((2,) * n + (2**n,))
    return tensor.transpose(*compiled.output_permutation, n).reshape(2**n, 2**n)


def assert_same_unitary(first: np.ndarray, second: np.ndarray) -> None:
    overlap = np.vdot(first, second)
    np.testing.assert_allclose(first * (overlap / abs(overlap)), second, atol=1e-9)


def example() -> UnifiedCircuit:
    circuit = UnifiedCircuit(3).add_gate("H", 0).add_gate("CX", [0, 1]).add_gate("RY", 2, 0.7)
    circuit.add_gate("RZZ", [0, 2], 0.4).add_gate("SWAP", [0, 2]).add_gate("RZ", 0, 0.3)
    return circuit.add_gate("CX", [2, 1]).add_gate("SWAP", [0, 1]).add_gate("T", 2)


@pytest.mark.parametrize("target", ["forte-1", "aria-1"])
@pytest.mark.parametrize("level", range(4))
def test_the_native_circuit_is_the_same_up_to_what_is_declared(target: str, level: int) -> None:
    circuit = example()
    native = circuit.to_ionq_native(target, optimization_level=level)
    assert type(native) is UnifiedCircuit
    assert set(native.count_gates()) <= {"GPi", "GPi2", "ZZ", "MS"}
    compiled = compile(circuit, target, optimization_level=level)
    assert_same_unitary(as_given(compiled, native), circuit.unitary())


def test_options_reach_the_compiler() -> None:
    circuit = UnifiedCircuit(2).add_gate("H", 0).add_gate("RZZ", [0, 1], 0.3).add_gate("H", 0)
    assert "MS" in circuit.to_ionq_native("simulator", entangler="MS").count_gates()
    full = circuit.to_ionq_native(max_partial=0)
    angles = [op.params[0].constant for op in full.operations if op.gate == "ZZ"]
    assert angles and all(abs(angle) == pytest.approx(0.25) for angle in angles)
    assert "ZZ" not in circuit.to_ionq_native(approximation=0.5).count_gates()
    with pytest.raises(ConfigurationError, match="Did you mean 'forte-1'"):
        circuit.to_ionq_native("forte1")


def test_symbols_are_named_and_can_be_bound() -> None:
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "angle").add_gate("RZ", 0, "other")
    with pytest.raises(CircuitError, match="'angle', 'other'.*bind"):
        circuit.to_ionq_native()
    assert circuit.bind({"angle": 0.1, "other": 0.2}).to_ionq_native().count_gates()


def test_it_works_without_an_import_of_ionq_and_of_tensorflow() -> None:
    code = """
import sys
sys.argv[0] = "qstore"
from qstore_tf.circuits import UnifiedCircuit
assert "qstore_tf.ionq" not in sys.modules
print(UnifiedCircuit(1).add_gate("H", 0).to_ionq_native())
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "GPi2" in done.stdout


def test_formats_are_found_by_name() -> None:
    for name in registry.WRITERS:
        assert isinstance(registry.writer(name)(Circuit(1).add_gate("H", 0)), Circuit)
    with pytest.raises(ConversionError, match="Did you mean 'ionq_native'"):
        registry.writer("ionq_natve")


@pytest.mark.parametrize("target", ["forte-1", "aria-1"])
def test_circuits_of_qiskit_are_compiled(target: str) -> None:
    qiskit = pytest.importorskip("qiskit")
    from qiskit.quantum_info import Operator

    given = qiskit.QuantumCircuit(3)
    given.h(0)
    given.cp(0.7, 0, 1)
    given.rzz(0.3, 1, 2)
    given.swap(0, 2)
    given.ccx(0, 1, 2)
    given.u(0.1, 0.2, 0.3, 1)
    circuit = UnifiedCircuit.from_qiskit(given)
    compiled = compile(circuit, target)
    found = as_given(compiled, UnifiedCircuit.of(compiled.native()))
    # In Qiskit qubit 0 is the least significant bit, here the most significant one.
    assert_same_unitary(found, Operator(given).reverse_qargs().data)


def test_parameters_of_qiskit_stay_symbols() -> None:
    qiskit = pytest.importorskip("qiskit")
    from qiskit.circuit import Parameter

    theta = Parameter("theta")
    given = qiskit.QuantumCircuit(2)
    given.ry(theta, 0)
    given.cx(0, 1)
    compiled = compile(UnifiedCircuit.from_qiskit(given), "forte-1")
    assert compiled.symbols == ("theta",)
    assert compiled.bind([[0.1], [0.2], [0.3]]).columns.shape[0] == 3
