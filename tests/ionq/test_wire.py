"""Native circuits on the wire: what is written reads back as the same unitary; junk is an error."""

import copy
import dataclasses
import json
import math
import random

import cirq
import cirq_ionq
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.reference import unitary
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import CircuitError, ConfigurationError, ConversionError, InputError
from qstore_tf.ionq import job_input
from qstore_tf.ionq.reading import from_native, from_native_batch
from qstore_tf.ionq.targets import lookup
from qstore_tf.ionq.wire import NativeTemplate, encode, to_native, to_native_batch
from qstore_tf.ionq.writing import PARAMETERS, SIGNED
from qstore_tf.testing.daily import daily_seed

SEEDS = st.integers(0, 2**32 - 1)


def native_circuit(seed, n_qubits=None, n_gates=12, signed_zz=False, gates=tuple(PARAMETERS)):
    """Random native gates; one number in five is an end of its range."""
    rng = np.random.default_rng(seed)
    n_qubits = n_qubits or int(rng.integers(1, 5))
    names = [name for name in gates if GATES[name].n_qubits <= n_qubits]
    circuit = UnifiedCircuit(n_qubits)
    for _ in range(n_gates):
        name = str(rng.choice(names))
        qubits = [int(q) for q in rng.permutation(n_qubits)[: GATES[name].n_qubits]]
        numbers = []
        for _, allowed in PARAMETERS[name]:
            if name == "ZZ" and signed_zz:
                allowed = SIGNED
            ends = [allowed.low, allowed.high]
            numbers.append(float(rng.choice(ends) if rng.random() < 0.2 else rng.uniform(*ends)))
        circuit.add_gate(name, qubits, numbers)
    return circuit


def in_cirq(circuit, gates=cirq_ionq):
    """The same gates as cirq-ionq's, every one in its own moment to keep their order."""
    made = {
        "GPi": lambda f: gates.GPIGate(phi=f),
        "GPi2": lambda f: gates.GPI2Gate(phi=f),
        "MS": lambda f0, f1, t: gates.MSGate(phi0=f0, phi1=f1, theta=t),
        "ZZ": lambda t: gates.ZZGate(theta=t),
    }
    return cirq.Circuit(
        cirq.Moment(
            made[op.gate](*(p.constant for p in op.params))(*map(cirq.LineQubit, op.targets))
        )
        for op in circuit.operations
    )


def with_entry(**entry):
    return {"gateset": "native", "qubits": 3, "circuit": [entry]}


# Writing and reading


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.booleans())
def test_what_is_written_reads_back_as_the_same_circuit(seed, signed_zz):
    circuit = native_circuit(seed, signed_zz=signed_zz)
    text = encode(to_native(circuit, signed_zz=signed_zz))
    copy_ = from_native(text)
    assert copy_ == Circuit.of(circuit)
    np.testing.assert_allclose(unitary(copy_), unitary(circuit), atol=1e-12)
    assert from_native(text.encode()) == from_native(json.loads(text)) == copy_


def test_entries_are_those_of_the_documentation():
    circuit = UnifiedCircuit(2).add_gate("GPi", 0, 0.5).add_gate("GPi2", 1, 0.25)
    circuit.add_gate("MS", [0, 1], [0, -0.0, 0.25]).add_gate("ZZ", [1, 0], 0.125).measure()
    assert json.loads(encode(to_native(circuit))) == {
        "gateset": "native",
        "qubits": 2,
        "circuit": [
            {"gate": "gpi", "target": 0, "phase": 0.5},
            {"gate": "gpi2", "target": 1, "phase": 0.25},
            {"gate": "ms", "targets": [0, 1], "phases": [0, 0], "angle": 0.25},
            {"gate": "zz", "targets": [1, 0], "angle": 0.125},
        ],
    }
    assert "-0.0" not in encode(to_native(circuit))


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_cirqs_client_writes_the_same(seed):
    circuit = native_circuit(seed)
    theirs = cirq_ionq.Serializer().serialize_single_circuit(in_cirq(circuit)).input
    ours = to_native(circuit)
    assert theirs["gateset"] == "native" and theirs["qubits"] <= ours["qubits"]
    renamed = [
        {"angle" if key == "phase" and entry["gate"] == "zz" else key: entry[key] for key in entry}
        for entry in theirs["circuit"]
    ]
    assert json.loads(json.dumps(renamed)) == ours["circuit"]


@settings(max_examples=30, deadline=None)
@given(SEEDS)
def test_what_cirqs_client_writes_is_read_as_the_unitary_that_cirq_computes(seed):
    circuit = in_cirq(native_circuit(seed, n_qubits=3, signed_zz=True))
    sent = json.dumps(cirq_ionq.Serializer().serialize_single_circuit(circuit).input)
    qubits = sorted(circuit.all_qubits())
    seen = from_native(sent)
    theirs = circuit.unitary(
        qubit_order=cirq.LineQubit.range(seen.n_qubits),
        qubits_that_should_be_present=cirq.LineQubit.range(seen.n_qubits),
    )
    assert seen.n_qubits == qubits[-1].x + 1
    np.testing.assert_allclose(unitary(seen), theirs, atol=1e-9)


def test_a_batch_of_cirqs_client_is_read():
    circuits = [in_cirq(native_circuit(seed, n_qubits=3)) for seed in range(4)]
    sent = cirq_ionq.Serializer().serialize_many_circuits(circuits).input
    read = from_native_batch(json.dumps(sent))
    assert [len(circuit) for circuit in read] == [len(circuit) for circuit in circuits]


def test_a_batch_is_one_document_with_the_qubits_of_the_largest():
    circuits = [native_circuit(seed, n_qubits=n) for seed, n in enumerate([2, 3, 1])]
    document = to_native_batch(circuits)
    assert document["qubits"] == 3
    read = from_native_batch(encode(document))
    assert [c.operations for c in read] == [c.operations for c in circuits]
    assert from_native_batch(to_native(circuits[0])) == [Circuit.of(circuits[0])]


# Templates


@settings(max_examples=30, deadline=None)
@given(SEEDS, st.integers(1, 4), st.integers(0, 8))
def test_a_template_writes_what_the_circuits_would(seed, batch, n_gates):
    structure = native_circuit(seed, n_gates=n_gates)
    slots = [allowed for op in structure.operations for _, allowed in PARAMETERS[op.gate]]
    rng = np.random.default_rng(seed)
    values = np.array([[rng.uniform(s.low, s.high) for s in slots] for _ in range(batch)])
    circuits = []
    for row in values.tolist():
        circuit, numbers = UnifiedCircuit(structure.n_qubits), iter(row)
        for op in structure.operations:
            circuit.add_gate(op.gate, op.targets, [next(numbers) for _ in op.params])
        circuits.append(circuit)
    made = NativeTemplate.of(structure)
    assert made.n_values == len(slots)
    document = to_native_batch(circuits)
    assert made.document(values) == document
    assert made.text(values) == encode(document)


def test_the_numbers_of_a_template_do_not_come_from_its_circuit():
    circuit = UnifiedCircuit(1).add_gate("GPi", 0, "x").add_gate("GPi2", 0, 7.5)
    entries = NativeTemplate.of(circuit).circuits([[0.5, 1]])
    assert [entry["phase"] for entry in entries[0]] == [0.5, 1.0]


def test_circuits_of_a_batch_share_no_lists():
    one, two = NativeTemplate(2, (("ZZ", (0, 1)),)).circuits([[0.1], [0.2]])
    one[0]["targets"].append(5)
    assert two[0]["targets"] == [0, 1]


@pytest.mark.parametrize(
    "values",
    [0.5, [0.5], [[0.5]], [[0.5, 0.1, 0.1]], [[0.5], [0.1, 0.2]], [["a", "b"]], [[1j, 0]], None],
)
def test_numbers_of_another_shape_or_kind_are_refused(values):
    with pytest.raises(InputError, match=r"shape \[B, 2\]"):
        NativeTemplate(2, (("GPi2", (0,)), ("ZZ", (0, 1)))).text(values)


@pytest.mark.parametrize(
    ("n_qubits", "gates", "message"),
    [
        (2, (("CX", (0, 1)),), "Gate 0 is no native gate.*GPi, GPi2, MS, ZZ"),
        (2, (("GPi", (0,)), ("ZZ", (0, 2))), "Gate 1, ZZ.*2 of 0 to 1"),
        (2, (("MS", (1, 1)),), "Gate 0, MS.*different"),
        (2, (("GPi", (0, 1)),), "Gate 0, GPi.*1 of 0 to 1"),
        (2, (("GPi", (-1,)),), "Gate 0, GPi"),
        (10**9, (), "too many qubits"),
        (2.5, (), "not an integer"),
    ],
)
def test_a_template_checks_its_gates(n_qubits, gates, message):
    with pytest.raises(CircuitError, match=message):
        NativeTemplate(n_qubits, gates)


# What must not be sent


@pytest.mark.parametrize(
    ("gate", "numbers", "message"),
    [
        ("GPi", [1.0000001], r"Gate 1, GPi on \[1\]: .* its phase.*\[-1, 1\].*1.0000001"),
        ("GPi2", [-1.5], r"Gate 1, GPi2 on \[1\]: .* its phase.*\[-1, 1\].*-1.5"),
        ("MS", [0, 2, 0.1], r"Gate 1, MS on \[1, 0\]: .* its second phase.*\[-1, 1\].*2.0"),
        ("MS", [-3, 0, 0.1], r"Gate 1, MS.*first phase.*-3.0"),
        ("MS", [0, 0, -0.1], r"Gate 1, MS.*angle.*\[0, 0.25\].*-0.1"),
        ("MS", [0, 0, 0.26], r"Gate 1, MS.*angle.*\[0, 0.25\].*0.26"),
        ("ZZ", [-0.1], r"Gate 1, ZZ on \[1, 0\]: .* its angle.*\[0, 0.25\].*-0.1.*signed_zz"),
        ("ZZ", [0.3], r"Gate 1, ZZ.*angle.*\[0, 0.25\].*0.3"),
    ],
)
def test_a_number_outside_its_range_is_named(gate, numbers, message):
    circuit = UnifiedCircuit(2).add_gate("GPi", 0, 0.5)
    circuit.add_gate(gate, [1, 0][: GATES[gate].n_qubits], numbers)
    with pytest.raises(ConversionError, match=message):
        to_native(circuit)
    with pytest.raises(ConversionError, match=f"Circuit 1 of the batch: {message}"):
        to_native_batch([UnifiedCircuit(1), circuit])


def test_the_circuit_of_a_batch_of_numbers_is_named():
    template_ = NativeTemplate(1, (("GPi", (0,)), ("GPi2", (0,))))
    with pytest.raises(ConversionError, match=r"Circuit 2, gate 1, GPi2 on \[0\].*nan"):
        template_.text([[0, 0], [0.5, 0.5], [0, math.nan]])


@pytest.mark.parametrize("angle", [-0.5, -0.5000001, 0.5000001, 1.0])
def test_signed_angles_of_zz_are_half_a_turn_either_way(angle):
    circuit = UnifiedCircuit(2).add_gate("ZZ", [0, 1], angle)
    with pytest.raises(ConversionError, match=r"\(-0.5, 0.5\]"):
        to_native(circuit, signed_zz=True)
    with pytest.raises(ConversionError, match=r"\(-0.5, 0.5\]"):
        from_native(with_entry(gate="zz", targets=[0, 1], angle=angle))


def test_what_is_not_a_bound_native_circuit_is_refused():
    with pytest.raises(CircuitError, match="Gate 1 is no native gate.*'H'"):
        to_native(UnifiedCircuit(1).add_gate("GPi", 0, 0).add_gate("H", 0))
    with pytest.raises(CircuitError, match="Gate 0 is no native gate.*'CGPi'"):
        to_native(UnifiedCircuit(2).add_gate("GPi", 0, 0, controls=1))
    with pytest.raises(CircuitError, match="unbound symbols.*'x'"):
        to_native(UnifiedCircuit(1).add_gate("GPi", 0, "x"))
    with pytest.raises(CircuitError, match="not a circuit of qstore_tf.*'Circuit'"):
        to_native(cirq.Circuit())


def test_a_circuit_must_fit_the_target():
    zz = UnifiedCircuit(2).add_gate("ZZ", [0, 1], -0.1)
    ms = UnifiedCircuit(2).add_gate("MS", [0, 1], [0, 0, 0.1])
    with pytest.raises(CircuitError, match="'MS' .*forte-1"):
        to_native(ms, "qpu.forte-1")
    with pytest.raises(CircuitError, match="too many qubits for aria-1"):
        to_native(UnifiedCircuit(26), "aria-1")
    with pytest.raises(ConversionError, match="signed_zz"):
        to_native(zz, dataclasses.replace(lookup("forte-1"), signed_zz=False))
    assert to_native(zz, "forte-1")["circuit"][0]["angle"] == -0.1
    assert to_native_batch([ms, ms], "simulator")["qubits"] == 2
    with pytest.raises(ConfigurationError, match="Did you mean"):
        to_native(ms, "aria1")


def test_the_limits_of_a_job_are_named(monkeypatch):
    monkeypatch.setattr(job_input, "MAX_CIRCUITS", 3)
    monkeypatch.setattr(job_input, "MAX_GATES", 5)
    one = UnifiedCircuit(1).add_gate("GPi", 0, 0)
    pair = NativeTemplate(1, (("GPi", (0,)), ("GPi2", (0,))))
    with pytest.raises(ConversionError, match="too many circuits.*at most 3.*4.*Split"):
        to_native_batch([one] * 4)
    with pytest.raises(ConversionError, match="too many circuits"):
        pair.text(np.zeros((4, 2)))
    for write in (pair.text, pair.document):
        with pytest.raises(ConversionError, match="too many gates.*at most 5.*6"):
            write(np.zeros((3, 2)))
    with pytest.raises(ConversionError, match="too many gates"):
        to_native(one.compose(one).compose(one).compose(one).compose(one).compose(one))
    for write in (lambda: to_native_batch([]), lambda: pair.text(np.zeros((0, 2)))):
        with pytest.raises(ConversionError, match="empty"):
            write()
    monkeypatch.setattr(job_input, "MAX_BYTES", 50)
    for write in (lambda: encode(to_native(one)), lambda: pair.text(np.zeros((1, 2)))):
        with pytest.raises(ConversionError, match="too many bytes.*at most 50"):
            write()


# Reading what others write


def test_other_spellings_are_read():
    cases = [
        ({"gate": "zz", "targets": [0, 1], "phase": 0.25}, "ZZ(0.25) 0, 1"),
        ({"gate": "zz", "targets": [2, 1], "angle": -0.25}, "ZZ(-0.25) 2, 1"),
        ({"gate": "ms", "targets": [0, 1], "phases": [0, 1]}, "MS(0.0, 1.0, 0.25) 0, 1"),
        ({"gate": "gpi", "targets": [2], "phase": 1}, "GPi(1.0) 2"),
        ({"gate": "gpi2", "target": 0, "phase": -1}, "GPi2(-1.0) 0"),
    ]
    for entry, text in cases:
        assert str(from_native(with_entry(**entry)).operations[0]) == text
    for entry in ({}, {"target": 1}, {"targets": [0, 2]}):
        assert len(from_native(with_entry(gate="nop", **entry))) == 0


def test_circuits_of_a_batch_may_have_a_name_and_qubits_of_their_own():
    gate = {"gate": "gpi", "target": 0, "phase": 0}
    parts = [
        {"name": "a", "circuit": [gate], "qubits": 1, "registers": {"c": [0, None]}},
        {"circuit": [gate], "gateset": "native"},
    ]
    read = from_native_batch({"gateset": "native", "qubits": 3, "circuits": parts})
    assert [circuit.n_qubits for circuit in read] == [1, 3]
    with pytest.raises(ConversionError, match="Circuit 1 is of another gate set.*'qis'.*compiled"):
        from_native_batch(
            {
                "gateset": "native",
                "qubits": 3,
                "circuits": [parts[0], {**parts[1], "gateset": "qis"}],
            }
        )


def test_a_compiled_artifact_names_no_gate_set():
    artifact = {"qubits": 1, "circuit": [{"gate": "gpi", "target": 0, "phase": 0.5}]}
    with pytest.raises(ConversionError, match="another gate set.*'native'.*'qis'"):
        from_native(artifact)
    assert len(from_native(artifact, default_gateset="native")) == 1


def test_signed_angles_can_be_refused():
    document = with_entry(gate="zz", targets=[0, 1], angle=-0.1)
    assert len(from_native(document)) == 1
    with pytest.raises(ConversionError, match=r"\[0, 0.25\]"):
        from_native(document, signed_zz=False)


HUGE = 10**5000
GPI = {"gate": "gpi", "target": 0, "phase": 0.5}


def deep(levels=100_000):
    value = 0
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "Gate 0 is no native gate"),
        ({}, "Gate 0 is no native gate"),
        ({"gate": "h", "target": 0}, "Gate 0 is no native gate.*'gpi', 'gpi2', 'ms', 'zz'"),
        ({"gate": "GPI", "target": 0, "phase": 0}, "Gate 0 is no native gate"),
        ({"gate": ["gpi"], "target": 0, "phase": 0}, "Gate 0 is no native gate"),
        ({"gate": "gpi", "target": 0}, "Gate 0, gpi, has no 'phase'"),
        ({"gate": "gpi", "phase": 0}, "Gate 0, gpi, has no target"),
        ({**GPI, "targets": [0]}, "Gate 0, gpi, has no target, or two"),
        ({**GPI, "target": 3}, "Gate 0, gpi, is on a qubit that is not there.*0 to 2.*3"),
        ({**GPI, "target": -1}, "not there"),
        ({**GPI, "target": HUGE}, "not there.*many digits"),
        ({**GPI, "target": True}, "not there"),
        ({**GPI, "target": 0.0}, "not there"),
        ({**GPI, "target": "0"}, "not there"),
        ({**GPI, "target": None}, "not there"),
        ({**GPI, "target": deep()}, "not there"),
        ({**GPI, "phase": 1.5}, r"Gate 0, gpi, has an unusable phase.*\[-1, 1\].*1.5"),
        ({**GPI, "phase": math.nan}, "unusable phase"),
        ({**GPI, "phase": -math.inf}, "unusable phase"),
        ({**GPI, "phase": HUGE}, "unusable phase.*many digits"),
        ({**GPI, "phase": "0.5"}, "unusable phase"),
        ({**GPI, "phase": True}, "unusable phase"),
        ({**GPI, "phase": deep()}, "unusable phase"),
        ({**GPI, "angle": 0.1}, "Gate 0, gpi, has unknown fields.*angle"),
        ({**GPI, "controls": [1]}, "unknown fields.*controls"),
        ({"gate": "zz", "targets": [0, 0], "angle": 0.1}, "Gate 0, zz, is on a qubit twice"),
        ({"gate": "zz", "targets": [0], "angle": 0.1}, "unusable targets.*2"),
        ({"gate": "zz", "targets": 0, "angle": 0.1}, "unusable targets"),
        ({"gate": "zz", "target": 0, "angle": 0.1}, "unusable targets"),
        ({"gate": "zz", "targets": [0, 1]}, "Gate 0, zz, has no 'angle'"),
        ({"gate": "zz", "targets": [0, 1], "angle": 0.1, "phase": 0.1}, "one of them"),
        ({"gate": "zz", "targets": [0, 1], "rotation": 0.1}, "unknown fields.*rotation"),
        ({"gate": "ms", "targets": [0, 1], "angle": 0.1}, "unusable 'phases'"),
        ({"gate": "ms", "targets": [0, 1], "phases": [0]}, "unusable 'phases'"),
        ({"gate": "ms", "targets": [0, 1], "phases": [0, 2]}, "unusable phase.*2"),
        ({"gate": "ms", "targets": [0, 1], "phases": [0, None]}, "no 'phase'"),
        ({"gate": "ms", "targets": [0, 1], "phases": [0, 0], "angle": 0.3}, "unusable angle"),
        ({"gate": "ms", "targets": [0, 1], "phases": [0, 0], "angle": -0.1}, "unusable angle"),
        ({"gate": "nop", "target": 7}, "Gate 0, nop, is on a qubit that is not there"),
        ({"gate": "nop", "targets": [1, 1]}, "twice"),
        ({"gate": "nop", "time": 1}, "unknown fields.*time"),
    ],
)  # fmt: skip
def test_a_damaged_gate_is_refused_where_it_stands(entry, message):
    document = {"gateset": "native", "qubits": 3, "circuit": [entry]}
    with pytest.raises(ConversionError, match=message):
        from_native(document)
    batch = {
        "gateset": "native",
        "qubits": 3,
        "circuits": [{"circuit": []}, {"circuit": [GPI, entry]}],
    }
    with pytest.raises(ConversionError, match="Circuit 1, gate 1"):
        from_native_batch(batch)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gateset": "qis"}, "another gate set.*'native'.*'qis'.*compiled"),
        ({"gateset": None}, "another gate set"),
        ({"gateset": ["native"]}, "another gate set"),
        ({"qubits": 0}, "number of qubits"),
        ({"qubits": None}, "number of qubits"),
        ({"qubits": True}, "number of qubits"),
        ({"qubits": 2.0}, "number of qubits"),
        ({"qubits": HUGE}, "number of qubits.*many digits"),
        ({"qubits": 10**9}, "number of qubits.*4096"),
        ({"circuit": {}}, "no list of gates"),
        ({"circuit": "gpi"}, "no list of gates"),
        ({"circuit": [GPI] * (job_input.MAX_GATES + 1)}, "too many gates.*150000.*150001"),
        ({"circuits": []}, "many circuits"),
        ({"output": {}}, "unknown fields.*output"),
        ({7: {}}, "unknown fields"),
    ],
)
def test_a_damaged_document_is_refused(changes, message):
    document = {"gateset": "native", "qubits": 3, "circuit": [GPI]}
    with pytest.raises(ConversionError, match=message):
        from_native({**document, **changes})


@pytest.mark.parametrize(
    ("circuits", "message"),
    [
        ([], "unusable circuits"),
        ({}, "unusable circuits"),
        (None, "unusable circuits"),
        ([{"circuit": []}] * (job_input.MAX_CIRCUITS + 1), "unusable circuits.*5000"),
        ([3], "Circuit 0 is no circuit"),
        ([{}], "Circuit 0 has no list of gates"),
        ([{"circuit": [], "circuits": []}], "Circuit 0 has unknown fields"),
        ([{"circuit": [], "name": 3}], "Circuit 0 has an unusable 'name'"),
        ([{"circuit": [], "registers": []}], "Circuit 0 has unusable 'registers'"),
        ([{"circuit": [], "qubits": "3"}], "Circuit 0 has an unusable number of qubits"),
        ([{"circuit": [GPI] * 100_000}] * 2, "too many gates"),
    ],
)
def test_a_damaged_batch_is_refused(circuits, message):
    with pytest.raises(ConversionError, match=message):
        from_native_batch({"gateset": "native", "qubits": 3, "circuits": circuits})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ("null", "no native circuit"),
        ("[]", "no native circuit"),
        ("{}", "no circuit, or two"),
        ("{not json", "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        ("[" * 200_000, "nested too deeply"),
        ('{"gateset":' * 200_000, "nested too deeply"),
        ('{"gateset": "native", "qubits": ' + "9" * 100_000 + "}", "not valid JSON.*100000 digits"),
        ('{"gateset": "native", "qubits": NaN, "circuit": []}', "NaN is not a number"),
        (" " * (job_input.MAX_BYTES + 1), "too long"),
        (3, "no native circuit"),
        (None, "no native circuit"),
    ],
)
def test_text_that_is_no_circuit_is_refused(text, message):
    for read in (from_native, from_native_batch):
        with pytest.raises(ConversionError, match=message) as caught:
            read(text)
        assert len(str(caught.value)) < 1000


JUNK = (
    None, True, -1, 2**70, HUGE, 1e308, math.nan, math.inf, "", "native", "qis", "gpi", "ms",
    "\ud800", [], {}, [0, 1], [[0]], {"gate": "zz"}, [None, None], {"circuit": [GPI]}, (0, 1), b"x",
)  # fmt: skip
KEYS = (
    "gateset",
    "qubits",
    "circuit",
    "circuits",
    "gate",
    "target",
    "targets",
    "phase",
    "angle",
    "x",
)


def damaged(value, rng):
    """The value with one part of it, at any depth, dropped, doubled, renamed or replaced."""
    if isinstance(value, dict | list) and value and rng.random() < 0.9:
        result = copy.copy(value)
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        action = rng.random()
        if action < 0.7:
            result[key] = damaged(value[key], rng)
        elif action < 0.8:
            del result[key]
        elif isinstance(value, dict):
            result[rng.choice(KEYS)] = result.pop(key)
        else:
            result.insert(key, value[key])
        return result
    return rng.choice(JUNK)


@pytest.mark.parametrize("part", range(4))
def test_damaged_documents_get_no_exception_but_ours(part):
    rng = random.Random(f"{daily_seed()} {part}")
    circuits = [native_circuit(rng.randrange(2**32), signed_zz=True) for _ in range(3)]
    for number in range(800):
        if number % 2:
            document = to_native(rng.choice(circuits), signed_zz=True)
        else:
            document = to_native_batch(circuits, signed_zz=True)
        for _ in range(rng.randrange(1, 4)):
            document = damaged(document, rng)
        for read in (from_native, from_native_batch):
            try:
                read_back = read(document)
            except ConversionError as error:
                assert len(str(error)) < 1500
                str(error).encode()
            else:  # what is read is legal
                circuits_read = [read_back] if read is from_native else read_back
                to_native_batch(circuits_read, signed_zz=True)


@pytest.mark.parametrize("part", range(2))
def test_damaged_text_gets_no_exception_but_ours(part):
    rng = random.Random(f"{daily_seed()} text {part}")
    text = encode(to_native(native_circuit(rng.randrange(2**32))))
    for _ in range(800):
        letters = list(text)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(letters))
            letters[at : at + rng.randrange(3)] = rng.choice('{}[]",:-+.eE0123456789 NaI\\u\x00é')
        changed = "".join(letters)
        for document in (changed, changed.encode(), changed.encode("utf-16")):
            try:
                from_native(document)
            except ConversionError as error:
                assert len(str(error)) < 1500
