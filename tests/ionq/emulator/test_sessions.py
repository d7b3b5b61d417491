"""Sessions and their limits."""

import pytest


def opened(client, backend="qpu.forte-1", **settings):
    answer = client.post("/v0.4/sessions", json={"backend": backend, "settings": settings})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_session_lives_and_ends(start, clock):
    _, client = start(clock=clock)
    session = opened(client)
    assert session["status"] == "created" and session["active"] and session["settings"] == {}
    job_id = client.accepted(backend="qpu.forte-1", session_id=session["id"])
    client.accepted(backend="qpu.forte-1")
    assert client.job(job_id)["session_id"] == session["id"]
    listed = client.get(f"/v0.4/sessions/{session['id']}/jobs").json()["jobs"]
    assert [job["id"] for job in listed] == [job_id]
    assert client.get(f"/v0.4/sessions/{session['id']}").json()["status"] == "started"
    clock.now += 60
    ended = client.post(f"/v0.4/sessions/{session['id']}/end").json()
    assert ended["status"] == "ended" and not ended["active"] and ended["ended_at"]
    assert ended["ender_id"] == ended["creator_id"]
    clock.now += 60
    assert client.post(f"/v0.4/sessions/{session['id']}/end").json() == ended
    answer = client.submit(backend="qpu.forte-1", session_id=session["id"])
    assert answer.status_code == 400 and "ended" in answer.json()["message"]
    assert client.wait(job_id)["status"] == "completed"


def test_a_limit_on_jobs(start):
    _, client = start()
    session = opened(client, job_count_limit=2)["id"]
    answers = [client.submit(backend="qpu.forte-1", session_id=session) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 201, 400]
    assert "limit" in answers[2].json()["message"]


def test_a_limit_on_time(start, clock):
    _, client = start(clock=clock)
    session = opened(client, duration_limit_min=5)
    assert session["settings"]["expires_at"] > session["created_at"]
    client.accepted(backend="qpu.forte-1", session_id=session["id"])
    clock.now += 300
    assert not client.get(f"/v0.4/sessions/{session['id']}").json()["active"]
    assert client.submit(backend="qpu.forte-1", session_id=session["id"]).status_code == 400


def test_a_limit_on_cost_counts_what_may_still_be_billed(start, clock):
    _, client = start(clock=clock, delay_s=10)
    price = client.get("/v0.4/jobs/estimate?backend=qpu.forte-1&shots=100&1q_gates=1&2q_gates=1")
    one = price.json()["estimated_total_cost"]
    session = opened(client, cost_limit={"unit": "usd", "value": 2.5 * one})["id"]
    fields = {"backend": "qpu.forte-1", "session_id": session}
    first, second = client.accepted(**fields), client.accepted(**fields)
    assert client.submit(**fields).status_code == 400
    client.accepted(**fields, dry_run=True)  # costs nothing
    client.put(f"/v0.4/jobs/{first}/status/cancel")  # before it ran: costs nothing
    third = client.accepted(**fields)
    clock.now += 20
    assert client.wait(second)["status"] == client.wait(third)["status"] == "completed"
    assert client.submit(**fields).status_code == 400


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"backend": "nowhere"},
        {"backend": "simulator", "settings": 1},
        {"backend": "simulator", "settings": {"job_count_limit": 0}},
        {"backend": "simulator", "settings": {"duration_limit_min": "5"}},
        {"backend": "simulator", "settings": {"cost_limit": 5}},
        {"backend": "simulator", "settings": {"cost_limit": {"value": -1}}},
        {"backend": "simulator", "settings": {"cost_limit": {"value": True}}},
    ],
)
def test_sessions_that_make_no_sense_are_refused(start, body):
    _, client = start()
    assert client.post("/v0.4/sessions", json=body).status_code == 400


def test_a_session_is_for_one_machine_and_one_currency(start):
    _, client = start()
    session = opened(client, cost_limit={"unit": "eur", "value": 1000})["id"]
    assert client.submit(session_id=session).status_code == 400
    answer = client.submit(session_id=session, backend="qpu.forte-1")
    assert answer.status_code == 400 and "eur" in answer.json()["message"]
    assert client.submit(session_id="none").status_code == 400


def test_lists_of_sessions(start):
    _, client = start()
    first, second = opened(client)["id"], opened(client)["id"]
    client.post(f"/v0.4/sessions/{first}/end")

    def listed(query):
        return [one["id"] for one in client.get(f"/v0.4/sessions{query}").json()["sessions"]]

    assert listed("") == [second, first]
    assert listed("?active=true") == [second] and listed("?active=false") == [first]
    assert client.get("/v0.4/sessions?active=perhaps").status_code == 400
