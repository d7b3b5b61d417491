"""Results in all shapes: they agree with each other."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from qstore_tf.ionq.emulator import results
from qstore_tf.ionq.emulator.records import Part
from qstore_tf.testing.daily import daily_seed

# Made in ionq/emulator/test_queue.py as well; what matters here is set below.
NATIVE = [
    {"gate": "gpi2", "target": 0, "phase": 0.25},
    {"gate": "gpi2", "target": 1, "phase": 0.1},
    {"gate": "zz", "targets": [0, 1], "angle": 0.2},
    {"gate": "gpi2", "target": 0, "phase": 0.7},
]


def fetch(client, job_id, artifact):
    answer = client.get(f"/v0.4/jobs/{job_id}/artifacts/{artifact}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_all_shapes_of_drawn_shots_agree(start):
    _, client = start()
    shots = 777
    job_id = client.accepted(NATIVE, gateset="native", backend="qpu.forte-1", shots=shots)
    job = client.wait(job_id)
    # By today's names, and by the address that older clients read.
    for name, entry in job["results"].items():
        assert set(entry) - {"url"} == {"id", "format", "media_type"}
        assert name in (entry["format"], entry["id"])
        if "url" in entry:
            assert client.get(entry["url"]).json() == fetch(client, job_id, entry["id"])
    probabilities = fetch(client, job_id, "probabilities")
    assert sum(probabilities.values()) == pytest.approx(1)
    histogram = fetch(client, job_id, "histogram")
    assert histogram == {state: round(p * shots) for state, p in probabilities.items()}
    assert sum(histogram.values()) == shots
    shots_of = fetch(client, job_id, "shots")
    assert Counter(shots_of) == histogram
    assert shots_of == fetch(client, job_id, "shots")  # the same each time
    bits = fetch(client, job_id, "shots-v2")["shots"]
    assert [sum(b << k for k, b in enumerate(one["registers"]["output_all"])) for one in bits] == [
        int(state) for state in shots_of
    ]
    words = fetch(client, job_id, "histogram-v2")["histogram"]["registers"]["output_all"]
    assert {str(int(word[::-1], 2)): count for word, count in words.items()} == histogram
    words = fetch(client, job_id, "probabilities-v2")["probabilities"]["registers"]["output_all"]
    assert {str(int(word[::-1], 2)): p for word, p in words.items()} == probabilities


def test_the_ideal_simulator_has_probabilities_alone(start):
    _, client = start()
    job_id = client.accepted()
    assert {entry["id"] for entry in client.wait(job_id)["results"].values()} == {
        "probabilities",
        "probabilities-v2",
    }
    for artifact in ("histogram", "shots", "probabilities-aggregate-x", "x"):
        assert client.get(f"/v0.4/jobs/{job_id}/artifacts/{artifact}").status_code == 404
    noisy = client.accepted(noise={"model": "aria-1"})
    assert sum(fetch(client, client.wait(noisy)["id"], "histogram").values()) == 100


def test_a_batch_is_aggregated_in_the_order_of_its_circuits(start):
    _, client = start()
    flips = [[{"gate": "x", "target": k % 2}] for k in range(5)]
    job_id = client.accepted(circuits=flips)
    job = client.wait(job_id)
    url = job["results"]["probabilities"]["url"]
    assert url == f"/v0.4/jobs/{job_id}/results/probabilities/aggregated"
    aggregated = client.get(url).json()
    assert list(aggregated) == job["child_job_ids"]
    assert [max(one, key=one.get) for one in aggregated.values()] == ["1", "2", "1", "2", "1"]
    for address in ("results/probabilities", "artifacts/probabilities-aggregate"):
        assert client.get(f"/v0.4/jobs/{job_id}/{address}").json() == aggregated
    for child, outcome in aggregated.items():
        assert client.get(f"/v0.4/jobs/{child}/results/probabilities").json() == outcome
    assert client.get(f"/v0.4/jobs/{job_id}/artifacts/shots").status_code == 404


def test_a_job_of_one_circuit_can_be_aggregated_too(start):
    _, client = start()
    job_id = client.accepted()
    alone = client.probabilities(job_id)
    answer = client.get(f"/v0.4/jobs/{job_id}/results/probabilities/aggregated")
    assert answer.json() == {job_id: alone}


def test_registers_group_the_qubits(start):
    _, client = start()
    part = {
        "circuit": [{"gate": "x", "target": 2}],
        "registers": {"high": [2, 1], "low": [0, None]},
    }
    body = {"gateset": "qis", "qubits": 3, "circuits": [part]}
    job_id = client.accepted(type="ionq.multi-circuit.v1", input=body)
    child = client.wait(job_id)["child_job_ids"][0]
    found = fetch(client, child, "probabilities-v2")["probabilities"]["registers"]
    assert found == {"high": {"10": pytest.approx(1)}, "low": {"0": pytest.approx(1)}}


def test_voting_sharpens_what_debiasing_gives(start):
    _, client = start()
    fields = {
        "gateset": "native",
        "backend": "qpu.aria-1",
        "shots": 5000,
        "settings": {"error_mitigation": {"debiasing": True}},
    }
    gates = [{"gate": "gpi2", "target": 0, "phase": 0}, {"gate": "gpi2", "target": 0, "phase": 0.1}]
    job_id = client.accepted(gates, **fields)
    job = client.wait(job_id)
    variants = job["output"]["error_mitigation"]["debiasing"]["variants"]
    assert sum(variant["shots"] for variant in variants) == 5000
    address = f"/v0.4/jobs/{job_id}/results/probabilities"
    plain = client.get(address).json()
    sharp = client.get(address, params={"sharpen": True}).json()
    assert max(plain.values()) < 0.95 < max(sharp.values())
    assert sum(sharp.values()) == pytest.approx(1)
    assert client.get(f"{address}?aggregation=voting").json() == sharp
    for query in ("sharpen=false", "aggregation=average"):
        assert client.get(f"{address}?{query}").json() == plain
    assert client.get(f"{address}?aggregation=x").status_code == 400
    # Without debiasing there are no variants to vote.
    other = client.accepted(gates, **{**fields, "settings": {}})
    assert client.wait(other)["output"]["error_mitigation"] == {"debiasing": False}
    address = f"/v0.4/jobs/{other}/results/probabilities"
    assert client.get(f"{address}?sharpen=true").json() == client.get(address).json()


def test_counts_add_up_and_are_nearest_for_any_probabilities():
    rng = np.random.default_rng([daily_seed(), 5])
    for _ in range(300):
        numbers = rng.dirichlet(np.full(int(rng.integers(1, 30)), 0.3))
        shots = int(rng.integers(1, 2000))
        counts = results._counts(numbers, shots)
        assert counts.sum() == shots and (counts >= 0).all()
        assert np.abs(counts - numbers * shots).max() < 1 + 1e-6
        whole = rng.multinomial(shots, numbers)
        assert (results._counts(whole / shots, shots) == whole).all()


def test_shapes_need_no_registers(start):
    emulator, client = start()
    client.wait(client.accepted(backend="qpu.aria-1", shots=4))
    job = replace(emulator.jobs()[0], shots=4)
    part = Part(
        id="p", name=None, n_qubits=2, n_1q=0, n_2q=0, probabilities='{"1": 0.75, "2": 0.25}'
    )
    found = json.loads(results.shape("histogram-v2", job, part))
    assert found == {"histogram": {"registers": {"output_all": {"10": 3, "01": 1}}}}


@pytest.mark.parametrize("machine", ["qpu.forte-1", "qpu.aria-1"])
def test_the_compiled_circuit_gives_the_same_probabilities(start, machine):
    _, client = start()
    rng = np.random.default_rng([daily_seed(), 6])
    for _ in range(5):
        gates = []
        for _ in range(8):
            one, two = rng.permutation(3)[:2].tolist()
            gates.append({"gate": "ry", "target": one, "rotation": float(rng.uniform(-3, 3))})
            gates.append({"gate": str(rng.choice(["cnot", "z"])), "control": one, "target": two})
        gates.append({"gate": "swap", "targets": [0, 2]})
        wanted = client.probabilities(client.accepted(gates, qubits=3))
        job = client.wait(client.accepted(gates, qubits=3, backend=machine))
        entry = job["output"]["compilation"]["compiled_circuits"]["ionq.native.v1"]
        circuit = fetch(client, job["id"], entry["id"])
        words = {gate["gate"] for gate in circuit["circuit"]}
        assert words <= {"gpi", "gpi2", "zz" if "forte" in machine else "ms"}
        found = client.probabilities(
            client.accepted(circuit["circuit"], gateset="native", qubits=circuit["qubits"])
        )
        for state in map(str, range(8)):
            assert found.get(state, 0) == pytest.approx(wanted.get(state, 0), abs=1e-9)
    simulated = client.accepted()
    client.wait(simulated)
    assert client.get(f"/v0.4/jobs/{simulated}/artifacts/compiled").status_code == 404
