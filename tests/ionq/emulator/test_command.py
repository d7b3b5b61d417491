"""`qstore ionq-emulator`, run the way people run it."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import httpx
import pytest

from qstore_tf import cli
from qstore_tf.ionq.emulator import command

BODY = {
    "type": "ionq.circuit.v1",
    "backend": "simulator",
    "shots": 100,
    "input": {"qubits": 1, "circuit": [{"gate": "h", "target": 0}]},
}


@contextmanager
def emulator(*options):
    """The command as a process: (process, address without version, what it said)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "qstore_tf", "ionq-emulator", "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    timer = threading.Timer(60, process.kill)
    timer.start()
    try:
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, f"it did not start: {said}"
            said += line
        yield process, re.search(r"IONQ_REMOTE_HOST=(\S+)", said)[1], said
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stdout.close()


def run(host, key="any"):
    """Sends a job and waits for its probabilities."""
    headers = {"Authorization": f"apiKey {key}"}
    created = httpx.post(f"{host}/v0.4/jobs", json=BODY, headers=headers)
    if created.status_code != 201:
        return created.status_code
    job_id = created.json()["id"]
    until = time.monotonic() + 20
    while True:
        answer = httpx.get(f"{host}/v0.4/jobs/{job_id}/results/probabilities", headers=headers)
        if answer.status_code == 200:
            return answer.json()
        assert time.monotonic() < until, answer.text
        time.sleep(0.05)


@pytest.mark.slow
def test_it_says_how_to_reach_it_runs_jobs_keeps_them_and_stops(tmp_path):
    file = tmp_path / "jobs.sqlite"
    keys = tmp_path / "keys"
    keys.write_text("first\nsecond\n")
    options = ("--db", str(file), "--keys", f"@{keys}")
    with emulator(*options) as (process, host, said):
        assert f"IONQ_API_URL={host}/v0.4\n" in said and "first" not in said
        assert run(host, "second") == {"0": pytest.approx(0.5), "1": pytest.approx(0.5)}
        assert run(host, "third") == 401
        assert "Local IonQ" in httpx.get(host).text
        process.send_signal(signal.SIGINT)
        rest = process.communicate(timeout=20)[0]
        assert process.returncode == 0
        assert rest == "stopped\n"
    with emulator(*options, "--seed", "3") as (process, host, _):
        assert httpx.get(f"{host}/emulator/page/jobs").json()["total"] == 1
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0


def test_its_address_takes_connections_before_it_is_told():
    with command._listen("127.0.0.1", 0) as listening:
        socket.create_connection(listening.getsockname(), timeout=10).close()


@pytest.mark.parametrize(
    ("keys", "typed", "key"),
    [
        (None, "", "any-key-is-good"),
        ("one,two", "two\n", "two"),
        ("@{folder}/some 'keys'", "", "first"),
    ],
)
def test_what_it_says_can_be_pasted_into_a_shell(tmp_path, keys, typed, key):
    (tmp_path / "some 'keys'").write_text("\n  first \nsecond\n")
    given = keys and keys.format(folder=tmp_path)
    said = command._welcome("0.0.0.0", 8000, given)
    pasted = [line.strip() for line in said.splitlines() if line.startswith("  ")]
    assert len(pasted) == 3 and not any("two" in line or "first" in line for line in pasted)
    script = "\n".join([*pasted, "env | grep ^IONQ_"])
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IONQ_")}
    shell = subprocess.run(
        ["bash", "-c", script], input=typed, capture_output=True, text=True, env=environment
    )
    assert sorted(shell.stdout.splitlines()) == [
        f"IONQ_API_KEY={key}",
        "IONQ_API_URL=http://127.0.0.1:8000/v0.4",
        "IONQ_REMOTE_HOST=http://127.0.0.1:8000",
    ]
    assert shell.stderr == ""


def options(*words):
    return command.settings_of(cli.build_parser().parse_args(["ionq-emulator", *words]))


def test_options_become_settings(tmp_path):
    faults = [{"name": "slow", "seconds": 0.5}]
    file = tmp_path / "faults.json"
    file.write_text(json.dumps(faults))
    assert options("--faults", f"@{file}")["faults"] == faults
    assert options("--faults", json.dumps(faults))["faults"] == faults
    assert options("--faults", json.dumps(faults[0]))["faults"] == faults
    assert options("--faults", "dropped, server_error:0.25")["faults"] == [
        {"name": "dropped"},
        {"name": "server_error", "probability": 0.25, "times": None},
    ]
    found = options("--delay", "2", "--run-time", "1.5", "--slots", "3", "--ideal")
    assert (found["delay_s"], found["run_s"], found["slots"]) == (2.0, 1.5, 3)
    assert (found["machine_noise"], options()["machine_noise"]) == (False, True)
    assert options()["keys"] is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--keys", ","), "--keys"),
        (("--keys", "@/nowhere/keys"), "--keys"),
        (("--faults", "[1"), "--faults"),
        (("--faults", "dropped:often"), "--faults"),
        (("--faults", "droped"), "Did you mean 'dropped'"),
        (("--delay", "-1"), "delay_s"),
        (("--delay", "nan"), "delay_s"),
        (("--port", "99999"), "--port"),
        (("--host", "nowhere.invalid"), "--host"),
        (("--db", "/nowhere/jobs.sqlite"), "/nowhere/jobs.sqlite"),
        (("--seed", "-1"), "seed"),
    ],
)
def test_mistakes_are_one_line(capsys, words, said):
    assert cli.main(["ionq-emulator", *words]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert said in captured.err
    assert captured.out == ""


def test_a_missing_package_is_said_with_its_remedy(capsys, monkeypatch):
    monkeypatch.setattr(command, "NEEDED", ("fastapi", "no_such_package"))
    assert cli.main(["ionq-emulator"]) == 2
    said = capsys.readouterr().err
    assert "needs no_such_package" in said
    assert "pip install 'qstore-tf[ionq]'" in said


def test_keys_are_not_shown(capsys):
    assert cli.main(["ionq-emulator", "--keys", "sécret", "--port", "0"]) == 2
    captured = capsys.readouterr()
    assert "cret" not in captured.err + captured.out
