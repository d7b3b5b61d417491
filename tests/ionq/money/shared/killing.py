"""Four workers of a training spend from one account, and are killed again and again.

    python killing.py SEED JOBS KILLS [URL]

Worker 0 is the chief: it keeps the account and spends too. Every worker has a list of jobs and
writes down which are finished; one that was killed is started again and begins at the first job
that is not. Without URL the service is a folder, in which a job with a known key is run once, as a
journal sees to it; with URL it is a local IonQ, and every worker has a journal. Prints what
happened as JSON.
"""

import contextlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path


class NoFrameworks:
    """The account needs none, and a process starts ten times as fast without."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "tf_keras"):
            raise ImportError(f"{name} is not wanted here")


sys.meta_path.insert(0, NoFrameworks())
sys.path.insert(0, str(Path(__file__).parents[2] / "service"))

from qstore_tf.errors import (  # noqa: E402
    AccountUnreachableError,
    BudgetExceededError,
    ConfigurationError,
    LedgerError,
)
from qstore_tf.ionq.money import AccountServer, Budget, SharedBudget  # noqa: E402

WORKERS = 4
TOKEN = "a-token-that-nobody-should-see-0123456789"


class Folder:
    """A service that runs a job of a known key once, and bills for it; some jobs it refuses."""

    def __init__(self, place, seed, worker):
        self.place, self.seed, self.worker = Path(place), seed, worker

    def spend(self, budget, number):
        key = f"{self.worker}-{number}"
        rng = random.Random(f"{self.seed} {key}")
        most = Decimal(rng.randrange(1, 1000)) / 1000
        bill, is_refused = most * rng.randrange(0, 11) / 10, rng.random() < 0.2
        budget.reserve(key, most)
        if is_refused:
            budget.release(key)
            return
        draft = self.place / f"draft {os.getpid()}"
        draft.write_text(str(bill))
        draft.rename(self.place / key)
        budget.commit(key, bill)


class LocalIonQ:
    """A local IonQ, by the executor that backends have."""

    def __init__(self, place, seed, worker, url):
        from conftest import KEY, connect, some_work

        from qstore_tf.ionq.prices import price_table
        from qstore_tf.ionq.service import Executor, Server

        self.work = lambda number: some_work(4, [worker, number])
        self.executor = lambda budget: Executor(
            Server(url, KEY),
            "qpu.forte-1",
            journal=Path(place) / f"journal-{worker}.sqlite",
            budget=budget,
            prices=price_table("azure", "forte-1"),
            shots=100,
            max_circuits=2,
            settle_s=0.3,
            poll_s=0.02,
            connect=connect,
        )
        self.made = None

    def spend(self, budget, number):
        self.made = self.made or self.executor(budget)
        self.made.run(self.work(number))


def work(worker, place, address, limit, jobs, service):
    """The life of a worker, which may end at any moment."""
    path = Path(place) / "budget.sqlite"
    if worker == 0:
        budget = Budget(usd=limit, path=path)
        AccountServer(budget, address, TOKEN)
    else:
        budget = SharedBudget(address, token=TOKEN, patience_s=30.0)
    finished = Path(place) / f"finished-{worker}"
    begin = len(finished.read_text().split()) if finished.exists() else 0
    with finished.open("a") as file:
        for number in range(begin, jobs):
            if number == jobs - 1:
                wait_for(Path(place) / "killed")  # nobody is done before the chief was killed
            try:
                service.spend(budget, number)
                file.write("done\n")
            except BudgetExceededError:
                file.write("refused\n")
            file.flush()
    if worker == 0:
        wait_for(Path(place) / "over")  # the chief ends last


def wait_for(path):
    while not path.exists():
        time.sleep(0.01)


def main():
    seed, jobs, kills, *url = sys.argv[1:]
    jobs, kills, rng = int(jobs), int(kills), random.Random(seed)
    place = tempfile.mkdtemp()
    bills = Path(place) / "service"
    bills.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    limit = Decimal(jobs) / 2 if not url else Decimal(jobs * WORKERS) * 40
    if url:
        services = [LocalIonQ(place, seed, worker, *url) for worker in range(WORKERS)]
    else:
        services = [Folder(bills, seed, worker) for worker in range(WORKERS)]

    def start(worker):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                work(worker, place, address, limit, jobs, services[worker])
                code = 0
            except AccountUnreachableError:
                code = 3
            finally:
                os._exit(code)
        return child

    lives = {worker: start(worker) for worker in range(WORKERS)}
    counts = {"kills": 0, "of the chief": 0, "unreachable": 0, "looks": 0, "most used": "0"}
    next_kill = time.monotonic() + rng.uniform(0, 0.3)
    while lives:
        for worker, child in list(lives.items()):
            ended, status = os.waitpid(child, os.WNOHANG)
            if not ended:
                continue
            if os.waitstatus_to_exitcode(status) == 0:
                del lives[worker]
                continue
            assert os.waitstatus_to_exitcode(status) in (3, -signal.SIGKILL), (worker, status)
            counts["unreachable"] += os.waitstatus_to_exitcode(status) == 3
            lives[worker] = start(worker)
        if set(lives) == {0}:
            (Path(place) / "over").touch()
        elif lives and counts["kills"] < kills and time.monotonic() > next_kill:
            victim = rng.choice(list(lives)) if counts["kills"] else 0  # the chief at least once
            os.kill(lives[victim], signal.SIGKILL)
            (Path(place) / "killed").touch()
            counts["kills"] += 1
            counts["of the chief"] += victim == 0
            next_kill = time.monotonic() + rng.expovariate(10)
        look(place, limit, counts)
        time.sleep(0.005)
    words = [(Path(place) / f"finished-{worker}").read_text().split() for worker in range(WORKERS)]
    budget = Budget(path=Path(place) / "budget.sqlite")
    found = {
        **counts,
        "limit": str(limit),
        "finished": [len(each) for each in words],
        "refused": sum(each.count("refused") for each in words),
        "spent": str(budget.spent.money),
        "reserved": str(budget.reserved.money),
        "entries": {e.key: str(e.billed.money) for e in budget.entries("spent")},
        "bills": {file.name: file.read_text() for file in bills.glob("[0-9]*")},
        "late": [e.key for e in budget.entries() if e.is_late],
    }
    print(json.dumps(found))


def look(place, limit, counts):
    """Looks at the account as it is at this moment, whoever is alive."""
    path = Path(place) / "budget.sqlite"
    if path.exists():
        with contextlib.suppress(ConfigurationError, LedgerError):  # there is no limit yet
            balance = Budget(path=path).balance
            used = balance.spent.money + balance.reserved.money
            assert used <= limit, balance
            counts["looks"] += 1
            counts["most used"] = str(max(Decimal(counts["most used"]), used))


if __name__ == "__main__":
    main()
