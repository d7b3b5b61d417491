"""Circuits of the set "qis" as text: the entries of the documentation, checked gates, no junk."""

import json
import re

import cirq
import cirq_ionq
import numpy as np
import pytest

from qstore_tf.errors import CircuitError, ConversionError, InputError
from qstore_tf.ionq import job_input
from qstore_tf.ionq.emulator import machines, reading
from qstore_tf.ionq.qis_writing import WORDS, QisGate, QisTemplate
from qstore_tf.testing.daily import daily_seed


def random_template(rng, n_qubits=None, n_gates=10):
    """Gates of every kind; half of the angles are fixed."""
    n_qubits = n_qubits or int(rng.integers(2, 6))
    gates = []
    for _ in range(n_gates):
        word = str(rng.choice([*WORDS]))
        n_targets, turns, (least, most) = WORDS[word]
        qubits = [int(q) for q in rng.permutation(n_qubits)]
        count = int(rng.integers(least, min(most, n_qubits - n_targets) + 1))
        fixed = float(rng.normal()) if turns and rng.random() < 0.5 else None
        targets, controls = qubits[:n_targets], qubits[n_targets:][:count]
        gates.append(QisGate(word, tuple(targets), tuple(controls), fixed))
    return QisTemplate(n_qubits, tuple(gates))


@pytest.mark.parametrize("case", range(20))
def test_the_text_is_that_of_the_document_and_is_read_by_the_local_ionq(case):
    rng = np.random.default_rng([daily_seed(), case])
    template = random_template(rng)
    values = rng.normal(size=(3, template.n_values))
    document = json.loads(template.text(values))
    assert document == template.document(values)
    assert document["circuits"] == [{"circuit": c} for c in template.circuits(values)]
    batch = reading.read(document)
    for row, circuit in zip(values, batch, strict=True):
        wanted, numbers = [], iter(row)
        for gate in template.gates:
            fixed = [] if gate.rotation is None else [gate.rotation]
            wanted += [next(numbers)] if gate.has_value else fixed
        found = [p.constant for op in circuit.operations for p in op.params]
        assert found == pytest.approx(wanted)
        for op, gate in zip(circuit.operations, template.gates, strict=True):
            assert op.qubits == (*gate.controls, *gate.targets)


def test_entries_are_those_of_the_documentation():
    gates = (
        QisGate("h", (0,)),
        QisGate("cnot", (1,), (0,)),
        QisGate("cnot", (0,), (1, 2)),
        QisGate("rx", (0,), (), 1.5708),
        QisGate("swap", (0, 1)),
        QisGate("zz", (1, 2)),
    )
    template = QisTemplate(3, gates)
    assert template.document([[-0.0]]) == {
        "gateset": "qis",
        "qubits": 3,
        "circuits": [
            {
                "circuit": [
                    {"gate": "h", "target": 0},
                    {"gate": "cnot", "target": 1, "control": 0},
                    {"gate": "cnot", "target": 0, "controls": [1, 2]},
                    {"gate": "rx", "target": 0, "rotation": 1.5708},
                    {"gate": "swap", "targets": [0, 1]},
                    {"gate": "zz", "targets": [1, 2], "rotation": 0.0},
                ]
            }
        ],
    }
    assert "-0.0" not in template.text([[-0.0]])
    # A gate on three qubits is billed as six on two.
    assert (template.gates_1q, template.gates_2q) == (2, 1 + 6 + 1 + 1)


def test_cirqs_client_writes_the_same():
    a, b = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(
        cirq.Moment(operation)
        for operation in (
            cirq.H(a), cirq.X(b), cirq.Y(a), cirq.Z(b), cirq.S(a), cirq.T(b), cirq.S(b) ** -1,
            cirq.T(a) ** -1, cirq.X(a) ** 0.5, cirq.X(a) ** -0.5, cirq.rx(0.3)(a),
            cirq.ry(-0.4)(b), cirq.rz(0.5)(a), cirq.CNOT(b, a), cirq.SWAP(a, b),
            cirq.XX(a, b) ** 0.2, cirq.YY(a, b) ** 0.3, cirq.ZZ(a, b) ** -0.4,
        )
    )  # fmt: skip
    theirs = cirq_ionq.Serializer().serialize_single_circuit(circuit).input
    words = [entry["gate"] for entry in theirs["circuit"]]
    gates = []
    for word in words:
        wide = word in ("swap", "xx", "yy", "zz")
        gates.append(QisGate(word, (0, 1) if wide else (0,), (1,) if word == "cnot" else ()))
    template = QisTemplate(2, tuple(gates))
    turns = [entry["rotation"] for entry in theirs["circuit"] if "rotation" in entry]
    (ours,) = template.circuits([turns])
    assert {*words} == {*WORDS}
    for mine, entry in zip(ours, theirs["circuit"], strict=True):
        # One target is `targets` of length one there.
        assert {key.rstrip("s") for key in mine} == {key.rstrip("s") for key in entry}
        assert mine.get("rotation") == entry.get("rotation")
    assert theirs["gateset"] == template.gateset


def test_every_word_is_one_that_machines_name():
    assert {*WORDS} <= {
        *machines.backend_body(machines.MACHINES["simulator"], 0, 0)["supported_gates"]
    }


@pytest.mark.parametrize(
    "gate, message",
    [
        (QisGate("u3", (0,)), "not of IonQ's set 'qis'.*rx.*Received: 'u3'"),
        (QisGate("h", (4,)), "unusable qubits.*0 to 3"),
        (QisGate("h", (0, 1)), "1 targets"),
        (QisGate("x", (0,), (0,)), "different"),
        (QisGate("cnot", (0,)), "1 to 7 controls"),
        (QisGate("swap", (0, 1), (2,)), "0 to 0 controls"),
        (QisGate("h", (0,), (), 0.5), "unusable rotation.*Expected: none"),
        (QisGate("rx", (0,), (), float("nan")), "unusable rotation.*finite"),
    ],
)
def test_gates_that_the_service_does_not_take_are_errors(gate, message):
    with pytest.raises(CircuitError, match=f"(?s)Gate 0.*{message}"):
        QisTemplate(4, (gate,))


def test_more_controls_than_the_service_takes_are_an_error():
    QisTemplate(9, (QisGate("x", (8,), tuple(range(7))),))
    with pytest.raises(CircuitError, match="0 to 7 controls"):
        QisTemplate(9, (QisGate("x", (8,), tuple(range(8))),))


def test_numbers_that_are_no_angles_are_errors(monkeypatch):
    template = QisTemplate(2, (QisGate("h", (0,)), QisGate("rx", (1,)), QisGate("ry", (0,))))
    with pytest.raises(ConversionError, match="Circuit 1, gate 2, ry.*finite.*inf"):
        template.check([[0, 1], [2, np.inf]])
    for wrong in ([[0.5]], [0.5, 0.5], [[1j, 0]], [["a", "b"]], [[0], [0, 1]]):
        with pytest.raises(InputError, match=re.escape("shape [B, 2]")):
            template.check(wrong)
    with pytest.raises(ConversionError, match="empty"):
        template.text(np.zeros((0, 2)))
    monkeypatch.setattr(job_input, "MAX_GATES", 5)
    with pytest.raises(ConversionError, match="too many gates.*at most 5.*6"):
        template.text(np.zeros((2, 2)))
