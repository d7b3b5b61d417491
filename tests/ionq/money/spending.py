"""A process that spends from a budget until it is told to stop, and says what it has done.

    python spending.py PATH LIMIT THREADS ROUNDS SEED

Every line that it prints is something that the budget has acknowledged.
"""

import os
import random
import sys
import threading
from decimal import Decimal


class NoFrameworks:
    """The budget needs none, and a process starts ten times as fast without."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "tf_keras"):
            raise ImportError(f"{name} is not wanted here")


def spend(path, limit, rounds, seed, thread):
    from qstore_tf.errors import BudgetExceededError
    from qstore_tf.ionq.money.budget import Budget

    rng = random.Random(f"{seed} {thread}")
    budget = Budget(usd=limit, path=path)
    for number in range(rounds):
        key = f"{os.getpid()}-{thread}-{number}"
        most = Decimal(rng.randrange(1, 10**7)).scaleb(-7)
        try:
            budget.reserve(key, most)
        except BudgetExceededError:
            say("refused", key, most)
            continue
        say("reserved", key, most)
        choice = rng.random()
        if choice < 0.5:
            bill = most * rng.randrange(0, 11) / 10
            budget.commit(key, bill)
            say("spent", key, bill)
        elif choice < 0.8:
            budget.release(key)
            say("released", key, most)


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())  # a short line is written as a whole


def main():
    path, limit, threads, rounds, seed = sys.argv[1:]
    sys.meta_path.insert(0, NoFrameworks())
    import qstore_tf.ionq.money.budget  # noqa: F401

    say("ready")
    sys.stdin.readline()
    failures = []
    threading.excepthook = lambda args: failures.append(args.exc_value)
    workers = [
        threading.Thread(target=spend, args=(path, limit, int(rounds), seed, number))
        for number in range(int(threads))
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for failure in failures:
        print(repr(failure), file=sys.stderr)
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
