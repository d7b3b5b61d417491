"""Sessions: opened with limits that the service enforces, and ended whatever happens."""

import json
from decimal import Decimal

import httpx
import pytest
from conftest import KEY, RETRIES, some_work
from simulated import SimulatedClock

from qstore_tf.errors import AuthenticationError, ConfigurationError, PriceError, RefusedError
from qstore_tf.ionq.service import Server
from qstore_tf.ionq.service.client import Client
from qstore_tf.ionq.service.sessions import Session


def sessions(emulator):
    headers = {"Authorization": f"apiKey {KEY}"}
    return httpx.get(f"{emulator.url}/sessions", headers=headers).json()["sessions"]


def session(emulator, **limits):
    client = Client(Server(emulator.url, KEY), SimulatedClock(), RETRIES)
    return Session(client.server, "qpu.forte-1", client=client, **limits)


def test_jobs_of_a_session_say_so_and_it_ends_with_the_block(ionq_emulator, quick):
    with session(ionq_emulator, usd="1000.50", max_jobs=3, max_minutes=5) as opened:
        (there,) = sessions(ionq_emulator)
        assert there["id"] == opened.id and there["active"]
        quick(ionq_emulator, session=opened).run(some_work())
        quick(ionq_emulator, session=opened.id).run(some_work(seed=1))
    sent = [json.loads(request.body) for request in ionq_emulator.requests("submit")]
    assert [each["session_id"] for each in sent] == [opened.id] * 2
    (there,) = sessions(ionq_emulator)
    assert not there["active"] and there["status"] == "ended"
    settings = there["settings"]
    assert settings["job_count_limit"] == 3 and settings["duration_limit_min"] == 5
    assert Decimal(str(settings["cost_limit"]["value"])) == Decimal("1000.5")


def test_an_error_inside_the_block_ends_it_too(ionq_emulator):
    with pytest.raises(ZeroDivisionError), session(ionq_emulator) as opened:
        assert opened.id and 1 / 0
    (there,) = sessions(ionq_emulator)
    assert not there["active"]


@pytest.mark.parametrize("limits", [{"max_jobs": 1}, {"usd": "0.01"}], ids=str)
def test_the_service_refuses_what_is_over_a_limit(ionq_emulator, quick, limits):
    with session(ionq_emulator, **limits) as opened:
        executor = quick(ionq_emulator, session=opened, max_circuits=3, max_in_flight=1)
        with pytest.raises(RefusedError) as caught:
            executor.run(some_work())
    assert "limit" in caught.value.text and caught.value.circuits
    assert len(ionq_emulator.jobs()) == limits.get("max_jobs", 0)


def test_work_after_its_end_is_refused(ionq_emulator, quick):
    with session(ionq_emulator) as opened:
        pass
    with pytest.raises(RefusedError, match="ended"):
        quick(ionq_emulator, session=opened).run(some_work())
    opened.end()  # once more does no harm


@pytest.mark.parametrize(
    "fault", ["too_many_requests", "server_error", "dropped", "lost_answer", "wrong_json"]
)
def test_what_real_servers_do(ionq_emulator, fault):
    ionq_emulator.set_faults({"name": fault, "where": "other", "times": 3})
    with session(ionq_emulator) as opened:
        pass
    there = {each["id"]: each["active"] for each in sessions(ionq_emulator)}
    assert there.pop(opened.id) is False
    # Of an answer that was lost there is a session that nobody uses, and costs nothing.
    assert bool(there) == (fault in ("lost_answer", "wrong_json"))


@pytest.mark.parametrize(
    "limits", [{"max_jobs": 0}, {"max_jobs": 1.5}, {"max_minutes": True}, {"usd": "much"}], ids=str
)
def test_limits_that_make_no_sense(ionq_emulator, limits):
    with pytest.raises((ConfigurationError, PriceError)):
        session(ionq_emulator, **limits)
    assert not sessions(ionq_emulator)


def test_other_versions_and_keys(start_ionq_emulator, quick):
    emulator = start_ionq_emulator(keys=["good"])
    with pytest.raises(ConfigurationError, match=r"v0\.4"):
        Session(Server(emulator.host + "/v0.3", KEY))
    with pytest.raises(AuthenticationError):
        session(emulator)
