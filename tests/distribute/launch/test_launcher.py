"""The launcher, with scripts that need no TensorFlow in place of trainings."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qstore_tf import cli
from qstore_tf.distribute.launch import ports as ports_module
from qstore_tf.distribute.launch.launcher import launch
from qstore_tf.distribute.launch.ports import held_ports
from qstore_tf.errors import ConfigurationError

LINUX = sys.platform == "linux"
# What every script begins with: who am I, which attempt, and where are notes left.
HEAD = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
config = json.loads(os.environ["TF_CONFIG"])
index = config["task"]["index"]
notes = Path(sys.argv[1])
attempt = len(list(notes.glob(f"start-{index}-*"))) + 1
(notes / f"start-{index}-{attempt}").write_text(str(os.getpid()))
def wait_for(name):
    while not list(notes.glob(name)):
        time.sleep(0.01)
"""


def alive(token: str) -> list[int]:
    """All processes with the token in their environment: workers and what they have started."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            status = (entry / "stat").read_text().rpartition(")")[2].split()[0]
            if status != "Z" and token.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@pytest.fixture
def token(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Marks what a test starts, and fails the test that leaves any of it behind."""
    token = f"token-{uuid.uuid4()}"
    monkeypatch.setenv("LAUNCHER_TEST", token)
    yield token
    monkeypatch.undo()
    left = alive(token)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert not left


@pytest.fixture
def script(tmp_path: Path, token: str) -> Callable[[str], list[str]]:
    """Writes a script; returns the command that runs it."""

    def write(body: str) -> list[str]:
        path = tmp_path / "script.py"
        path.write_text(HEAD + textwrap.dedent(body))
        (tmp_path / "notes").mkdir()
        return [sys.executable, "-S", str(path), str(tmp_path / "notes")]

    return write


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


def attempts(notes: Path, index: int) -> int:
    return len(list(notes.glob(f"start-{index}-*")))


def quickly(command: list[str], workers: int = 2, **options: object) -> int:
    return launch(command, workers, **{"backoff": 0.05, "grace": 5.0, **options})


@contextlib.contextmanager
def qstore_launch(*arguments: object) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "qstore_tf", "launch", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


# What a worker gets, and what becomes of what it says.


def test_workers_get_one_cluster_and_each_its_own_index(script, notes, capfd):
    command = script("(notes / f'config-{index}').write_text(json.dumps(config))")
    assert quickly(command, 3) == 0
    configs = [json.loads((notes / f"config-{index}").read_text()) for index in range(3)]
    assert [config["task"] for config in configs] == [
        {"type": "worker", "index": index} for index in range(3)
    ]
    [cluster] = {json.dumps(config["cluster"]) for config in configs}
    addresses = json.loads(cluster)["worker"]
    assert len(set(addresses)) == 3
    assert all(re.fullmatch(r"127\.0\.0\.1:\d+", address) for address in addresses)


def test_every_line_says_whose_it_is_and_logs_keep_it_as_it_was(script, tmp_path, capfd):
    command = script(
        r"""
        print("hello from", index, attempt)
        print("to stderr", file=sys.stderr)
        sys.stdout.buffer.write(b"10%\r100%\r\n\xff\n\nno end")
        """
    )
    assert quickly(command, log_dir=tmp_path / "new" / "logs") == 0
    out = capfd.readouterr().out
    lines = out.splitlines()
    assert all(re.match(r"\[(launch|worker [01])\] ", line) for line in lines)
    assert "\x1b" not in out
    for index in range(2):
        mine = [line for line in lines if line.startswith(f"[worker {index}] ")]
        assert sorted(line.partition("] ")[2] for line in mine) == sorted(
            [f"hello from {index} 1", "to stderr", "100%", "\ufffd", "", "no end"]
        )
        log = (tmp_path / "new" / "logs" / f"worker-{index}.log").read_bytes()
        assert re.match(rb"=== worker \d, attempt 1, 20\d\d-", log)
        assert b"10%\r100%\r\n\xff\n\nno end" in log


def test_sources_are_coloured_on_a_terminal_only(script, monkeypatch):
    leader, follower = os.openpty()
    command = script("print('hello')")
    monkeypatch.delenv("NO_COLOR", raising=False)
    with open(follower, "w") as terminal:
        monkeypatch.setattr(sys, "stdout", terminal)
        assert quickly(command) == 0
        monkeypatch.setenv("NO_COLOR", "1")
        assert quickly(command, 1) == 0
    said = os.read(leader, 100_000).decode()
    os.close(leader)
    assert "\x1b[31m[worker 0]\x1b[0m hello" in said
    assert "\x1b[32m[worker 1]\x1b[0m hello" in said
    assert "\n[worker 0] hello" in said


def test_very_long_lines_and_much_output_pass(script, tmp_path, capfd):
    command = script("sys.stdout.write('x' * 200_000 + '\\n'); print('line\\n' * 5000)")
    assert quickly(command, 1, log_dir=tmp_path) == 0
    out = capfd.readouterr().out
    assert out.count("x") == 200_000
    assert out.count("] line\n") == 5000
    assert (tmp_path / "worker-0.log").read_text().count("line\n") == 5000


def test_the_reader_of_the_output_may_go_away(script, notes):
    command = script("(notes / 'began').touch(); wait_for('go'); print('x\\n' * 9999)")
    with qstore_launch("--workers", 1, "--", *command) as process:
        wait_until((notes / "began").exists)
        process.stdout.close()
        (notes / "go").touch()
        assert process.wait(timeout=20) == 0


@pytest.mark.skipif(not LINUX, reason="only Linux pins processes")
def test_workers_are_pinned_where_that_is_asked_for(script, notes, capfd):
    there = os.sched_getaffinity(0)
    command = script(
        """
        facts = [sorted(os.sched_getaffinity(0)), os.environ.get("OMP_NUM_THREADS")]
        (notes / f"facts-{index}").write_text(json.dumps(facts))
        """
    )
    count = min(2, len(there))
    assert quickly(command, count, cores_per_worker=1) == 0
    facts = [json.loads((notes / f"facts-{index}").read_text()) for index in range(count)]
    assert [threads for _, threads in facts] == ["1"] * count
    assert [cores for cores, _ in facts] == [[core] for core in sorted(there)[:count]]
    with pytest.raises(ConfigurationError, match="--cores-per-worker.*share"):
        quickly(command, 2, cores_per_worker=len(there))


# Restarts.


def test_a_worker_that_fails_is_started_again_and_the_others_are_not(script, notes, tmp_path):
    command = script(
        """
        print("attempt", attempt)
        if index == 0:
            wait_for("start-1-3")
        sys.exit(0 if index == 0 or attempt == 3 else 5)
        """
    )
    assert quickly(command, restarts=2, log_dir=tmp_path) == 0
    assert (attempts(notes, 0), attempts(notes, 1)) == (1, 3)
    log = (tmp_path / "worker-1.log").read_text()
    assert re.findall(r"=== worker 1, attempt (\d),", log) == ["1", "2", "3"]
    assert re.findall(r"^attempt (\d)", log, re.MULTILINE) == ["1", "2", "3"]


def test_the_fall_of_all_after_one_is_one_incident(script, notes, capfd):
    command = script(
        """
        if attempt > 1:
            sys.exit(0)
        if index == 1:
            wait_for("start-0-1"), wait_for("start-2-1"), wait_for("start-3-1")
            os.kill(os.getpid(), signal.SIGKILL)
        wait_for("start-1-2")
        time.sleep(0.1 * index)
        sys.exit(76)
        """
    )
    assert quickly(command, 4, restarts=1) == 0
    assert [attempts(notes, index) for index in range(4)] == [2, 2, 2, 2]
    out = capfd.readouterr().out
    assert "worker 1 failed: killed by SIGKILL." in out
    assert out.count("(restart 1/1)") == 4


def test_all_killed_at_once_is_one_incident(script, notes):
    command = script(
        """
        if attempt > 1:
            sys.exit(0)
        wait_for("start-0-1"), wait_for("start-1-1"), wait_for("start-2-1")
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    assert quickly(command, 3, restarts=1, backoff=0.5) == 0
    assert [attempts(notes, index) for index in range(3)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("body", "code", "starts"),
    [
        ("sys.exit(0)", 0, 1),
        ("sys.exit(78)", 78, 1),
        ("sys.exit(1)", 1, 3),
        ("sys.exit(75)", 75, 3),
        ("sys.exit(76)", 76, 3),
        ("sys.exit(77)", 77, 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137, 3),
        ("os.kill(os.getpid(), signal.SIGSEGV)", 139, 3),
    ],
)
def test_a_lone_worker_is_treated_by_the_table_of_exit_codes(script, notes, body, code, starts):
    assert quickly(script(body), 1, restarts=2, backoff=0.01) == code
    assert attempts(notes, 0) == starts


def test_a_permanent_failure_stops_all_at_once(script, notes, capfd):
    command = script(
        """
        if index == 1:
            wait_for("start-0-1")
            print("seeds differ")
            sys.exit(78)
        time.sleep(60)
        """
    )
    started = time.monotonic()
    assert quickly(command) == 78
    assert time.monotonic() - started < 30
    assert (attempts(notes, 0), attempts(notes, 1)) == (1, 1)
    out = capfd.readouterr().out
    assert "PERMANENT" in out
    assert "[launch]     seeds differ" in out


def test_without_restarts_left_the_rest_is_stopped_and_the_cause_shown(script, notes, capfd):
    command = script(
        """
        if index == 0:
            time.sleep(60)
        wait_for("start-0-1")
        print("the reason")
        sys.exit(7)
        """
    )
    assert quickly(command, restarts=1) == 7
    out = capfd.readouterr().out
    assert "Incident 1: worker 1, attempt 1: exit code 7." in out
    assert "Incident 2: worker 1, attempt 2: exit code 7." in out
    assert out.rstrip().endswith("[launch] The last lines of worker 1:\n[launch]     the reason")


def test_the_code_is_that_of_the_cause_even_if_seen_later(script):
    command = script(
        """
        if index == 0:
            wait_for("start-1-1")
            sys.exit(76)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
        wait_for("never")
        """
    )
    # Worker 1 is about to fail by itself when worker 0 is noticed.
    assert quickly(command, restarts=0) == 9


def test_back_off_grows_with_the_incidents(script, notes):
    started = time.monotonic()
    assert quickly(script("sys.exit(1)"), 1, restarts=2, backoff=0.2) == 1
    assert time.monotonic() - started > 0.2 + 0.4


# Being stopped.


@pytest.mark.parametrize(
    ("number", "ends", "code"),
    [
        (signal.SIGTERM, (75, 75), 75),
        (signal.SIGINT, (75, 75), 75),
        (signal.SIGTERM, (75, 0), 75),
        (signal.SIGTERM, (0, 0), 0),
        (signal.SIGTERM, (75, 1), 143),
        (signal.SIGINT, (1, 1), 130),
        (signal.SIGHUP, (1, 1), 129),
    ],
)
def test_a_signal_stops_all_and_the_code_says_whether_they_have_saved(
    script, notes, number, ends, code
):
    command = script(
        f"""
        def stop(number, frame):
            (notes / f"stopped-{{index}}").touch()
            sys.exit({ends}[index])
        signal.signal(signal.SIGTERM, stop)
        (notes / f"ready-{{index}}").touch()
        if index == 1:
            wait_for("ready-0")
            os.kill(os.getppid(), {int(number)})
        time.sleep(60)
        """
    )
    assert quickly(command) == code
    assert (attempts(notes, 0), attempts(notes, 1)) == (1, 1)
    assert len(list(notes.glob("stopped-*"))) == 2


def test_what_ignores_sigterm_is_killed_after_the_grace_and_its_children_too(script, token, capfd):
    command = script(
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = "import time; time.sleep(60)"
        subprocess.Popen([sys.executable, "-S", "-c", child])
        if index == 1:
            wait_for("start-0-1")
            os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(60)
        """
    )
    started = time.monotonic()
    assert quickly(command, grace=0.5) == 143
    assert 0.5 < time.monotonic() - started < 30
    assert "which did not end within 0.5 s" in capfd.readouterr().out
    assert LINUX and not [pid for pid in alive(token) if pid != os.getpid()]


def test_children_of_a_worker_end_with_it(script, token):
    command = script(
        """
        child = "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)"
        subprocess.Popen([sys.executable, "-S", "-c", child])
        """
    )
    started = time.monotonic()
    assert quickly(command) == 0
    assert time.monotonic() - started < 30
    assert not [pid for pid in alive(token) if pid != os.getpid()]


def test_a_second_interrupt_kills_at_once(script, notes):
    command = script(
        """
        signal.signal(signal.SIGTERM, lambda *_: (notes / f"told-{index}").touch())
        (notes / f"ready-{index}").touch()
        while True:
            time.sleep(1)
        """
    )
    with qstore_launch("--workers", 2, "--grace", 60, "--", *command) as process:
        wait_until(lambda: len(list(notes.glob("ready-*"))) == 2)
        process.send_signal(signal.SIGINT)
        wait_until(lambda: len(list(notes.glob("told-*"))) == 2)
        process.send_signal(signal.SIGINT)
        said, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Killing worker 0, worker 1 at once." in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("last", "code"), [(75, 75), (1, 143)])
def test_a_worker_that_waits_for_its_restart_counts_by_how_it_ended(script, last, code):
    command = script(
        f"""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(75))
        if index == 1:
            sys.exit({last})
        wait_for("start-1-1")
        time.sleep(0.1)
        peer = int((notes / "start-1-1").read_text())
        while os.path.exists(f"/proc/{{peer}}"):  # until the launcher has seen its end
            time.sleep(0.01)
        os.kill(os.getppid(), signal.SIGTERM)
        time.sleep(60)
        """
    )
    assert quickly(command, backoff=20.0) == code


@pytest.mark.skipif(not LINUX, reason="looks into /proc")
@pytest.mark.parametrize("guarded", [True, False])
def test_no_worker_outlives_a_launcher_that_is_killed(script, notes, token, guarded):
    command = script(
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = "import time; time.sleep(60)"
        if sys.argv[2] == "with child":
            subprocess.Popen([sys.executable, "-S", "-c", child], start_new_session=False)
        (notes / f"ready-{index}").touch()
        time.sleep(60)
        """
    )
    child = "with child" if guarded else "none"
    with qstore_launch("--workers", 2, "--", *command, child) as process:
        wait_until(lambda: len(list(notes.glob("ready-*"))) == 2)
        if not guarded:  # then the kernel sees to the workers
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            workers = {int(path.read_text()) for path in notes.glob("start-*")}
            [guard] = set(map(int, children.split())) - workers
            os.kill(guard, signal.SIGKILL)
        process.kill()
        process.wait()
        wait_until(lambda: set(alive(token)) <= {os.getpid()})


def test_it_runs_outside_the_main_thread_too(script):
    codes: list[int] = []
    command = script("sys.exit(attempt == 1)")
    thread = threading.Thread(target=lambda: codes.append(quickly(command)))
    thread.start()
    thread.join(timeout=20)
    assert codes == [0]


def test_signal_handlers_are_put_back(script):
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    assert quickly(script("")) == 0
    assert before == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]


# Ports and addresses.


def test_launchers_at_the_same_time_never_choose_the_same_port(script, notes, monkeypatch):
    # Out of six ports, so that they would.
    narrow = range(31_000, 31_000 + 6)
    monkeypatch.setattr(ports_module, "_RANGE", narrow)
    with held_ports(2) as first, held_ports(2) as second:
        assert len({*first, *second}) == 4
        with (
            pytest.raises(ConfigurationError, match="Expected: 3 ports.*Received: 2"),
            held_ports(3),
        ):
            pass
    with held_ports(4):
        pass


def test_two_launchers_run_side_by_side(script, notes):
    command = script("print('at', config['cluster']['worker']); wait_for('go')")
    with contextlib.ExitStack() as stack:
        launched = (qstore_launch("--workers", 4, "--", *command) for _ in range(2))
        both = [stack.enter_context(one) for one in launched]
        wait_until(lambda: len(list(notes.glob("start-*"))) >= 4)
        time.sleep(0.3)
        (notes / "go").touch()
        said = [process.communicate(timeout=20)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    found = [set(re.findall(r"127\.0\.0\.1:\d+", text)) for text in said]
    assert [len(addresses) for addresses in found] == [4, 4]
    assert not found[0] & found[1]


def test_ports_in_use_are_not_chosen(monkeypatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setattr(ports_module, "_RANGE", range(port, port + 1))
        with pytest.raises(ConfigurationError, match="free ports"), held_ports(1):
            pass


def test_one_worker_of_several_machines_is_run_by_itself(script, notes, tmp_path):
    addresses = ["train-0.example:2222", "[::1]:2222", "10.0.0.2:2222"]
    command = script("(notes / 'config').write_text(json.dumps(config)); sys.exit(attempt == 1)")
    assert quickly(command, addresses=addresses, index=1, log_dir=tmp_path) == 0
    assert json.loads((notes / "config").read_text()) == {
        "cluster": {"worker": addresses},
        "task": {"type": "worker", "index": 1},
    }
    assert attempts(notes, 1) == 2
    assert (tmp_path / "worker-1.log").exists()


# The command.


def test_the_command_takes_all_options_and_passes_the_rest_on(script, tmp_path, capfd):
    command = script("print(sys.argv[2:])")
    options = ["--workers", "1", "--restarts", "0", "--log-dir", str(tmp_path), "--grace", "1"]
    assert cli.main(["launch", *options, "--", *command, "--workers", "7", "--", "-x"]) == 0
    assert "[worker 0] ['--workers', '7', '--', '-x']" in capfd.readouterr().out
    assert cli.main(["launch", "--workers", "1", *command]) == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no command"),
        (("--",), "no command"),
        (("--workers", "0", "--", "true"), "--workers"),
        (("--workers", "two", "--", "true"), "'two'"),
        (("--restarts", "-1", "--", "true"), "--restarts"),
        (("--grace", "-1", "--", "true"), "--grace"),
        (("--grace", "nan", "--", "true"), "--grace"),
        (("--backoff", "-1", "--", "true"), "--backoff"),
        (("--cores-per-worker", "0", "--", "true"), "--cores-per-worker"),
        (("--", "no-such-program"), "no-such-program"),
        (("--", "train.py"), "Put 'python' before"),
        (("--log-dir", "/dev/null/logs", "--", "true"), "/dev/null/logs"),
        (("--index", "0", "--", "true"), "addresses"),
        (("--addresses", "a:1,b:2", "--", "true"), "0 to 1"),
        (("--addresses", "a:1,b:2", "--index", "2", "--", "true"), "0 to 1"),
        (("--addresses", "a:1,a:1", "--index", "0", "--", "true"), "same address"),
        (("--addresses", "a", "--index", "0", "--", "true"), "host:port"),
        (("--addresses", "a:0", "--index", "0", "--", "true"), "host:port"),
        (("--addresses", "a:1", "--workers", "1", "--index", "0", "--", "true"), "exclude"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(capfd, token, arguments, words):
    try:
        code = cli.main(["launch", *arguments])
    except SystemExit as stop:
        code = stop.code
    captured = capfd.readouterr()
    assert code == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("qstore launch: error: ")
    assert words in captured.err


def test_a_program_that_cannot_be_executed_says_so(tmp_path, token, capfd):
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF but not really")
    program.chmod(0o755)
    assert quickly([str(program)], 1, restarts=0) == 1
    assert f"[worker 0] {program}: Exec format error" in capfd.readouterr().out


def test_the_launcher_imports_no_tensorflow_and_starts_fast(script):
    command = script("print('TF' if 'tensorflow' in sys.modules else 'light')")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "qstore_tf", "launch", "--", *command],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "qstore_tf.distribute.launch.launcher" in imported
    assert not imported & {"tensorflow", "keras", "numpy"}


def test_a_log_that_can_no_longer_be_written_is_reported_once(script, capfd):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full")
    from qstore_tf.distribute.launch.worker_process import Console, Guard, WorkerProcess

    command = script("print('one'); print('two')")
    environment = {**os.environ, "TF_CONFIG": json.dumps({"task": {"index": 0}})}
    with open("/dev/full", "ab", buffering=0) as full, Guard() as guard:
        process = WorkerProcess(
            command, environment, "worker 0", 0, Console(sys.stdout), guard, full
        )
        wait_until(lambda: process.ended() is not None)
    out = capfd.readouterr().out
    assert out.count("log cannot be written") == 1
    assert "[worker 0] one\n" in out and "[worker 0] two\n" in out
