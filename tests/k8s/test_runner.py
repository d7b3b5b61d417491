"""Pods of the local runner: real processes, set up as the manifests say."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from k8s.local_runner import __main__ as command
from k8s.local_runner import images, jobs, network, runner
from k8s.local_runner.network import RunnerError
from k8s.local_runner.pods import Machine, machine
from k8s.objects import ManifestError, Objects, load, training_of

Render = Callable[[str], Objects]

# In place of train.py: says what it finds, meets the others on the manifest's names and port, and
# leaves a mark in the checkpoints. Told to stop, it ends with 75.
SCRIPT = """
import json, os, signal, socket, sys, time
index, count = int(os.environ["JOB_COMPLETION_INDEX"]), int(os.environ["QSTORE_WORKERS"])
signal.signal(signal.SIGTERM, lambda *a: sys.exit(75))
def refused(path):
    try:
        open(path, "w")
    except OSError as error:
        return error.strerror
    return ""
print(json.dumps({
    "uid": os.getuid(), "gid": os.getgid(), "groups": os.getgroups(), "pid": os.getpid(),
    "host": socket.gethostname(), "python": sys.executable, "root": refused("/x"),
    "usr": refused("/usr/x"), "app": refused("/app/x"), "tmp": refused("/tmp/x"),
    "caps": [l for l in open("/proc/self/status") if l.startswith(("CapEff", "NoNewPrivs"))],
    "home": os.environ.get("HOME"), "secret": os.environ.get("IONQ_API_KEY"),
    "root folder": sorted(os.listdir("/")),
}), flush=True)
server = socket.create_server(("0.0.0.0", 2222))
for other in range(count):
    host, port = os.environ["QSTORE_WORKER_ADDRESS"].format(index=other).split(":")
    while True:
        try:
            socket.create_connection((host, int(port)), 1).close()
            break
        except OSError:
            time.sleep(0.02)
for other in range(count):  # nobody leaves before all have come
    server.accept()
print("met", flush=True)
mark = os.path.join(os.environ["CHECKPOINTS"], f"met-{index}")
again = os.path.exists(mark)
open(mark, "w").close()
MORE
"""
# The first time all wait for ever, so that something has to happen to them.
WAIT_ONCE = "time.sleep(0 if again else 600)"


def with_script(objects: Objects, more: str = "") -> Objects:
    (script,) = (each for each in objects.of("ConfigMap") if "train.py" in each["data"])
    script["data"]["train.py"] = SCRIPT.replace("MORE", more)
    return objects


@pytest.fixture
def run(rendered: Render, namespaces: None, tmp_path: Path) -> Iterator[Callable[..., Any]]:

    def inner(overlay: str, more: str, faults: Any = (), **options: Any) -> Any:
        folder = tmp_path / "machine"
        folder.mkdir()
        objects = with_script(rendered(overlay), more)
        with machine(objects, images.this_python(), folder, options.get("secrets")) as here:
            return runner.train(here, faults, first_pause=0.0), here

    yield inner
    assert not [name for name in network._existing() if f"-{os.getpid()}-" in name]
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    assert str(tmp_path) not in mounts
    assert not _processes_with(str(tmp_path))


def _processes_with(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line and int(path.parent.name) != os.getpid():
            found.append(line)
    return found


def outputs(here: Machine) -> list[str]:
    return [path.read_text() for path in sorted(here.folder.glob("pods/*/log"))]


def met(pod: Any) -> bool:
    return "met" in pod.output()


def test_a_pod_is_set_up_as_its_manifest_says(run: Callable[..., Any]) -> None:
    import json

    outcome, here = run(
        "overlays/ionq", "", secrets={"ionq": {"api-key": "not a key", "budget-token": "none"}}
    )
    assert outcome.complete and outcome.failures == 0
    found = json.loads(outputs(here)[1].splitlines()[0])
    assert (found["uid"], found["gid"], found["groups"]) == (10001, 10001, [10001])
    assert found["host"] == "train-1" and found["pid"] == 1
    assert found["python"] == str(Path(sys.prefix, "bin", "python"))
    assert found["root"] == found["usr"] == found["app"] == "Read-only file system"
    assert found["tmp"] == "" and found["home"] == "/tmp"
    assert found["caps"] == ["CapEff:\t0000000000000000\n", "NoNewPrivs:\t1\n"]
    assert found["secret"] == "not a key"
    # Nothing else of the machine is there, but where the interpreter lies.
    assert not {"boot", "srv", "sys", "var"} & set(found["root folder"])
    marks = sorted(path.name for path in here.claim("train-checkpoints").iterdir())
    assert marks == ["met-0", "met-1"]


def test_a_killed_pod_is_replaced_and_meets_the_others_again(run: Callable[..., Any]) -> None:
    # As the real script does, worker 0 ends with 76 when worker 1 is lost.
    more = (
        "if index == 1: time.sleep(0 if again else 600)\n"
        "elif not again:\n"
        "    try: socket.create_connection(('train-1.train', 2222)).recv(1)\n"
        "    except OSError: pass\n"
        "    sys.exit(76)\n"
    )
    outcome, _ = run("base", more, [jobs.Fault(1, met)])
    assert outcome.complete
    assert sorted(outcome.exits) == [(0, 0), (0, 76), (1, 0), (1, 137)]
    assert outcome.failures == 2


def test_a_jobset_restarts_all(run: Callable[..., Any]) -> None:
    outcome, _ = run("overlays/jobset", WAIT_ONCE, [jobs.Fault(1, met)])
    assert outcome.complete and outcome.restarts == 1
    assert outcome.exits[:2] == [(1, 137), (0, 75)]


def test_an_evicted_pod_gets_sigterm_and_does_not_count(run: Callable[..., Any]) -> None:
    faults = [jobs.Fault(index, met, "evict") for index in (0, 1)]
    outcome, _ = run("base", WAIT_ONCE, faults)
    assert outcome.complete and outcome.failures == 0
    assert sorted(outcome.exits) == [(0, 0), (0, 75), (1, 0), (1, 75)]


def test_a_pod_that_ignores_sigterm_is_killed_after_its_grace_period(
    rendered: Render, namespaces: None, tmp_path: Path
) -> None:
    objects = with_script(
        rendered("base"),
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); " + WAIT_ONCE,
    )
    training_of(objects).pod["spec"]["terminationGracePeriodSeconds"] = 0.5
    with machine(objects, images.this_python(), tmp_path) as here:
        faults = [jobs.Fault(i, lambda pod: "deaf" in pod.output(), "evict") for i in (0, 1)]
        outcome = runner.train(here, faults, first_pause=0.0)
    assert outcome.complete
    assert sorted(outcome.exits)[-1] == (1, 137)


def test_a_permanent_error_ends_all_pods(run: Callable[..., Any]) -> None:
    outcome, _ = run("base", "sys.exit(78) if index else time.sleep(600)")
    assert outcome.reason == "PodFailurePolicy"
    assert sorted(outcome.exits) == [(0, 75), (1, 78)]


def test_an_error_in_the_runner_leaves_nothing_behind(run: Callable[..., Any]) -> None:
    def broken(pod: Any) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run("base", WAIT_ONCE, [jobs.Fault(0, broken)])


def test_a_killed_runner_takes_its_pods_along_and_the_next_one_sweeps_up(
    rendered: Render, namespaces: None, tmp_path: Path
) -> None:
    import yaml

    objects = with_script(rendered("base"), "time.sleep(600)")
    manifest = tmp_path / "all.yaml"
    manifest.write_text(yaml.safe_dump_all(objects.documents), encoding="utf-8")
    root = str(Path(command.__file__).resolve().parents[2])
    code = (
        f"import sys; sys.path.insert(0, {root!r}); import k8s.local_runner.__main__ as m; m.main()"
    )
    folder = tmp_path / "machine"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(manifest), "--folder", str(folder)],
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while sum(b"met" in p.read_bytes() for p in folder.glob("pods/*/log")) < 2:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.05)
        names = [name for name in network._existing() if f"-{process.pid}-" in name]
        assert len(names) == 3
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    deadline = time.monotonic() + 20
    while _processes_with(str(folder)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert set(names) <= set(network.sweep())
    assert not [name for name in network._existing() if f"-{process.pid}-" in name]


def test_the_command_says_how_it_ended(
    rendered: Render, namespaces: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import yaml

    before = signal.getsignal(signal.SIGTERM)
    try:
        for code, more in ((0, ""), (1, "sys.exit(78)")):
            objects = with_script(rendered("base"), more)
            manifest = tmp_path / f"{code}.yaml"
            manifest.write_text(yaml.safe_dump_all(objects.documents), encoding="utf-8")
            assert command.main([str(manifest), "--folder", str(tmp_path / str(code))]) == code
            assert "train-0 started" in capsys.readouterr().out
        manifest.write_text("a: 1", encoding="utf-8")
        assert command.main([str(manifest), "--folder", str(tmp_path / "2")]) == 2
        assert "error: No Kubernetes object" in capsys.readouterr().err
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_machine_that_refuses_namespaces_is_named(
    rendered: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    here = machine(rendered("base"), images.this_python(), tmp_path)
    with pytest.raises(RunnerError, match="cannot run on this machine: namespaces need root"):
        here.__enter__()
    monkeypatch.setenv("PATH", str(tmp_path))
    here = machine(rendered("base"), images.this_python(), tmp_path)
    with pytest.raises(RunnerError, match="install iproute2 and util-linux"):
        here.__enter__()


def test_what_is_not_supported_is_said(rendered: Render) -> None:
    objects = rendered("base")
    objects.documents.append({**objects.of("Job")[0], "metadata": {"name": "other"}})
    with pytest.raises(ManifestError, match="Expected one Job or one JobSet. Found: Job 'train'"):
        training_of(objects)
    with pytest.raises(ManifestError, match="Expected one Job or one JobSet. Found: none"):
        training_of(load("apiVersion: v1\nkind: Service\nmetadata: {name: a}"))
    jobset = rendered("overlays/jobset")
    jobset.of("JobSet")[0]["spec"]["failurePolicy"]["restartStrategy"] = "InPlaceRestart"
    with pytest.raises(ManifestError, match="BlockingRecreate"):
        jobs.run(training_of(jobset), lambda index: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(ManifestError, match="There is no Secret"):
        rendered("base").get("Secret", "ionq")
