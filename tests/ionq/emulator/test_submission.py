"""What is refused, and what is accepted and fails: one row each."""

import copy
import json
from collections import Counter

import numpy as np
import pytest

from qstore_tf.ionq.emulator import submission
from qstore_tf.ionq.emulator.answers import Refusal
from qstore_tf.ionq.emulator.submission import from_v04
from qstore_tf.testing.daily import daily_seed

GATE = {"gate": "x", "target": 0}
NATIVE = {"gate": "gpi", "target": 0, "phase": 0.5}


def one(**fields):
    gateset = fields.pop("gateset", "qis")
    gates = fields.pop("gates", [GATE])
    qubits = fields.pop("qubits", 2)
    body = {"gateset": gateset, "qubits": qubits, "circuit": gates}
    if qubits is None:
        del body["qubits"]
    return {"backend": "simulator", "type": "ionq.circuit.v1", "input": body, **fields}


def many(circuits, **fields):
    parts = [{"circuit": gates} for gates in circuits]
    body = {"gateset": "qis", "qubits": 2, "circuits": parts}
    return {"backend": "simulator", "type": "ionq.multi-circuit.v1", "input": body, **fields}


def without(field):
    body = one()
    del body[field]
    return body


def mitigated(**fields):
    settings = {"error_mitigation": {"debiasing": True}}
    return one(backend="qpu.forte-1", settings=settings, **fields)


REFUSED = {
    "no backend": (without("backend"), "backend"),
    "no type": (without("type"), "type"),
    "no input": (without("input"), "input"),
    "an unknown backend": (one(backend="qpu.forte-9"), "backend"),
    "a backend that is no text": (one(backend=["simulator"]), "backend"),
    "an unknown type": (one(type="ionq.circuit.v0"), "type"),
    "a type that is run elsewhere": (one(type="ionq.qir.v1"), "type"),
    "an input that is a list": (one(input=[]), "input"),
    "a circuit in a batch": (one(type="ionq.multi-circuit.v1"), "input.circuit"),
    "circuits in a job of one": ({**many([[]]), "type": "ionq.circuit.v1"}, "input.circuit"),
    "a program that is no text": (
        one(type="ionq.qasm3.v1", input={"data": 1}),
        "input.data",
    ),
    "no shots": (one(shots=0), "shots"),
    "too many shots": (one(shots=1_000_001), "shots"),
    "half a shot": (one(shots=1.5), "shots"),
    "shots that are true": (one(shots=True), "shots"),
    "shots as other text": (one(shots="1e3"), "shots"),
    "debiasing with few shots": (mitigated(shots=499), "shots"),
    "debiasing with the default shots": (mitigated(), "shots"),
    "debiasing that is text": (
        one(settings={"error_mitigation": {"debiasing": "yes"}}),
        "settings.error_mitigation.debiasing",
    ),
    "settings that are a list": (one(settings=[1]), "settings"),
    "an unknown noise model": (one(noise={"model": "aria-9"}), "noise.model"),
    "a noise model without figures": (one(noise={"model": "harmony"}), "noise.model"),
    "a seed of too many bits": (one(noise={"model": "aria-1", "seed": 2**31}), "noise.seed"),
    "metadata that are a list": (one(metadata=[]), "metadata"),
    "metadata that are nested": (one(metadata={"a": {"b": 1}}), "metadata"),
    "metadata that are long": (one(metadata={"a": "b" * 40_001}), "metadata"),
    "too many metadata": (one(metadata={str(k): "" for k in range(51)}), "metadata"),
    "a name that is a number": (one(name=1), "name"),
    "a dry run that is text": (one(dry_run="yes"), "dry_run"),
    "an unknown gate": (one(gates=[{"gate": "ccz", "target": 0}]), "input"),
    "a native gate in qis": (one(gates=[NATIVE]), "input"),
    "a qis gate in native": (one(gates=[GATE], gateset="native"), "input"),
    "an unknown gate set": (one(gateset="braket"), "input"),
    "a qubit that is not there": (one(gates=[{"gate": "x", "target": 2}]), "input"),
    "a negative qubit": (one(gates=[{"gate": "x", "target": -1}]), "input"),
    "a qubit twice": (one(gates=[{"gate": "cnot", "control": 0, "target": 0}]), "input"),
    "no number of qubits": (one(qubits=None), "input"),
    "no qubits": (one(qubits=0), "input"),
    "a phase out of range": (one(gates=[{**NATIVE, "phase": 1.5}], gateset="native"), "input"),
    "an ms that is too strong": (
        one(
            gateset="native",
            gates=[{"gate": "ms", "targets": [0, 1], "phases": [0, 0], "angle": 0.3}],
        ),
        "input",
    ),
    "too many circuits": (many([[]] * 5_001), "input"),
    "too many gates": (many([[GATE] * 30_001] * 5), "input"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    body, key = REFUSED[what]
    with pytest.raises(Refusal) as caught:
        from_v04(body)
    assert caught.value.status == 400
    assert caught.value.keys == (key,)
    assert caught.value.message


ACCEPTED = {
    "5,000 circuits": many([[]] * 5_000),
    "150,000 gates": many([[GATE] * 30_000] * 5),
    "a million shots": one(shots=1_000_000),
    "500 shots with debiasing": mitigated(shots=500),
    "metadata of 40,000 characters": one(metadata={"a": "b" * 40_000}),
    "an ms without angle": one(
        gateset="native", gates=[{"gate": "ms", "targets": [0, 1], "phases": [0, 0]}]
    ),
    "a zz with a phase, as cirq sends it": one(
        gateset="native", gates=[{"gate": "zz", "targets": [0, 1], "phase": 0.1}]
    ),
    "one qubit as targets": one(gates=[{"gate": "h", "targets": [0]}]),
    "null where qiskit sends it": one(noise={"model": "ideal", "seed": None}),
}


@pytest.mark.parametrize("what", ACCEPTED)
def test_accepted(what):
    assert from_v04(ACCEPTED[what]).failure is None


FAILING = {
    "more qubits than the machine has": (one(backend="qpu.forte-1", qubits=37), "NotEnoughQubits"),
    "more qubits than the simulator has": (one(qubits=30), "NotEnoughQubits"),
    "ms on a machine of zz": (
        one(
            backend="qpu.forte-1",
            gateset="native",
            gates=[{"gate": "ms", "targets": [0, 1], "phases": [0, 0]}],
        ),
        "UnsupportedGate",
    ),
    "zz on a machine of ms": (
        one(
            backend="qpu.aria-1",
            gateset="native",
            gates=[{"gate": "zz", "targets": [0, 1], "angle": 0.25}],
        ),
        "UnsupportedGate",
    ),
}


@pytest.mark.parametrize("what", FAILING)
def test_accepted_and_fails(what):
    body, code = FAILING[what]
    failure = from_v04(body).failure
    assert failure is not None and failure[0] == code and failure[1]


def test_the_simulator_takes_the_native_gates_of_all_machines():
    gates = [
        {"gate": "ms", "targets": [0, 1], "phases": [0, 0]},
        {"gate": "zz", "targets": [0, 1], "angle": 0.25},
    ]
    assert from_v04(one(gateset="native", gates=gates)).failure is None


def test_v03_says_the_same_in_other_words():
    body = {
        "target": "qpu.forte-1",
        "lang": "json",
        "body": {"gateset": "qis", "qubits": 2, "circuit": [GATE]},
        "shots": "600",
        "error_mitigation": {"debias": True},
        "metadata": {"shots": "600"},
    }
    made = submission.from_v03(body)
    assert (made.shots, made.debiasing, made.type) == (600, True, "ionq.circuit.v1")
    with pytest.raises(Refusal):
        submission.from_v03({**body, "body": None})
    with pytest.raises(Refusal):
        submission.from_v03({**body, "error_mitigation": 1})


def test_text_that_is_no_json_is_refused(start):
    _, client = start()
    bad = (b"", b"{", b"[]", b"nonsense", b"\xff\xfe", b'{"shots": NaN}', b"[" * 100_000)
    for body in (*bad, b'{"shots": ' + b"1" * 10_000 + b"}"):
        answer = client.post("/v0.4/jobs", content=body)
        assert answer.status_code == 400, body[:20]
        assert set(answer.json()) >= {"statusCode", "error", "message"}


def test_more_than_10_mb_are_refused(start, make_payload):
    emulator, client = start()
    answer = client.submit(padding="x" * 10_000_000)
    assert (answer.status_code, answer.json()["statusCode"]) == (413, 413)

    def pieces():
        for _ in range(110):
            yield b" " * 100_000

    assert client.post("/v0.4/jobs", content=pieces()).status_code == 413
    assert client.submit(padding="x" * 9_990_000).status_code == 201
    assert len(emulator.jobs()) == 1


JUNK = (
    *(None, True, False, 0, -1, 1, 2, 10**30, 0.5, 1e300, float("inf"), -0.0),
    *("", "x", "1", "é\u0000", [], {}, [[]], [0, 0], {"gate": "x"}, {"a": {"b": []}}),
)


def changed(value, rng):
    """A copy of a document with something in it replaced, left out, doubled or added."""
    value = copy.deepcopy(value)
    places = []

    def walk(node):
        for key in node if isinstance(node, dict) else range(len(node)):
            places.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(value)
    node, key = places[rng.integers(len(places))]
    junk = copy.deepcopy(JUNK[rng.integers(len(JUNK))])
    kind = rng.integers(4)
    if kind == 0:
        node[key] = junk
    elif kind == 1:
        del node[key]
    elif isinstance(node, dict):
        node[str(rng.choice(["target", "controls", "rotation", "noise", "settings", "x"]))] = junk
    else:
        node.append(junk if kind == 2 else copy.deepcopy(node[key]))
    return value


def test_documents_with_anything_in_them_are_accepted_or_refused(start):
    _, client = start(simulate=lambda batch, **_: [{0: 1.0}] * len(batch))
    rng = np.random.default_rng([daily_seed(), 7])
    seeds = [
        *ACCEPTED.values(),
        mitigated(shots=600, metadata={"a": "b"}, name="n", noise={"model": "aria-1", "seed": 1}),
        many([[GATE], [{"gate": "cnot", "controls": [0], "targets": [1]}]]),
        one(gates=[{"gate": "rx", "target": 0, "rotation": 0.1}]),
    ]
    seeds = [body for body in seeds if len(json.dumps(body)) < 2000]
    answers = Counter()
    for case in range(1500):
        body = seeds[rng.integers(len(seeds))]
        for _ in range(rng.integers(1, 4)):
            body = changed(body, rng)
            if not body:
                break
        text = json.dumps(body).replace("Infinity", "1e999")
        try:
            from_v04(json.loads(text))
            answers["accepted"] += 1
        except Refusal as refusal:
            assert refusal.status == 400
            answers["refused"] += 1
        if case % 15 == 0:
            sent = client.post("/v0.4/jobs", content=text)
            assert sent.status_code in (201, 400), text
            if sent.status_code == 201:
                job_id = sent.json()["id"]
                client.wait(job_id)
                for address in (f"/v0.4/jobs/{job_id}", "/v0.4/jobs", f"/emulator/jobs/{job_id}"):
                    assert client.get(address).status_code == 200, text
    assert min(answers["accepted"], answers["refused"]) > 100
