"""The web page of the local IonQ: what it is told, and what a person sees in headless Chromium."""

import json
import os
import sys
import time
from pathlib import Path

import httpx
import pytest

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.ionq.emulator import page_data
from qstore_tf.ionq.emulator.page_data import picture
from qstore_tf.ionq.emulator.running import Emulator

sys.path.insert(0, str(Path(__file__).parents[2] / "callbacks"))
import browser

EVIL = "<img src=x onerror=\"document.title='broken'\"><script>document.title='broken'</script>"
BELL = [{"gate": "h", "target": 0}, {"gate": "cnot", "control": 0, "target": 1}]
KEY = {"Authorization": "apiKey someone"}


def submit(emulator, **changes):
    body = {
        "type": "ionq.circuit.v1",
        "backend": "simulator",
        "shots": 100,
        "name": "bell",
        "input": {"qubits": 2, "gateset": "qis", "circuit": BELL},
    }
    answer = httpx.post(f"{emulator.url}/jobs", json={**body, **changes}, headers=KEY)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def wait(emulator, job_id, status="completed"):
    def reached():
        answer = httpx.get(f"{emulator.url}/jobs/{job_id}", headers=KEY)
        return answer.json()["status"] == status

    until = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.02)


def data(emulator, path):
    answer = httpx.get(f"{emulator.host}/emulator/page/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.fixture(scope="module")
def served():
    with Emulator() as emulator:
        yield emulator


def test_jobs_are_listed_with_costs_and_sums(served):
    free = submit(served)
    native = [{"gate": "gpi2", "target": 0, "phase": 0.1}]
    paid = submit(
        served,
        backend="qpu.forte-1",
        input={"qubits": 1, "gateset": "native", "circuit": native},
        settings={"error_mitigation": {"debiasing": False}},
    )
    for job_id in (free, paid):
        wait(served, job_id)
    listed = data(served, "jobs")
    assert [job["id"] for job in listed["jobs"][:2]] == [paid, free]
    assert listed["total"] == len(listed["jobs"])
    assert listed["statuses"]["completed"] >= 2
    first = listed["jobs"][0]
    assert (first["target"], first["gates"], first["qubits"]) == ("qpu.forte-1", [1, 0], 1)
    assert first["cost"]["value"] > 0
    costs = [job["cost"]["value"] for job in listed["jobs"] if job["cost"]]
    assert listed["spent"] == [{"unit": first["cost"]["unit"], "value": pytest.approx(sum(costs))}]
    assert len(data(served, "jobs?limit=1")["jobs"]) == 1


def test_a_job_is_shown_with_its_circuit_and_outcomes(served):
    parts = [{"circuit": BELL}, {"circuit": BELL[:1], "name": "half"}]
    job_id = submit(
        served,
        type="ionq.multi-circuit.v1",
        metadata={"who": "me"},
        input={"qubits": 3, "gateset": "qis", "circuits": parts},
    )
    wait(served, job_id)
    first, second = (data(served, f"jobs/{job_id}?circuit={k}") for k in (0, 1))
    assert first["job"]["metadata"] == {"who": "me"}
    assert [[gate["name"] for gate in column] for column in first["circuit"]["columns"]] == [
        ["H"],
        ["X"],
    ]
    assert first["circuit"]["columns"][1][0]["controls"] == [0]
    assert first["outcomes"] == {
        "shown": [
            {"bits": "000", "probability": pytest.approx(0.5)},
            {"bits": "110", "probability": pytest.approx(0.5)},
        ],
        "number": 2,
        "rest": pytest.approx(0.0),
    }
    assert second["circuit"]["name"] == "half"
    assert [one["bits"] for one in second["outcomes"]["shown"]] == ["000", "100"]


@pytest.mark.parametrize(
    ("path", "status"),
    [("jobs/none", 404), ("jobs?limit=x", 400), ("secret.txt", 404), ("__init__.py", 404)],
)
def test_what_is_not_there_is_refused(served, path, status):
    assert httpx.get(f"{served.host}/emulator/page/{path}").status_code == status


def test_a_circuit_that_is_not_there_is_refused(served):
    job_id = submit(served)
    answer = httpx.get(f"{served.host}/emulator/page/jobs/{job_id}?circuit=1")
    assert answer.status_code == 400


def test_large_circuits_are_cut_and_wide_ones_not_drawn(served, monkeypatch):
    monkeypatch.setattr(page_data, "MOST_COLUMNS", 5)
    long = UnifiedCircuit(2)
    for k in range(40):
        long.add_gate("H", k % 2)
    shown = picture(long)
    assert (len(shown["columns"]), shown["left_out"]) == (5, 30)
    monkeypatch.setattr(page_data, "MOST_QUBITS", 1)
    assert "too many qubits" in data(served, f"jobs/{submit(served)}")["circuit"]["problem"]


def test_only_files_of_this_server_are_run(served):
    for path in ("/", "/emulator/page/page.js", "/emulator/page/page.css"):
        answer = httpx.get(f"{served.host}{path}")
        assert answer.status_code == 200
        assert "default-src 'none'; script-src 'self'" in answer.headers["content-security-policy"]
        # No address of another server; that of the SVG namespace is a name.
        text = answer.text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text
        assert "https:" not in text
    assert "javascript" in httpx.get(f"{served.host}/emulator/page/page.js").headers["content-type"]


@pytest.fixture(scope="module")
def seen():
    if browser.programs() is None:
        message = "chromium and chromedriver are not installed (apt-get install chromium-driver)"
        if os.environ.get("QSTORE_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    with Emulator(seed=1) as emulator, browser.chromium() as driver:
        driver.get(emulator.host)
        yield emulator, driver


def soon(what):
    browser.wait_for(what, 30)


@pytest.mark.slow
def test_a_person_sees_jobs_circuits_and_outcomes_come(seen):
    emulator, driver = seen
    soon(lambda: "No jobs yet" in driver.find_element("tag name", "main").text)
    job_id = submit(emulator, name="my first job")
    soon(lambda: "my first job" in browser.texts(driver))
    soon(lambda: "11" in [bar.text for bar in driver.find_elements("css selector", ".bar code")])
    assert driver.find_element("id", "job-title").text == "my first job"
    assert len(driver.find_elements("css selector", "#circuit svg .wire")) == 2
    assert len(driver.find_elements("css selector", "#circuit svg .flip")) == 1
    assert "1 job: 1 completed" in driver.find_element("id", "summary").text
    assert job_id in driver.current_url


@pytest.mark.slow
def test_circuits_of_a_batch_can_be_picked(seen):
    emulator, driver = seen
    turn = [{"gate": "rx", "target": 0, "rotation": 0.5}]
    parts = [{"circuit": BELL, "name": "one"}, {"circuit": turn, "name": "two"}]
    job_id = submit(
        emulator,
        name="batch",
        type="ionq.multi-circuit.v1",
        input={"qubits": 2, "gateset": "qis", "circuits": parts},
    )
    wait(emulator, job_id)
    soon(lambda: driver.find_elements("css selector", f"tr[data-id='{job_id}']"))
    driver.execute_script("document.querySelector(`tr[data-id='${arguments[0]}']`).click()", job_id)
    soon(lambda: driver.find_element("id", "circuit-name").text == "one")
    driver.find_element("id", "after").click()
    soon(lambda: driver.find_element("id", "circuit-name").text == "two")
    assert "RX" in driver.find_element("id", "circuit").text


@pytest.mark.slow
def test_what_clients_send_stays_text(seen):
    emulator, driver = seen
    job_id = submit(
        emulator,
        name=EVIL,
        metadata={EVIL[:40]: EVIL},
        type="ionq.multi-circuit.v1",
        input={"qubits": 2, "gateset": "qis", "circuits": [{"circuit": BELL, "name": EVIL}] * 2},
    )
    wait(emulator, job_id)
    driver.get(f"{emulator.host}/#{job_id}")
    driver.refresh()
    soon(lambda: driver.find_element("id", "job-title").text == EVIL)
    soon(lambda: driver.find_element("id", "circuit-name").text == EVIL)
    assert (
        EVIL
        in json.loads(driver.find_element("id", "metadata").get_attribute("textContent"))[
            "metadata"
        ].values()
    )
    assert driver.title == "Local IonQ"
    assert not driver.find_elements("css selector", "img, main script")


@pytest.mark.slow
def test_a_failure_is_shown_with_its_text(seen):
    emulator, driver = seen
    emulator.set_faults({"name": "failed_job", "parameters": {"message": "ion lost"}})
    job_id = submit(emulator, name="fails")
    driver.get(f"{emulator.host}/#{job_id}")
    driver.refresh()
    soon(lambda: "ion lost" in driver.find_element("id", "failure").text)
    picture_file = os.environ.get("QSTORE_SCREENSHOT")
    if picture_file:
        driver.save_screenshot(picture_file)
