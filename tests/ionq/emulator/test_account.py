"""Keys, machines, prices, usage, schemas, and what was received."""

from decimal import Decimal

import pytest

from qstore_tf.errors import ConfigurationError
from qstore_tf.ionq.emulator.pricing import ComputeTime
from qstore_tf.ionq.emulator.results import FORMATS
from qstore_tf.ionq.emulator.settings import Settings
from qstore_tf.ionq.prices import cost, price_table

SECRET = "a-secret-that-nobody-may-see"


def test_any_key_is_good_but_each_has_its_own_jobs(start, new_client):
    emulator, client = start()
    job_id = client.accepted(circuits=[[]])
    child = client.wait(job_id)["child_job_ids"][0]
    session = client.post("/v0.4/sessions", json={"backend": "simulator"}).json()["id"]
    with new_client(emulator, "another-key") as other:
        for one in (job_id, child):
            for method, path in (
                ("GET", ""),
                ("GET", "/cost"),
                ("GET", "/results/probabilities"),
                ("GET", "/artifacts/probabilities"),
                ("PUT", "/status/cancel"),
                ("POST", "/clone"),
                ("DELETE", ""),
            ):
                answer = other.request(method, f"/v0.4/jobs/{one}{path}")
                assert answer.status_code == 404, (method, path)
        assert other.get("/v0.4/jobs").json()["jobs"] == []
        assert other.get("/v0.4/jobs", params={"parent_job_id": job_id}).status_code == 404
        assert other.get(f"/v0.4/sessions/{session}").status_code == 404
        assert other.submit(session_id=session).status_code == 400
        other.accepted()
    assert client.job(job_id)["status"] == "completed"


def test_only_given_keys_are_good_and_organizations_share_their_jobs(start, new_client):
    emulator, client = start("one", keys={"one": "org", "two": "org", "three": "else"})
    job_id = client.accepted()
    for key, status in (("two", 200), ("three", 404), ("four", 401), ("é", 401)):
        header = [(b"authorization", f"apiKey {key}".encode())]
        with new_client(emulator, "x") as other:
            answer = other.get(f"/v0.4/jobs/{job_id}", headers=header)
            assert answer.status_code == status
    assert client.get("/v0.4/whoami").json()["organization_id"] == "org"


@pytest.mark.parametrize("header", [None, "", "apiKey", "Bearer abc", "abc"])
def test_requests_without_a_key_are_refused_except_about_machines(start, header):
    _, client = start()
    client.headers.pop("Authorization")
    headers = {} if header is None else {"Authorization": header}
    answer = client.get("/v0.4/jobs", headers=headers)
    assert answer.status_code == 401 and answer.json()["error"] == "Unauthorized Error"
    assert client.post("/v0.4/jobs", json={}, headers=headers).status_code == 401
    assert client.get("/v0.4/backends", headers=headers).status_code == 200
    assert client.get("/v0.4/backends/simulator", headers=headers).status_code == 200


def test_no_key_is_shown_or_stored(start, tmp_path, capfd):
    emulator, client = start(SECRET, keys=[SECRET], db=tmp_path / "state.sqlite")
    client.wait(client.accepted(name="to be found"))
    client.get(f"/v0.4/jobs/{SECRET}", params={"q": SECRET}, headers={"User-Agent": SECRET})
    client.post("/v0.4/sessions", json={"backend": SECRET})
    for path in ("/emulator/requests", "/emulator/settings", "/emulator/jobs"):
        assert SECRET not in client.get(path).text
    received = client.get("/emulator/requests").json()["requests"]
    assert received[-1]["json"] == {"backend": "***"} and received[-1]["has_key"]
    assert SECRET not in repr(emulator.settings) and SECRET not in repr(emulator.requests())
    stored = b"".join(one.read_bytes() for one in tmp_path.iterdir())
    assert b"to be found" in stored and SECRET.encode() not in stored
    captured = capfd.readouterr()
    assert SECRET not in captured.out + captured.err


def test_what_was_received_is_listed(start):
    _, client = start()
    job_id = client.accepted(shots="7", lang="json")
    client.wait(job_id)
    client.get("/nowhere")
    received = client.get("/emulator/requests", params={"call": "submit"}).json()["requests"]
    assert len(received) == 1 and received[0]["json"]["lang"] == "json"
    assert (received[0]["status"], received[0]["method"]) == (201, "POST")
    assert client.get("/emulator/requests?call=x").status_code == 400
    client.delete("/emulator/requests")
    assert client.get("/emulator/requests").json() == {"requests": []}


def test_machines(start):
    _, client = start()
    machines = {one["backend"]: one for one in client.get("/v0.4/backends").json()}
    assert set(machines) == {
        *("qpu.aria-1", "qpu.aria-2", "qpu.forte-1", "qpu.forte-enterprise-1", "simulator")
    }
    forte = client.get("/v0.4/backends/qpu.forte-1").json()
    assert forte["qubits"] == 36 and forte["supported_native_gates"] == ["gpi", "gpi2", "zz"]
    listed = client.get("/v0.4/backends/qpu.forte-1/characterizations?limit=1").json()
    one = listed["characterizations"][0]
    assert one["id"] == forte["characterization_id"]
    address = f"/v0.4/backends/qpu.forte-1/characterizations/{one['id']}"
    assert client.get(address).json() == one
    assert len(one["connectivity"]) == 36 * 35 // 2
    for missing in ("/backends/qpu.qpu", "/backends/qpu.forte-1/characterizations/x"):
        assert client.get(f"/v0.4{missing}").status_code == 404


@pytest.mark.parametrize("mitigation", [False, True])
def test_an_estimate_is_what_a_job_then_costs(start, mitigation, native):
    _, client = start()
    query = {
        "backend": "qpu.forte-1",
        "1q_gates": 1,
        "2q_gates": 1,
        "shots": 600,
        "error_mitigation": mitigation,
    }
    estimate = client.get("/v0.4/jobs/estimate", params=query).json()
    table = price_table("azure", "forte-1")
    assert estimate["estimated_total_cost"] == estimate["estimated_cost"]
    assert estimate["estimated_total_cost"] == float(cost(table, 1, 1, 600, mitigation))
    rate = estimate["rate_card"]["rates"][0]
    old = estimate["rate_information"]
    for field in ("cost_1q_gate", "cost_2q_gate", "job_cost_minimum"):
        assert rate[field] == old[field] > 0
    assert rate["unit"] == "gates" and estimate["estimated_unit"] == estimate["cost_unit"] == "usd"
    job_id = client.accepted(
        native,
        gateset="native",
        backend="qpu.forte-1",
        shots=600,
        settings={"error_mitigation": {"debiasing": mitigation}},
    )
    client.wait(job_id)
    answer = client.get(f"/v0.4/jobs/{job_id}/cost").json()
    assert answer["cost"] == answer["estimated_cost"]
    assert answer["cost"] == {"value": estimate["estimated_total_cost"], "unit": "usd"}


def test_simulators_have_no_price(start):
    _, client = start()
    job_id = client.accepted()
    client.wait(job_id)
    assert client.get(f"/v0.4/jobs/{job_id}/cost").json() == {"dry_run": False}
    estimate = client.get("/v0.4/jobs/estimate?backend=simulator").json()
    assert estimate["estimated_total_cost"] == 0 and estimate["rate_card"]["rates"] == []
    assert "cost_model" not in client.job(job_id)


def test_prices_by_compute_time(start):
    prices = {"qpu.forte-1": ComputeTime(Decimal("36"))}
    _, client = start(prices=prices)
    job = client.wait(client.accepted(backend="qpu.forte-1", shots=1000))
    assert job["cost_model"] == "QCT"
    # One gate of 135 and one of 600 microseconds.
    assert job["stats"]["billed_quantum_compute_time_us"] == 735_000
    answer = client.get(f"/v0.4/jobs/{job['id']}/cost").json()
    assert answer["cost"] == {"value": pytest.approx(0.735 * 36), "unit": "credit"}
    estimate = client.get("/v0.4/jobs/estimate?backend=qpu.forte-1&1q_gates=1&2q_gates=1").json()
    assert estimate["rate_card"]["rates"][0]["unit_cost"] == 36
    assert estimate["estimated_quantum_compute_time_us"] == 735_000


@pytest.mark.parametrize(
    "query", ["", "backend=x", "backend=simulator&shots=0", "backend=simulator&1q_gates=-1"]
)
def test_estimates_that_make_no_sense_are_refused(start, query):
    _, client = start()
    assert client.get(f"/v0.4/jobs/estimate?{query}").status_code == 400


def test_usage_adds_up_what_was_billed(start, clock):
    _, client = start(clock=clock)
    organization = client.get("/v0.4/whoami").json()["organization_id"]
    total = 0.0
    for days in (0, 1, 40):
        clock.now += 86_400 * days
        for backend in ("simulator", "qpu.forte-1"):
            job_id = client.accepted(backend=backend)
            client.wait(job_id)
            total += (
                client.get(f"/v0.4/jobs/{job_id}/cost").json().get("cost", {"value": 0})["value"]
            )
    query = {
        "start_date": "2027-01-01",
        "end_date": "2027-12-31",
        "group_by": "user",
        "modality": "daily",
    }
    address = f"/v0.4/organizations/{organization}/usage"
    usage = client.get(address, params=query).json()
    assert usage["amount_total"] == pytest.approx(total) and usage["job_count"] == 3
    assert len(usage["usage_data"]) == 3
    assert sum(day["amount"] for day in usage["usage_data"]) == pytest.approx(total)
    assert usage["usage_data"][0]["from"] > usage["usage_data"][1]["from"]
    assert usage["usage_data"][0]["group_usages"][0]["job_count"] == 1
    monthly = client.get(address, params={**query, "modality": "monthly"}).json()
    assert [month["job_count"] for month in monthly["usage_data"]] == [1, 2]
    short = client.get(address, params={**query, "end_date": "2027-01-02"}).json()
    assert short["job_count"] == 0 and short["usage_data"] == []
    for wrong in ({"group_by": "x"}, {"modality": "x"}, {"start_date": "x"}):
        assert client.get(address, params={**query, **wrong}).status_code == 400
    assert client.get("/v0.4/organizations/other/usage", params=query).status_code == 404


def test_schemas_of_all_formats(start):
    _, client = start()
    for name in (*FORMATS.values(), "ionq.native.v1"):
        schema = client.get(f"/v0.4/schemas/formats/{name}").json()
        assert schema["$id"] == name and schema["$schema"] and schema["type"]
    assert client.get("/v0.4/schemas/formats/x").status_code == 404


def test_control_shows_all_jobs_and_can_be_left_out(start):
    emulator, client = start()
    ids = [client.accepted() for _ in range(3)]
    listed = client.get("/emulator/jobs?limit=2").json()
    assert listed["total"] == 3 and [job["id"] for job in listed["jobs"]] == ids[:0:-1]
    assert [j["id"] for j in client.get("/emulator/jobs?offset=2").json()["jobs"]] == ids[:1]
    client.wait(ids[0])
    shown = client.get(f"/emulator/jobs/{ids[0]}").json()
    assert shown["input"]["circuit"][0] == {"gate": "h", "target": 0}
    assert shown["probabilities"] == [{"0": pytest.approx(0.5), "3": pytest.approx(0.5)}]
    assert client.get("/emulator/jobs/x").status_code == 404
    assert client.get("/emulator/settings").json()["delay_s"] == 0
    _, bare = start(control=False)
    assert bare.get("/emulator/jobs").status_code == 404


@pytest.mark.parametrize(
    "wrong",
    [
        {"delay_s": -1},
        {"run_s": float("nan")},
        {"lag_s": "1"},
        {"slots": 0},
        {"seed": -1},
        {"keys": "key"},
        {"keys": [""]},
        {"keys": [f"{SECRET}\n"]},
        {"most_bytes": 1},
        {"delay": 1},
        {"faults": [{"name": "fire"}]},
    ],
)
def test_settings_that_make_no_sense_are_refused(start, wrong):
    with pytest.raises(ConfigurationError) as caught:
        start(**wrong)
    assert SECRET not in str(caught.value)


def test_settings_are_named_in_the_error():
    with pytest.raises(ConfigurationError, match="delay_s"):
        Settings.of(delay=1)
