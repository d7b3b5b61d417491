"""A client of few words, a clock that a test moves, and local IonQs."""

import time

import httpx
import pytest

from qstore_tf.testing.ionq import ionq_emulator, start_ionq_emulator  # noqa: F401

KEY = "a-key-of-some-length"
BELL = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]
NATIVE = [
    {"gate": "gpi2", "target": 0, "phase": 0.25},
    {"gate": "zz", "targets": [0, 1], "angle": 0.25},
]


class Client(httpx.Client):
    """Speaks to a local IonQ."""

    def __init__(self, emulator, key=KEY, **options):
        headers = {"Authorization": f"apiKey {key}"}
        # Without certificates, whose reading takes longer than a test.
        super().__init__(base_url=emulator.host, headers=headers, verify=False, **options)

    def submit(self, circuit=None, **fields):
        """Sends a job and returns the answer."""
        return self.post("/v0.4/jobs", json=payload(circuit, **fields))

    def accepted(self, circuit=None, **fields):
        """Sends a job and returns its id."""
        answer = self.submit(circuit, **fields)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def job(self, job_id):
        """Returns what a job looks like."""
        answer = self.get(f"/v0.4/jobs/{job_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, job_id, statuses=("completed", "failed", "canceled")):
        """Returns a job that is over."""
        until = time.monotonic() + 20
        while time.monotonic() < until:
            job = self.job(job_id)
            if job["status"] in statuses:
                return job
            time.sleep(0.003)
        raise TimeoutError(f"still {job['status']}")

    def probabilities(self, job_id):
        """Returns the results of a job, once it is over."""
        assert self.wait(job_id)["status"] == "completed"
        return self.get(f"/v0.4/jobs/{job_id}/results/probabilities").json()


def payload(circuit=None, **fields):
    """The body of POST /jobs: of one circuit, or of many if `circuits` are given."""
    body = {"backend": "simulator", "shots": 100}
    if "circuits" in fields:
        parts = [{"circuit": one} for one in fields.pop("circuits")]
        body["type"] = "ionq.multi-circuit.v1"
        body["input"] = {"gateset": "qis", "qubits": 2, "circuits": parts}
    else:
        body["type"] = "ionq.circuit.v1"
        body["input"] = {
            "gateset": "qis",
            "qubits": 2,
            "circuit": BELL if circuit is None else circuit,
        }
    for name in ("gateset", "qubits"):
        if name in fields:
            body["input"][name] = fields.pop(name)
    return {**body, **fields}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self):
        self.now = 1_800_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def start(start_ionq_emulator):  # noqa: F811
    """Starts a local IonQ and returns it with a client."""
    clients = []

    def started(key=KEY, **settings):
        emulator = start_ionq_emulator(page=False, **settings)
        clients.append(Client(emulator, key))
        return emulator, clients[-1]

    yield started
    for client in clients:
        client.close()


@pytest.fixture
def new_client():
    """Makes a client with another key, or with other headers."""
    return Client


@pytest.fixture
def make_payload():
    return payload


@pytest.fixture
def native():
    return NATIVE
