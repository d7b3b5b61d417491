"""The client of cirq-ionq as a transport: as ours, and as safe."""

import time

import numpy as np
import pytest
from conftest import KEY, RETRIES, some_work

from qstore_tf.errors import (
    AuthenticationError,
    ConfigurationError,
    RefusedError,
    UnreachableError,
)
from qstore_tf.ionq.service import Server
from qstore_tf.ionq.service.cirq_transport import CirqTransport
from qstore_tf.ionq.service.client import Client, NotAccepted, NotThere, Unclear
from qstore_tf.ionq.service.clock import Clock, Over, Patience
from qstore_tf.ionq.service.counting import Counts
from qstore_tf.ionq.service.planning import parts
from qstore_tf.ionq.service.results import decode
from qstore_tf.ionq.service.versions import Options

NOISY = Options(noise="aria-1", seed=5, shots=200)
MACHINE = Options(target="qpu.forte-1", shots=600, debiasing=True)


def transport(emulator, key=KEY, **options):
    return CirqTransport(Server(emulator.url, key), Clock(), RETRIES, Counts(), **options)


def patience(made, seconds=20.0):
    return Patience(made.clock, seconds)


def submitted(made, options=NOISY, n=3, token="t"):
    (part,) = parts(some_work(n), [n])
    return part, made.submit(part.body("v0.4", options, token), patience(made))


def over(made, job_id):
    end = time.monotonic() + 10
    while not (job := made.job(job_id, patience(made))).is_over:
        assert time.monotonic() < end
        time.sleep(0.01)
    return job


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("options", [NOISY, MACHINE, Options()], ids=["noisy", "machine", "exact"])
def test_it_says_what_our_own_client_says(ionq_emulator, options, n):
    theirs = transport(ionq_emulator)
    ours = Client(theirs.server, theirs.clock, RETRIES)
    part, job_id = submitted(theirs, options, n)
    job = over(theirs, job_id)
    assert job == ours.job(job_id, patience(ours))
    assert job.token == "t" and job.state == "completed"
    aggregation = "voting" if options.debiasing else None
    one, other = (
        decode(
            each.results(job, n > 1, aggregation, patience(each)),
            part.n_wires,
            options.given_shots,
            job.children,
        )
        for each in (theirs, ours)
    )
    for mine, same in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine.states, same.states)
        np.testing.assert_allclose(mine.probabilities, same.probabilities, atol=1e-12)


def test_jobs_of_one_circuit_and_of_several_may_take_turns(ionq_emulator):
    made = transport(ionq_emulator)
    sent = [(n, *submitted(made, n=n, token=f"t{n}")) for n in (3, 1, 2, 1)]
    for n, part, job_id in reversed(sent):  # what was sent last decides nothing
        document = made.results(over(made, job_id), n > 1, None, patience(made))
        found = decode(document, part.n_wires, 200, over(made, job_id).children)
        assert sum(map(len, found)) == n


@pytest.mark.parametrize(
    ("fault", "parameters", "kind"),
    [
        ("too_many_requests", {}, NotAccepted),
        ("server_error", {"status": 500, "html": True}, Unclear),
        ("server_error", {"status": 503, "html": False}, Unclear),
        ("dropped", {}, Unclear),
        ("lost_answer", {}, Unclear),
        ("wrong_json", {}, Unclear),
        ("slow", {"seconds": 5.0}, Unclear),
    ],
)
def test_a_submission_is_made_once_whatever_the_answer(ionq_emulator, fault, parameters, kind):
    made = transport(ionq_emulator, timeout_s=0.5)
    ionq_emulator.set_faults(
        {"name": fault, "where": "submit", "times": None, "parameters": parameters}
    )
    with pytest.raises(kind) as caught:
        submitted(made)
    assert type(caught.value) is kind and KEY not in str(caught.value)
    assert len(ionq_emulator.requests("submit")) <= 1  # one that is slow is not noted yet


@pytest.mark.parametrize(
    "fault", ["too_many_requests", "server_error", "dropped", "lost_answer", "wrong_json"]
)
def test_looks_and_fetches_are_made_again(ionq_emulator, fault):
    made = transport(ionq_emulator)
    _, job_id = submitted(made)
    job = over(made, job_id)
    for where in ("poll", "fetch"):
        ionq_emulator.set_faults({"name": fault, "where": where, "times": 2})
        assert made.job(job_id, patience(made)).state == "completed"
        assert len(made.results(job, True, None, patience(made))) == 3
    ionq_emulator.set_faults({"name": fault, "where": "poll", "times": None})
    with pytest.raises(Over):
        made.job(job_id, patience(made, 0.3))


def test_errors_are_ours_with_the_service_s_words(start_ionq_emulator):
    emulator = start_ionq_emulator(keys=["good"])
    with pytest.raises(AuthenticationError):
        submitted(transport(emulator, "bad"))
    made = transport(emulator, "good")
    with pytest.raises(RefusedError, match="none-such") as caught:
        submitted(made, Options(target="qpu.none-such"))
    assert caught.value.status == 400
    with pytest.raises(NotThere):
        made.job("b8a7c1de-0000-4000-8000-000000000000", patience(made))


def test_a_service_that_is_away_is_unreachable():
    made = CirqTransport(Server("http://127.0.0.1:1", KEY), Clock(), RETRIES, timeout_s=2.0)
    with pytest.raises(Unclear):
        submitted(made)
    with pytest.raises((Over, UnreachableError)):
        made.job("7", patience(made, 0.3))


def test_a_version_that_it_does_not_speak_is_refused(monkeypatch):
    from cirq_ionq.ionq_client import _IonQClient

    other = {"v0.3": "v0.4", "v0.4": "v0.3"}
    spoken = getattr(_IonQClient, "SUPPORTED_VERSIONS", {"v0.4"})
    (version,) = [one for one in other if other[one] in spoken and one not in spoken]
    with pytest.raises(ConfigurationError, match="does not speak"):
        CirqTransport(Server("http://localhost:1", KEY, version))
