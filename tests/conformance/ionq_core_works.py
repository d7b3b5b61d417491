"""What people do with ionq-core 0.2. Reads IONQ_API_URL and IONQ_API_KEY."""

import datetime
import os

from ionq_core import IonQClient, SessionManager, wait_for_job
from ionq_core.api.backends import get_backend, get_backends
from ionq_core.api.characterizations import get_characterizations_for_backend
from ionq_core.api.default import (
    cancel_job,
    clone_job,
    create_job,
    delete_job,
    estimate_job_cost,
    get_job,
    get_job_cost,
    get_job_probabilities,
    get_jobs,
    get_session_jobs,
    get_sessions,
)
from ionq_core.api.usage import get_usages
from ionq_core.api.whoami import get_whoami
from ionq_core.models.circuit_job_creation_payload import CircuitJobCreationPayload
from ionq_core.models.clone_job_payload import CloneJobPayload
from ionq_core.models.json_multi_circuit_job import JSONMultiCircuitJob
from ionq_core.pagination import iter_jobs
from works import about, main, work

CLIENT = IonQClient(base_url=os.environ["IONQ_API_URL"])
GATES = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]
INPUT = {"gateset": "qis", "qubits": 2, "circuit": GATES}


def create(**changes):
    body = {"type": "ionq.circuit.v1", "backend": "simulator", "shots": 100, "input": INPUT}
    payload = CircuitJobCreationPayload.from_dict({**body, **changes})
    return create_job.sync(client=CLIENT, body=payload).id


def finish(job_id):
    return wait_for_job(CLIENT, job_id, timeout=30, poll_interval=0.1)


def probabilities(job_id):
    return get_job_probabilities.sync(uuid=job_id, client=CLIENT).additional_properties


@work
def construct():
    assert get_whoami.sync(client=CLIENT).key_id


@work
def run_one():
    job_id = create(name="bell", metadata={"who": "me"})
    job = finish(job_id)
    assert job.status == "completed"
    assert job.name == "bell"
    assert job.metadata.to_dict() == {"who": "me"}
    found = probabilities(job_id)
    assert {key: round(p, 9) for key, p in found.items()} == {"0": 0.5, "3": 0.5}, found


@work
def batch():
    parts = [{"circuit": GATES}, {"circuit": GATES[:1]}]
    batch_input = {"gateset": "qis", "qubits": 2, "circuits": parts}
    body = {"type": "ionq.multi-circuit.v1", "backend": "simulator", "shots": 100}
    payload = JSONMultiCircuitJob.from_dict({**body, "input": batch_input})
    job_id = create_job.sync(client=CLIENT, body=payload).id
    job = finish(job_id)
    assert len(job.child_job_ids) == 2
    assert [set(probabilities(child)) for child in job.child_job_ids] == [{"0", "3"}, {"0", "1"}]


@work
def backends():
    names = {backend.backend for backend in get_backends.sync(client=CLIENT)}
    assert {"simulator", "qpu.forte-1"} <= names, names
    assert get_backend.sync("qpu.forte-1", client=CLIENT).qubits == 36


@work
def characterizations():
    found = get_characterizations_for_backend.sync("qpu.forte-1", client=CLIENT, limit=1)
    assert found.characterizations[0].qubits == 36


@work
def noise_model():
    job_id = create(noise={"model": "aria-1", "seed": 3}, shots=1000)
    finish(job_id)
    found = probabilities(job_id)
    about(found["0"] + found["3"], 0.99, 1000)


@work
def machine_and_cost():
    settings = {"error_mitigation": {"debiasing": False}}
    job_id = create(backend="qpu.forte-1", settings=settings)
    finish(job_id)
    cost = get_job_cost.sync(uuid=job_id, client=CLIENT)
    assert cost.cost.value > 0
    assert cost.cost.value == cost.estimated_cost.value


@work
def cost_of_a_free_job():
    job_id = create()
    finish(job_id)
    assert get_job_cost.sync(uuid=job_id, client=CLIENT) is not None


@work
def estimate():
    found = estimate_job_cost.sync(
        client=CLIENT, backend="qpu.forte-1", qubits=2, shots=1000, field_1q_gates=3,
        field_2q_gates=1,
    )  # fmt: skip
    assert found.estimated_total_cost > 0
    assert found.rate_card.rates


@work
def list_jobs():
    made = [create(name=f"listed {k}") for k in range(3)]
    first = get_jobs.sync(client=CLIENT, limit=2)
    assert len(first.jobs) == 2
    assert first.next_
    seen = [job.id for job in iter_jobs(CLIENT, limit=2)]
    assert seen[:3] == made[::-1]
    chosen = get_jobs.sync(client=CLIENT, ids=made[:2])
    assert {job.id for job in chosen.jobs} == set(made[:2])


@work
def cancel_and_delete():
    job_id = create()
    assert cancel_job.sync(uuid=job_id, client=CLIENT).status == "canceled"
    assert get_job.sync(uuid=job_id, client=CLIENT).status == "canceled"
    assert delete_job.sync(uuid=job_id, client=CLIENT) is not None


@work
def clone():
    job_id = create(name="first")
    copy = clone_job.sync(
        job_id, client=CLIENT, body=CloneJobPayload.from_dict({"name": "second", "shots": 7})
    )
    assert copy.id != job_id
    assert get_job.sync(uuid=copy.id, client=CLIENT).name == "second"


@work
def session():
    with SessionManager(CLIENT, "qpu.forte-1", max_jobs=5, max_cost=1000.0) as opened:
        assert opened.status() in ("created", "started")
        job_id = create(backend="qpu.forte-1", session_id=opened.session_id)
        finish(job_id)
        jobs = get_session_jobs.sync(opened.session_id, client=CLIENT).jobs
        assert [job.id for job in jobs] == [job_id]
    assert opened.status() == "ended"
    assert opened.session_id in [one.id for one in get_sessions.sync(client=CLIENT).sessions]


@work
def usage():
    today = datetime.date.today()
    me = get_whoami.sync(client=CLIENT)
    found = get_usages.sync(
        me.additional_properties["organization_id"], client=CLIENT, start_date=today,
        end_date=today, group_by="project", modality="daily",
    )  # fmt: skip
    assert found is not None


@work
def failure_of_a_job():
    try:
        job_id = create(backend="qpu.forte-1", input={**INPUT, "qubits": 40})
        job = finish(job_id)
    except Exception as error:
        assert type(error).__module__.startswith("ionq_core"), repr(error)
        return
    assert job.status == "failed"


if __name__ == "__main__":
    main()
