"""Circuits in IonQ's JSON as its clients write them: read as what they mean, or refused by name."""

import copy
import json
import math
import random

import cirq
import cirq_ionq
import numpy as np
import pytest

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.gates.matrices import controlled, pauli_product
from qstore_tf.circuits.reference import unitary
from qstore_tf.errors import ConversionError, QstoreError
from qstore_tf.ionq.emulator import rows
from qstore_tf.ionq.emulator.reading import read
from qstore_tf.ionq.reading import from_native_batch
from qstore_tf.ionq.writing import PARAMETERS, SIGNED, NativeTemplate
from qstore_tf.testing.daily import daily_seed


def qis(*gates, qubits=3):
    return {"gateset": "qis", "qubits": qubits, "circuit": list(gates)}


def apart(one, other):
    """How far two unitaries are apart, up to a global phase."""
    phase = np.vdot(one, other)
    return np.abs(one * (phase / abs(phase)) - other).max()


# What cirq-ionq writes for Cirq's own gates.
def random_cirq(rng, n_qubits=4, n_gates=15):
    qubits = cirq.LineQubit.range(n_qubits)
    one = [cirq.X, cirq.Y, cirq.Z, cirq.H, cirq.S, cirq.T, cirq.X**0.5, cirq.X**-0.5, cirq.S**-1]
    turned = [cirq.rx, cirq.ry, cirq.rz]
    two = [cirq.CNOT, cirq.SWAP]
    parity = [cirq.XXPowGate, cirq.YYPowGate, cirq.ZZPowGate]
    circuit = cirq.Circuit(cirq.rx(0.1)(qubits[-1]))  # so that no qubit is left out
    circuit.append(cirq.X(qubits[k]) for k in range(n_qubits))
    for _ in range(n_gates):
        a, b, c = (qubits[int(k)] for k in rng.permutation(n_qubits)[:3])
        angle = float(rng.uniform(-7, 7))
        kind = rng.integers(5)
        if kind == 0:
            circuit.append(one[rng.integers(len(one))](a))
        elif kind == 1:
            circuit.append(turned[rng.integers(3)](angle)(a))
        elif kind == 2:
            circuit.append(two[rng.integers(2)](a, b))
        elif kind == 3:
            circuit.append(parity[rng.integers(3)](exponent=angle)(a, b))
        else:
            letters = rng.choice(list("XYZ"), 3)
            string = cirq.DensePauliString("".join(letters))
            exponent = float(rng.uniform(0.0, 0.9))
            gate = cirq.PauliStringPhasorGate(
                string, exponent_neg=exponent, exponent_pos=-0.1 * exponent
            )
            circuit.append(gate(a, b, c))
    return circuit


@pytest.mark.parametrize("case", range(20))
def test_what_cirq_ionq_writes_is_read_as_what_cirq_means(case):
    circuit = random_cirq(np.random.default_rng([daily_seed(), 1, case]))
    sent = json.loads(json.dumps(cirq_ionq.Serializer().serialize_single_circuit(circuit).input))
    assert apart(unitary(read(sent)[0]), cirq.unitary(circuit)) < 1e-7


@pytest.mark.parametrize("word", ["x", "y", "z", "h", "s", "si", "t", "ti", "v", "vi", "not"])
@pytest.mark.parametrize("where", [{"target": 1}, {"targets": [1]}])
def test_gates_without_numbers(word, where):
    meant = GATES["X"] if word == "not" else next(g for g in GATES.values() if g.ionq == word)
    found = unitary(read(qis({"gate": word, **where}, qubits=2))[0])
    assert apart(found, np.kron(np.eye(2), meant.matrix())) < 1e-12


@pytest.mark.parametrize("word", ["rx", "ry", "rz"])
def test_rotations_are_in_radians(word):
    gate = {"gate": word, "targets": [0], "rotation": 0.7}
    meant = {"rx": cirq.rx, "ry": cirq.ry, "rz": cirq.rz}[word](0.7)
    assert apart(unitary(read(qis(gate, qubits=1))[0]), cirq.unitary(meant)) < 1e-12


@pytest.mark.parametrize(
    ("gate", "matrix"),
    [
        ({"gate": "cnot", "control": 0, "target": 1}, controlled(pauli_product("X"), 1)),
        ({"gate": "x", "targets": [1], "controls": [0]}, controlled(pauli_product("X"), 1)),
        ({"gate": "x", "targets": [2], "controls": [0, 1]}, controlled(pauli_product("X"), 2)),
        ({"gate": "z", "target": 2, "controls": [1, 0]}, controlled(pauli_product("Z"), 2)),
        (
            {"gate": "ry", "target": 1, "control": 0, "rotation": 0.3},
            controlled(cirq.unitary(cirq.ry(0.3)), 1),
        ),
        ({"gate": "z", "targets": [0], "rotation": 0.3}, np.diag([1, np.exp(0.3j)])),
        (
            {"gate": "z", "targets": [1], "controls": [0], "rotation": 0.3},
            np.diag([1, 1, 1, np.exp(0.3j)]),
        ),
        (
            {"gate": "swap", "targets": [1, 2], "controls": [0]},
            controlled(cirq.unitary(cirq.SWAP), 1),
        ),
        (
            {"gate": "zz", "targets": [1, 2], "controls": [0], "rotation": 0.3},
            controlled(cirq.unitary(cirq.ZZPowGate(exponent=0.3 / math.pi, global_shift=-0.5)), 1),
        ),
    ],
)
def test_controls(gate, matrix):
    n_qubits = round(math.log2(len(matrix)))
    assert apart(unitary(read(qis(gate, qubits=n_qubits))[0]), matrix) < 1e-12


@pytest.mark.parametrize("case", range(10))
@pytest.mark.parametrize("n_terms", [1, 2, 4])
def test_pauliexp_is_the_exponential_with_the_last_letter_on_the_first_target(case, n_terms):
    rng = np.random.default_rng([daily_seed(), 2, case, n_terms])
    n_qubits = int(rng.integers(2, 5))
    targets = [int(q) for q in rng.permutation(n_qubits)]
    terms = ["".join(rng.choice(list("IXYZ"), n_qubits)) for _ in range(n_terms)]
    numbers = rng.normal(size=n_terms).tolist()
    gate = {"gate": "pauliexp", "targets": targets, "terms": terms}
    found = read(qis({**gate, "coefficients": numbers, "time": 0.8}, qubits=n_qubits))[0]
    generator = np.zeros((2**n_qubits, 2**n_qubits), dtype=complex)
    for term, number in zip(terms, numbers, strict=True):
        letters = dict(zip(targets, reversed(term), strict=True))
        generator += number * pauli_product("".join(letters[q] for q in range(n_qubits)))
    energies, vectors = np.linalg.eigh(generator)
    meant = vectors * np.exp(-0.8j * energies) @ vectors.conj().T
    assert apart(unitary(found) if len(found) else np.eye(2**n_qubits), meant) < 1e-9


GOOD = {"gate": "h", "target": 0}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "no object"),
        ({}, "no circuit"),
        ({"circuit": [], "circuits": []}, "no circuit, or two"),
        ({"qubits": 1, "circuit": [], "extra": 1}, "unknown fields"),
        ({"circuit": [GOOD]}, "number of qubits"),
        ({"qubits": True, "circuit": [GOOD]}, "number of qubits"),
        ({"qubits": 10**9, "circuit": [GOOD]}, "number of qubits"),
        ({"qubits": 1, "gateset": "other", "circuit": []}, "unknown gate set"),
        ({"qubits": 1, "circuit": {}}, "'circuit'"),
        ({"qubits": 1, "circuits": []}, "a list of 1 to 5000"),
        ({"qubits": 1, "circuits": [{"circuit": [GOOD]}, 3]}, "Circuit 1 is no circuit"),
        ({"qubits": 1, "circuits": [{"circuit": [], "name": 3}]}, "Circuit 0 has an unusable 'na"),
        ({"qubits": 1, "circuits": [{"circuit": [], "registers": 3}]}, "Circuit 0 has an unusable"),
        ({"qubits": 1, "circuits": [{"circuit": [GOOD]}, {"circuit": [7]}]}, "Circuit 1, gate 0"),
        ({"qubits": 1, "circuit": [GOOD] * 150_001}, "too many gates"),
        (qis(GOOD, {"gate": "w", "target": 0}), "Gate 1 is no gate of the set 'qis'"),
        (qis({"gate": "gpi", "target": 0, "phase": 0.1}), "Gate 0 is no gate of the set 'qis'"),
        (qis({"gate": ["h"], "target": 0}), "Gate 0 is no gate of the set 'qis'"),
        (qis({"gate": "h"}), "Gate 0, h, has a wrong number of targets"),
        (qis({"gate": "h", "targets": [0, 1]}), "Gate 0, h, has a wrong number of targets"),
        (qis({"gate": "h", "target": 0, "targets": [0]}), "'target' and 'targets'"),
        (qis({"gate": "h", "target": 3}), "Gate 0, h, is on a qubit that is not there"),
        (qis({"gate": "h", "target": True}), "Gate 0, h, is on a qubit that is not there"),
        (qis({"gate": "h", "targets": "0"}), "unusable 'targets'"),
        (qis({"gate": "h", "target": 0, "rotation": 1}), "unknown fields"),
        (qis({"gate": "rx", "target": 0}), "Gate 0, rx, has no 'rotation'"),
        (qis({"gate": "rx", "target": 0, "rotation": "1"}), "unusable rotation"),
        (qis({"gate": "rx", "target": 0, "rotation": float("nan")}), "unusable rotation"),
        (qis({"gate": "rx", "target": 0, "rotation": 10**400}), "unusable rotation"),
        (qis({"gate": "cnot", "target": 0}), "Gate 0, cnot, has no control"),
        (qis({"gate": "cnot", "target": 0, "control": 0}), "on a qubit twice"),
        (qis({"gate": "swap", "targets": [0, 0]}), "on a qubit twice"),
        (qis({"gate": "pauliexp", "targets": [0]}), "unusable 'terms'"),
        (
            qis({"gate": "pauliexp", "targets": [0], "terms": ["XX"], "coefficients": [1]}),
            "1 letters of I, X, Y, Z",
        ),
        (
            qis({"gate": "pauliexp", "targets": [0], "terms": ["X"], "coefficients": []}),
            "unusable 'coefficients'",
        ),
        (
            qis(
                {
                    "gate": "pauliexp",
                    "targets": [0],
                    "terms": ["X"],
                    "coefficients": [1],
                    "time": -1,
                }
            ),
            "negative time",
        ),
        (
            qis(
                {
                    "gate": "pauliexp",
                    "targets": list(range(6)),
                    "terms": ["XIIIII", "ZIIIII"],
                    "coefficients": [1, 1],
                    "time": 1,
                },
                qubits=6,
            ),
            "do not commute",
        ),
        (
            {
                "gateset": "native",
                "qubits": 2,
                "circuits": [
                    {"circuit": [{"gate": "zz", "targets": [0, 1], "angle": 0.1}]},
                    {"circuit": [{"gate": "zz", "targets": [0, 1], "angle": 0.7}]},
                ],
            },
            "Circuit 1: Gate 0, zz, has an unusable angle",
        ),
    ],
)
def test_faults_are_named_with_their_place(document, said):
    with pytest.raises(ConversionError) as caught:
        read(document)
    assert said in str(caught.value)


def native_batch(rng, n_circuits, n_gates=12, n_qubits=3):
    """Native circuits of one structure, as JSON."""
    gates = []
    for _ in range(n_gates):
        name = str(rng.choice(list(PARAMETERS)))
        size = GATES[name].n_qubits
        gates.append((name, tuple(int(q) for q in rng.permutation(n_qubits)[:size])))
    template = NativeTemplate(n_qubits, tuple(gates), signed_zz=True)
    slots = [
        SIGNED if name == "ZZ" else allowed for name, _ in gates for _, allowed in PARAMETERS[name]
    ]
    low, high = np.array([(slot.low, slot.high) for slot in slots]).T
    return json.loads(template.text(rng.uniform(low, high, size=(n_circuits, len(slots)))))


def test_circuits_of_one_structure_are_read_at_once_and_as_one_by_one():
    rng = np.random.default_rng([daily_seed(), 3])
    first, second = native_batch(rng, 4), native_batch(rng, 5, n_gates=9)
    circuits = first["circuits"] + second["circuits"] + first["circuits"]
    # What a client may also write: whole numbers, and the other name of an angle.
    for part in circuits[4:9]:
        for gate in part["circuit"]:
            if gate["gate"] == "zz":
                gate["phase"] = gate.pop("angle")
            elif "phase" in gate:
                gate["phase"] = round(gate["phase"])
    document = {"gateset": "native", "qubits": 3, "circuits": circuits}
    batch = read(document)
    assert [group.positions.tolist() for group in batch.groups] == [
        [0, 1, 2, 3, 9, 10, 11, 12],
        [4, 5, 6, 7, 8],
    ]
    assert list(batch) == from_native_batch(document)
    assert batch.gate_counts.sum(axis=1).tolist() == [12] * 4 + [9] * 5 + [12] * 4


@pytest.mark.parametrize(
    "change",
    [
        lambda gates: gates.reverse(),
        lambda gates: gates[0].update(target=2),
        lambda gates: gates[1].update(gate="gpi2"),
        lambda gates: gates[1].pop("angle"),  # of ms, which has a default
        lambda gates: gates.append({"gate": "nop", "target": 0}),
    ],
)
def test_a_circuit_unlike_its_neighbours_is_read_as_it_is(change):
    gates = [
        {"gate": "gpi", "target": 0, "phase": 0.1},
        {"gate": "ms", "targets": [0, 1], "phases": [0.1, 0.2], "angle": 0.25},
        {"gate": "gpi2", "target": 1, "phase": 0.3},
    ]
    circuits = [{"circuit": copy.deepcopy(gates)} for _ in range(3)]
    try:
        change(circuits[1]["circuit"])
        document = {"gateset": "native", "qubits": 3, "circuits": circuits}
        assert list(read(document)) == from_native_batch(document)
    except ConversionError as error:
        assert "ircuit 1" in str(error)


@pytest.mark.parametrize("bad", [True, "0.1", None, [0.1], 1.5, float("nan"), 10**400, {}])
@pytest.mark.parametrize("gateset", ["native", "qis"])
def test_a_bad_number_among_good_ones_is_found(bad, gateset):
    word, field = ("gpi", "phase") if gateset == "native" else ("rx", "rotation")
    good = [{"gate": word, "target": 0, field: 0.25 * k} for k in range(4)]
    circuits = [{"circuit": [gate]} for gate in good]
    circuits[2]["circuit"][0][field] = bad
    document = {"gateset": gateset, "qubits": 1, "circuits": circuits}
    if gateset == "qis" and bad == 1.5:
        assert read(document).n_circuits == 4
        return
    with pytest.raises(ConversionError, match="Circuit 2"):
        read(document)


@pytest.mark.parametrize("same", [True, 1.0, "1", [1]])
def test_qubits_that_only_look_equal_are_refused(same):
    gates = [[{"gate": "x", "targets": [1]}], [{"gate": "x", "targets": [same]}]]
    document = {"qubits": 2, "circuits": [{"circuit": entries} for entries in gates]}
    with pytest.raises(ConversionError, match="Circuit 1"):
        read(document)


def test_names_registers_and_sizes_of_each_circuit_are_kept():
    parts = [
        {"circuit": [GOOD], "name": "a", "qubits": 2},
        {"circuit": [GOOD], "registers": {"c": [0]}},
        {"circuit": [{"gate": "gpi", "target": 0, "phase": 0}], "gateset": "native"},
    ]
    batch = read({"qubits": 3, "circuits": parts})
    assert batch.names == ("a", None, None)
    assert batch.registers == (None, {"c": [0]}, None)
    assert [circuit.n_qubits for circuit in batch] == [2, 3, 3]
    assert [group.native for group in batch.groups] == [False, False, True]


def test_gates_on_many_qubits_count_as_several():
    batch = read(
        qis(
            GOOD,
            {"gate": "x", "target": 3, "controls": [0, 1, 2]},
            {"gate": "cnot", "target": 3, "control": 0},
            qubits=4,
        )
    )
    assert batch.gate_counts.tolist() == [[1, 13]]


def test_whatever_is_in_the_document_only_errors_of_ours_come_out():
    rng = random.Random(daily_seed())
    pool = [None, True, -1, 0, 1, 2, 10**30, 0.5, float("nan"), float("inf"), "", "h", "zz", [], {}]
    pool += [[0], [0, 1], [[[]]], {"gate": "h"}, "XY", ["XY"], GOOD, [GOOD]]
    start = {
        "gateset": "qis",
        "qubits": 2,
        "circuits": [
            {
                "circuit": [
                    {"gate": "rx", "target": 0, "rotation": 0.1},
                    {"gate": "cnot", "control": 0, "target": 1},
                    {
                        "gate": "pauliexp",
                        "targets": [0, 1],
                        "terms": ["XY"],
                        "coefficients": [1.0],
                        "time": 1.0,
                    },
                ]
            }
            for _ in range(3)
        ],
    }
    refused = 0
    for _ in range(2000):
        document = copy.deepcopy(start)
        for _ in range(rng.randint(1, 2)):
            spot = document
            while True:
                keys = list(spot) if isinstance(spot, dict) else list(range(len(spot)))
                if not keys:
                    break
                key = rng.choice(keys)
                if isinstance(spot[key], dict | list) and rng.random() < 0.8:
                    spot = spot[key]
                    continue
                spot[key] = rng.choice(pool)
                break
        try:
            read(document)
        except QstoreError:
            refused += 1
    assert refused > 1000


def test_the_fast_way_is_taken(monkeypatch):
    """Only the first circuit is read by itself."""
    document = native_batch(np.random.default_rng([daily_seed(), 4]), 50)
    read_ones = []
    real = rows.read_alike

    def counted(heads, circuits, read_one):
        def counting(*arguments):
            read_ones.append(arguments)
            return read_one(*arguments)

        return real(heads, circuits, counting)

    monkeypatch.setattr(rows, "read_alike", counted)
    assert len(read(document)) == 50
    assert len(read_ones) == 1


def test_a_batch_is_a_sequence():
    circuits = [Circuit(1).add_gate("RX", 0, 0.1 * k) for k in range(4)]
    batch = read(
        {
            "qubits": 1,
            "circuits": [
                {"circuit": [{"gate": "rx", "target": 0, "rotation": 0.1 * k}]} for k in range(4)
            ],
        }
    )
    assert list(batch) == circuits
    assert batch[1:3] == circuits[1:3]
    assert batch[-1] == circuits[3]
    with pytest.raises(IndexError):
        batch[4]
