"""Circuits are read in whatever form they come, and what is none is refused in words."""

import subprocess
import sys

import cirq
import numpy as np
import pytest

from qstore_tf.circuits.observables import PauliSum, parse_observables
from qstore_tf.circuits.reading import is_circuit, qubit_labels, read_circuit
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConversionError, ObservableError
from qstore_tf.layers import ExpectationValue, QuantumLayer
from qstore_tf.testing.daily import daily_seed

BELL = UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])


def test_every_form_that_needs_no_extra_is_read():
    for form in (BELL, BELL.to_cirq(), BELL.to_cirq().freeze(), BELL.to_qasm(), BELL.to_json()):
        assert is_circuit(form)
        assert read_circuit(form) == BELL
    assert read_circuit("// a remark\n" + BELL.to_qasm()) == BELL


def test_qiskit_pennylane_and_openqasm_3_are_read():
    qiskit = pytest.importorskip("qiskit")
    qml = pytest.importorskip("pennylane")
    pytest.importorskip("openqasm3.parser")
    circuit = qiskit.QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    text = 'OPENQASM 3.0; include "stdgates.inc"; qubit[2] q; h q[0]; cx q[0], q[1];'
    for form in (circuit, qml.tape.QuantumScript([qml.H(0), qml.CNOT([0, 1])]), text):
        assert read_circuit(form) == BELL


@pytest.mark.parametrize("value", [None, 3, [BELL], object(), "H 0", "", "OPENQASM 1.0;", "{}"])
def test_what_is_no_circuit_is_refused(value):
    with pytest.raises(ConversionError):
        read_circuit(value)


@pytest.mark.slow
def test_circuits_are_imported_without_an_extra():
    code = (
        "import sys, qstore_tf.circuits, qstore_tf.circuits.reading\n"
        "from qstore_tf.circuits.formats.qiskit import reading, writing\n"
        "from qstore_tf.circuits.formats.pennylane import reading\n"
        "from qstore_tf.circuits.formats.qasm3 import reading\n"
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


# --- observables


def random_words(rng, n_qubits):
    """Pauli words, some of them with identities, and their coefficients."""
    words = {"".join(rng.choice(list("IXYZ"), n_qubits)) for _ in range(rng.integers(1, 6))}
    return {word: float(rng.normal()) for word in sorted(words)}


def read_beside(circuit, observable):
    """The matrices of an observable, read for a layer with a circuit and for one behind others."""
    layer = QuantumLayer(circuit=circuit, observables=[observable])
    (config,) = layer.get_config()["observables"]
    return PauliSum.from_dict(config).matrix(layer.circuit.n_qubits)


def in_pennylane(qml, words, wires):
    """The same sum of Paulis in one of the forms that PennyLane has for it."""

    def product(word):
        factors = [getattr(qml, p)(w) for p, w in zip(word, wires, strict=True) if p != "I"]
        return qml.prod(*factors) if factors else qml.Identity(wires[0])

    products = {word: product(word) for word in words}
    total = qml.sum(*(qml.s_prod(c, products[word]) for word, c in words.items()))
    hamiltonian = qml.Hamiltonian(list(words.values()), list(products.values()))
    return [total, hamiltonian, hamiltonian.pauli_rep, 0.5 * (total + hamiltonian)]


@pytest.mark.parametrize("seed", range(4))
def test_observables_of_pennylane_are_on_the_wires_of_the_circuit_or_as_numbered(seed):
    qml = pytest.importorskip("pennylane", reason="needs the extra 'pennylane'")
    rng = np.random.default_rng([daily_seed(), seed])
    n = int(rng.integers(1, 5))
    labels = [list(range(n)), list("abcd")[:n], ["b", 7, "a", 0][:n], [5, 3, 8, 1][:n]][seed]
    order = [labels[k] for k in rng.permutation(n)]
    tape = qml.tape.QuantumScript([qml.H(wire) for wire in order])
    wires = qubit_labels(tape)
    words = random_words(rng, n)
    for observable in in_pennylane(qml, words, order):
        expected = qml.matrix(observable, wire_order=wires)
        np.testing.assert_allclose(read_beside(tape, observable), expected, atol=1e-12)
        (alone,) = parse_observables(observable, n, qubit_order=wires)
        np.testing.assert_allclose(alone.matrix(n), expected, atol=1e-12)
    # Beside a circuit that has no labels, and where no circuit is known, wire q is qubit q.
    numbers = [int(k) for k in rng.permutation(n)]
    for observable in in_pennylane(qml, words, numbers):
        expected = qml.matrix(observable, wire_order=range(n))
        for circuit in (
            UnifiedCircuit(n),
            cirq.Circuit(cirq.H(q) for q in cirq.GridQubit.rect(1, n)),
        ):
            np.testing.assert_allclose(read_beside(circuit, observable), expected, atol=1e-12)
        (config,) = ExpectationValue(observables=observable).get_config()["observables"]
        np.testing.assert_allclose(PauliSum.from_dict(config).matrix(n), expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_observables_of_qiskit_have_qubit_0_in_the_last_letter(seed):
    qiskit = pytest.importorskip("qiskit", reason="needs the extra 'qiskit'")
    info = qiskit.quantum_info
    rng = np.random.default_rng([daily_seed(), seed])
    n = int(rng.integers(1, 5))
    words = random_words(rng, n)
    whole = info.SparsePauliOp(list(words), list(words.values()))
    sign = -1 if rng.integers(2) else 1
    single = info.Pauli(("-" if sign < 0 else "") + next(iter(words)))
    for observable in (whole, single, info.SparseObservable.from_sparse_pauli_op(whole)):
        matrix = single if observable is single else whole
        # Its qubits reversed, so that qubit 0 is the most significant bit.
        expected = info.Operator(matrix).reverse_qargs().data
        np.testing.assert_allclose(
            read_beside(qiskit.QuantumCircuit(n), observable), expected, atol=1e-12
        )
        (config,) = ExpectationValue(observables=[observable]).get_config()["observables"]
        np.testing.assert_allclose(PauliSum.from_dict(config).matrix(n), expected, atol=1e-12)
    several = info.PauliList(list(words))
    assert len(parse_observables(several, n)) == len(words)
    assert len(ExpectationValue(several).get_config()["observables"]) == len(words)


@pytest.mark.parametrize("seed", range(4))
def test_observables_of_cirq_are_on_the_qubits_of_the_circuit(seed):
    rng = np.random.default_rng([daily_seed(), seed])
    n = int(rng.integers(1, 5))
    kinds = [cirq.GridQubit.rect(1, n), cirq.LineQubit.range(3, 3 + n)]
    qubits = [*kinds, cirq.NamedQubit.range(n, prefix="q"), cirq.LineQubit.range(n)][seed]
    circuit = cirq.Circuit(cirq.H(qubits[k]) for k in rng.permutation(n))
    words = random_words(rng, n)
    total = sum(c * cirq.DensePauliString(word).on(*qubits) for word, c in words.items())
    expected = (cirq.PauliSum() + total).matrix(qubits)
    np.testing.assert_allclose(read_beside(circuit, total), expected, atol=1e-12)
    # Shorter than the circuit: the k-th letter is for qubit k.
    dense = cirq.DensePauliString("Z")
    expected = cirq.Z(qubits[0]).with_qubits(qubits[0])
    expected = cirq.PauliSum.from_pauli_strings(expected).matrix(qubits)
    np.testing.assert_allclose(read_beside(circuit, dense), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("library", "make", "message"),
    [
        ("cirq", lambda cirq: cirq.Z(cirq.GridQubit(0, 1)), r"GridQubit\(0, 1\).*LineQubit\(1\)"),
        ("cirq", lambda cirq: cirq.Z(cirq.LineQubit(-1)), "LineQubit"),
        ("cirq", lambda cirq: cirq.H, "Cirq, PennyLane or Qiskit"),
        ("pennylane", lambda qml: qml.Z("a"), "wire 'a'.*only numbered qubits.*wire q is qubit q"),
        ("pennylane", lambda qml: qml.Z(-1), "wire -1"),
        ("pennylane", lambda qml: qml.X(0) @ qml.Y(0), "bad coefficient"),
        ("pennylane", lambda qml: qml.Hadamard(0), "Cirq, PennyLane or Qiskit"),
        ("pennylane", lambda qml: qml.expval(qml.Z(0)), "Cirq, PennyLane or Qiskit"),
        ("pennylane", lambda qml: qml.Z, "Cirq, PennyLane or Qiskit"),
        ("qiskit.quantum_info", lambda info: info.Pauli("iX"), "bad coefficient"),
        ("qiskit.quantum_info", lambda info: info.Operator([[1, 0], [0, 1]]), "or Qiskit"),
        ("qiskit.quantum_info", lambda info: info.SparsePauliOp, "or Qiskit"),
        (
            "qiskit.quantum_info",
            lambda info: info.SparseObservable("0" * 60),
            r"holds projectors.*as_paulis\(\)",
        ),
    ],
)
def test_observables_that_cannot_be_read_say_why(library, make, message):
    observable = make(pytest.importorskip(library))
    for read in (
        lambda: ExpectationValue(observables=[observable]),
        lambda: ExpectationValue(observables=observable),
        lambda: QuantumLayer(n_qubits=2, observables=[observable]),
        lambda: parse_observables(observable, 2),
    ):
        with pytest.raises(ObservableError, match=message) as caught:
            read()
        assert "65535" not in str(caught.value)


def test_a_label_that_the_circuit_lacks_is_named_with_those_it_has():
    qml = pytest.importorskip("pennylane", reason="needs the extra 'pennylane'")
    tape = qml.tape.QuantumScript([qml.CNOT(["b", "a"])])
    with pytest.raises(ObservableError, match="'c'.*one of 'b', 'a'"):
        QuantumLayer(circuit=tape, observables=qml.Z("c"))
    with pytest.raises(ObservableError, match="qubit 2, which is not there"):
        QuantumLayer(circuit=UnifiedCircuit(2), observables=qml.Z(2))
