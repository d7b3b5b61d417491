"""Circuits are read in whatever form they come, and what is none is refused in words."""

import subprocess
import sys

import cirq
import pytest

from qstore_tf.circuits.circuit import UnifiedCircuit
from qstore_tf.circuits.foreign import is_circuit, read_foreign
from qstore_tf.circuits.observables import PauliSum, parse_observables
from qstore_tf.errors import ConversionError, ObservableError

BELL = UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])


def test_every_form_that_needs_no_extra_is_read():
    for form in (BELL, BELL.to_cirq(), BELL.to_cirq().freeze(), BELL.to_qasm(), BELL.to_json()):
        assert is_circuit(form)
        assert read_foreign(form) == BELL
    assert read_foreign("// a remark\n" + BELL.to_qasm()) == BELL


def test_qiskit_pennylane_and_openqasm_3_are_read():
    qiskit = pytest.importorskip("qiskit")
    qml = pytest.importorskip("pennylane")
    pytest.importorskip("openqasm3.parser")
    circuit = qiskit.QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    text = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; h q[0]; cx q[0], q[1];'
    for form in (circuit, qml.tape.QuantumScript([qml.H(0), qml.CNOT([0, 1])]), text):
        assert read_foreign(form) == BELL


@pytest.mark.parametrize("value", [None, 3, [BELL], object(), "H 0", "", "OPENQASM 1.0;", "{}"])
def test_what_is_no_circuit_is_refused(value):
    with pytest.raises(ConversionError):
        read_foreign(value)


def test_circuits_are_imported_without_an_extra():
    code = (
        "import sys, qstore_tf.circuits, qstore_tf.circuits.foreign\n"
        "import qstore_tf.circuits.qiskit_reading, qstore_tf.circuits.qiskit_writing\n"
        "import qstore_tf.circuits.pennylane_reading, qstore_tf.circuits.qasm3\n"
        "names = {'qiskit', 'pennylane', 'openqasm3'} & set(sys.modules)\n"
        "print(sorted(names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_observable_on_a_named_qubit_says_what_to_write():
    observable = cirq.Z(cirq.NamedQubit("a"))
    with pytest.raises(ObservableError, match=r"NamedQubit\('a'\).*numbered.*'Z0'"):
        parse_observables(observable, 2)
    order = [cirq.NamedQubit("b"), cirq.NamedQubit("a")]
    assert parse_observables(observable, 2, qubit_order=order)[0].max_qubit == 1


@pytest.mark.parametrize("version", ["1", None, 1.5, True, 0])
def test_a_version_that_is_no_number_is_malformed_not_newer(version):
    with pytest.raises(ObservableError, match="malformed"):
        PauliSum.from_dict({"version": version, "terms": []})
