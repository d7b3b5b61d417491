"""Ctrl-C while TensorFlow waits for a run, and everybody else who listens to signals."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import KEY, some_work

from qstore_tf.errors import RunInterrupted
from qstore_tf.ionq.service import interrupts

# The module alone: it needs nothing of the library.
LOADED = f"""
import asyncio, importlib.util, os, signal, socket, tempfile, threading, time
spec = importlib.util.spec_from_file_location("interrupts", {interrupts.__file__!r})
interrupts = importlib.util.module_from_spec(spec)
spec.loader.exec_module(interrupts)

def interrupt():
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)
        raise AssertionError("Python itself does not hear of Ctrl-C any more")
    except KeyboardInterrupt:
        pass
"""

CASES = {
    "asyncio goes on": """
async def main():
    heard = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.set)
    interrupts.listen()
    interrupts.listen()
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(heard.wait(), 5)

asyncio.run(main())  # empties the place at its end
stopped = threading.Event()
with interrupts.told(stopped.set):
    interrupt()
    assert stopped.wait(5)
""",
    "whoever comes later is left alone": """
interrupts.listen()
one, two = socket.socketpair()
two.setblocking(False)
signal.set_wakeup_fd(two.fileno())
interrupts.listen()
assert signal.set_wakeup_fd(-1) == two.fileno()
""",
    "a file with the number of one that was closed": """
one, two = socket.socketpair()
two.setblocking(False)
number = two.fileno()
signal.set_wakeup_fd(number)
interrupts.listen()
two.close()
with tempfile.TemporaryFile() as file:
    os.dup2(file.fileno(), number)
    stopped = threading.Event()
    with interrupts.told(stopped.set):
        interrupt()
        assert stopped.wait(5)
    assert os.fstat(number).st_size == 0
""",
    "other handlers have other plans": """
interrupts.listen()
signal.signal(signal.SIGINT, lambda *given: None)
stopped = threading.Event()
with interrupts.told(stopped.set):
    os.kill(os.getpid(), signal.SIGINT)
    assert not stopped.wait(0.3)
""",
    "a forked process has signals of its own": """
stopped = threading.Event()
with interrupts.told(stopped.set):
    if os.fork() == 0:
        interrupt()
        with interrupts.told(stopped.set):
            interrupt()
            os._exit(0 if stopped.wait(5) else 1)
    assert os.wait()[1] == 0
    assert not stopped.wait(0.2)
""",
    "other threads can only ask": """
thread = threading.Thread(target=interrupts.listen)
thread.start()
thread.join()
assert signal.set_wakeup_fd(-1) == -1
""",
}


@pytest.mark.parametrize("case", CASES)
def test_others_who_listen(case):
    done = subprocess.run(
        [sys.executable, "-c", LOADED + CASES[case]], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


def test_ctrl_c_reaches_a_run_in_another_thread(start_ionq_emulator, quick):
    emulator = start_ionq_emulator(delay_s=30.0)
    executor, caught = quick(emulator, max_circuits=2, max_in_flight=2), []
    ended = threading.Event()

    def run():
        try:
            executor.run(some_work())
        except BaseException as error:
            caught.append(error)
        ended.set()

    interrupts.listen()
    thread, begin = threading.Thread(target=run), time.monotonic()
    timer = threading.Timer(0.7, os.kill, (os.getpid(), signal.SIGINT))
    thread.start()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        time.sleep(10)
    assert ended.wait(20)  # and not `join`, which Ctrl-C confuses in Python 3.11
    assert time.monotonic() - begin < 10
    (error,) = caught
    assert isinstance(error, RunInterrupted) and len(error.circuits) == 6
    states = sorted(entry.state for entry in executor.journal.entries())
    assert states == ["canceled", "canceled", "planned"]
    assert all(job.canceled is not None for job in emulator.jobs())


PREDICT = """
import logging, sys, keras, numpy as np
from qstore_tf import backends
from qstore_tf.layers import QuantumLayer

logging.basicConfig(stream=sys.stdout)
backend = backends.get("ionq", target="qpu.forte-1", shots=100)
layer = QuantumLayer(2, depth=1, encoding="angle", observables=["Z0"], backend=backend)
model = keras.Sequential([keras.Input((2,)), layer])
print("READY", flush=True)
model.predict(np.zeros((3, 2)), verbose=0)
"""


@pytest.mark.slow
def test_ctrl_c_ends_predict_and_cancels_what_waits(start_ionq_emulator, tmp_path):
    emulator = start_ionq_emulator(delay_s=60.0)
    environment = {
        **os.environ,
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "IONQ_API_URL": emulator.url,
        "IONQ_API_KEY": KEY,
        "QSTORE_IONQ_JOURNAL": str(tmp_path / "journal"),
    }
    process = subprocess.Popen(
        [sys.executable, "-c", PREDICT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        end = time.monotonic() + 120
        while not emulator.jobs() and time.monotonic() < end and process.poll() is None:
            time.sleep(0.1)
        assert emulator.jobs(), process.communicate(timeout=5)
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        took = time.monotonic() - begin
    finally:
        process.kill()
    assert took < 15, took  # and not the minute that the job waits
    assert process.returncode != 0, err
    assert "Interrupted: nothing spent; jobs that were accepted: " in out, out
    assert all(job.canceled is not None for job in emulator.jobs())
