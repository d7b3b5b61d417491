"""A budget that another process keeps: the same answers, a secret, and what happens without it."""

import copy
import logging
import pickle
import socket
import threading
from decimal import Decimal

import pytest

from qstore_tf.backends.arrays.ionq import IonQ
from qstore_tf.errors import (
    AccountUnreachableError,
    BudgetExceededError,
    ConfigurationError,
    LedgerError,
    PriceError,
)
from qstore_tf.ionq.money import AccountServer, Budget, SharedBudget, environment
from qstore_tf.ionq.money.environment import budget_from_environment
from qstore_tf.ionq.money.shared.calling import Caller, Unanswered
from tests.ionq.money.shared.faulty import TOKEN


@pytest.fixture
def budget(tmp_path):
    return Budget(usd=10, shots=1000, path=tmp_path / "budget.sqlite")


@pytest.fixture
def server(budget):
    with AccountServer(budget, "127.0.0.1:0", TOKEN) as server:
        yield server


def ask(server, **options):
    return SharedBudget(server.address, token=TOKEN, **{"patience_s": 0.5, **options})


def test_it_answers_as_the_budget_does(server, budget):
    worker = ask(server)
    worker.reserve("a", "4.000000000000000000000000000001", 100)
    worker.reserve("a", "4.000000000000000000000000000001", 100)
    worker.reserve("b", Decimal(1), 10)
    with pytest.raises(BudgetExceededError, match="Job 3 would cost more.*5 USD and 890 shots"):
        worker.reserve("c", 6, 1, what="Job 3")
    with pytest.raises(LedgerError, match="another amount"):
        worker.reserve("b", 2, 10)
    with pytest.raises(PriceError, match="not known"):
        worker.reserve("c", shots=1)
    with pytest.raises(PriceError, match="another currency"):
        worker.reserve("c", amount=1, currency="EUR", shots=1)
    with pytest.raises(PriceError, match="no amount"):
        worker.reserve("c", 0.1, 1)
    with pytest.raises(ConfigurationError, match="job's token"):
        worker.release("")
    worker.commit("a", 3, 90)
    worker.release("b")
    with pytest.raises(LedgerError, match="cannot be released"):
        worker.release("a")
    worker.set_limit(usd=20)
    assert worker.balance == budget.balance and worker.left == (17, 910)
    assert worker.entries() == budget.entries() and worker.entries("spent") == [worker.entry("a")]
    assert worker.entry("never") is None and worker.currency == "USD" and worker.path is None
    assert str(worker) == str(budget)


def test_whose_a_reservation_is_is_told(server, budget, monkeypatch):
    worker = ask(server)
    worker.reserve("a", 4, 0)
    monkeypatch.setattr("qstore_tf.ionq.money.shared.calling.me", lambda: ("elsewhere", 7))
    worker.reserve("b", 5, 0)
    assert budget.entry("b").owner == ("elsewhere", 7)
    with pytest.raises(BudgetExceededError, match="5 by this process, 4 by process"):
        worker.reserve("c", 3, 0)
    with pytest.raises(BudgetExceededError, match="5 by process 7 on elsewhere, 4 by this process"):
        budget.reserve("c", 3, 0)


def test_workers_together_do_not_overspend(server, budget):
    refused = []

    def spend(name):
        worker = ask(server, patience_s=20)
        for number in range(25):
            try:
                worker.reserve(f"{name}-{number}", "0.3", 1)
            except BudgetExceededError:
                refused.append(name)

    threads = [threading.Thread(target=spend, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert budget.reserved.money == Decimal("9.9") and len(refused) == 100 - 33


def test_without_the_token_nothing_is_answered(server, budget, monkeypatch, caplog):
    stranger = SharedBudget(server.address, token="x" * 20, patience_s=0.5)
    with pytest.raises(ConfigurationError, match="does not take this worker's token"):
        stranger.reserve("a", 1, 1)
    monkeypatch.delenv("IONQ_BUDGET_TOKEN", raising=False)
    for given in (None, "", "short"):
        with pytest.raises(ConfigurationError, match="secret token.*16 characters") as caught:
            SharedBudget(server.address, token=given)
        assert "short'" not in str(caught.value)
    assert budget.entries() == []


def test_the_token_is_nowhere(server, caplog):
    caplog.set_level(logging.DEBUG)
    worker = ask(server, patience_s=0.1)
    worker.reserve("a", 1, 1)
    server.close()
    with pytest.raises(AccountUnreachableError) as caught:
        worker.reserve("b", 1, 1)
    texts = [repr(worker), repr(server), str(worker.get_config()), str(caught.value), caplog.text]
    texts += [repr(vars(each)) for each in (worker, worker._caller, worker._caller._exchange)]
    assert not any(TOKEN in text for text in texts)
    sent = overheard(lambda address: SharedBudget(address, token=TOKEN, patience_s=0).balance)
    assert b'"balance"' in sent and TOKEN.encode() not in sent


def overheard(call):
    """What a worker sends to somebody who does not know the token."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        heard = []

        def listen():
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"qstore-account-1 nonce\n")
                heard.append(connection.recv(1 << 16))
                connection.sendall(b'0123 {"found": null}\n')

        thread = threading.Thread(target=listen)
        thread.start()
        with pytest.raises(AccountUnreachableError, match="somebody who knows the token"):
            call(f"127.0.0.1:{listener.getsockname()[1]}")
        thread.join()
    return heard[0]


def test_what_was_overheard_cannot_be_said_again(server, budget):
    worker = ask(server)
    worker.reserve("a", 1, 1)
    line = worker._caller._exchange
    with socket.create_connection(line._target) as connection:
        stream = connection.makefile("rwb")
        nonce = stream.readline().split()[1]
        from qstore_tf.ionq.money.shared.messages import seal

        asked = b'{"do": "release"}'
        stream.write(seal(line._token, nonce[::-1], asked) + b" " + asked + b"\n")
        stream.flush()
        assert stream.readline() == b"refused\n"


@pytest.mark.parametrize(
    "sent", [b"", b"\n", b"GET / HTTP/1.1\r\n\r\n", b"x" * (1 << 17), b"0 []\n", b"\xff\xfe\n"]
)
def test_anything_may_be_sent_to_the_port(server, sent):
    host, port = server.address.split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
    assert ask(server).left.money == 10


@pytest.mark.parametrize(
    "asked", [{}, {"do": "fly"}, {"do": "reserve", "with": 3}, {"do": "reserve", "with": {"k": 1}}]
)
def test_what_is_not_understood_is_an_error(server, asked):
    from qstore_tf.ionq.money.shared.keeper import Keeper

    rest = {"session": "s", "number": 1, "oldest": 1, "owner": ["h", 1]}
    answer = Keeper(server.budget).answer({**rest, **asked})
    assert answer["error"] in ("ConfigurationError", "LedgerError")
    assert server.budget.entries() == []


class Away:
    """A chief that does not answer before a time; also the clock."""

    def __init__(self, until=1e9):
        self.until, self.now, self.tries = until, 0.0, []

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def __call__(self, asked, timeout_s):
        self.tries.append(self.now)
        if self.now < self.until:
            raise Unanswered("refused")
        return b'{"found": 3}'


def test_pauses_grow_and_end(caplog):
    away = Away()
    caller = Caller(away, "chief:1", 60.0, clock=away)
    with pytest.raises(AccountUnreachableError, match="within 60 s.*chief:1.*Nothing was granted"):
        caller.look("balance")
    pauses = [b - a for a, b in zip(away.tries, away.tries[1:], strict=False)]
    assert away.now == pytest.approx(60.0) and max(pauses) <= 5.0 and 15 < len(pauses) < 40
    assert all(pause < 2.5 * 0.05 * 2**k for k, pause in enumerate(pauses[:6]))
    assert caplog.text.count("does not answer") == 1
    away.tries.clear()
    with pytest.raises(AccountUnreachableError):
        caller.look("balance")
    assert len(away.tries) == 1  # it is known to be away: no waiting
    away.until = away.now
    assert caller.look("balance") == 3
    away.until = away.now + 30
    assert caller.look("balance") == 3 and away.now >= away.until  # waits again


def test_a_chief_that_comes_back_goes_on(budget):
    with AccountServer(budget, "127.0.0.1:0", TOKEN) as server:
        worker = ask(server, patience_s=20)
        worker.reserve("a", 4, 1)
    back = []
    timer = threading.Timer(
        0.3, lambda: back.append(AccountServer(Budget(path=budget.path), server.address, TOKEN))
    )
    timer.start()
    worker.commit("a", 3, 1)
    with back[0]:
        assert worker.balance == budget.balance and worker.spent.money == 3


def test_it_is_a_budget_for_backends(server, monkeypatch):
    monkeypatch.setenv("IONQ_BUDGET_TOKEN", TOKEN)
    worker = ask(server, on_exceed="fallback", fallback="native")
    backend = IonQ("qpu.forte-1", budget=worker)
    config = backend.get_config()["budget"]
    assert config == {
        "address": server.address,
        "on_exceed": "fallback",
        "fallback": "native",
        "patience_s": 0.5,
    }
    again = IonQ("qpu.forte-1", budget=config).budget
    for other in (again, pickle.loads(pickle.dumps(worker)), Budget.from_config(config)):
        assert isinstance(other, SharedBudget) and other.get_config() == config
        assert other.left == worker.left
    assert copy.copy(worker) is worker is copy.deepcopy(worker)


@pytest.mark.parametrize("address", ["chief", "chief:", ":1", "chief:0", "chief:99999", "a b:1", 3])
def test_addresses_are_checked(address):
    with pytest.raises(ConfigurationError, match="address of an account"):
        SharedBudget(address, token=TOKEN)


def test_what_cannot_be_kept_is_refused(server, budget):
    with pytest.raises(ConfigurationError, match="lies in a file"):
        AccountServer(Budget(usd=1), "127.0.0.1:0", TOKEN)
    with pytest.raises(ConfigurationError, match="patience_s"):
        SharedBudget("chief:1", token=TOKEN, patience_s=float("nan"))


def variables(tmp_path, server_address, index):
    return {
        "IONQ_BUDGET_USD": "10",
        "IONQ_BUDGET_PATH": str(tmp_path / "b-{index}.sqlite"),
        "IONQ_BUDGET_ADDRESS": server_address,
        "IONQ_BUDGET_TOKEN": TOKEN,
        "QSTORE_WORKERS": "3",
        "QSTORE_WORKER_ADDRESS": "127.0.0.{index}:2222",
        "JOB_COMPLETION_INDEX": str(index),
    }


@pytest.fixture
def environment_of_its_own(monkeypatch):
    monkeypatch.setattr(environment, "_asked", {})
    monkeypatch.setattr(environment, "_kept", kept := {})
    yield
    for server in kept.values():
        server.close()


def test_the_environment_makes_the_chief_keep_it(tmp_path, environment_of_its_own):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = [variables(tmp_path, f"127.0.0.1:{port}", index) for index in range(3)]
    workers = [budget_from_environment(given[index]) for index in (1, 2, 1)]
    assert workers[0] is workers[2]
    chief = budget_from_environment(given[0])
    assert budget_from_environment(given[0]) is chief and type(chief) is Budget
    assert chief.path == str(tmp_path / "b-0.sqlite")
    for number, spender in enumerate((chief, *workers[:2])):
        spender.reserve(f"{number}", 3)
    assert chief.left.money == workers[1].left.money == 1
    with pytest.raises(ConfigurationError, match="another account"):
        budget_from_environment({**given[0], "IONQ_BUDGET_PATH": str(tmp_path / "other.sqlite")})


def test_the_chief_is_found_where_the_workers_are_named(tmp_path, environment_of_its_own):
    given = variables(tmp_path, ":2223", 1)
    assert budget_from_environment(given).address == "127.0.0.0:2223"
    cluster = '{"cluster": {"chief": ["a:1"], "worker": ["b:1"]}, "task": {"index": 0}}'
    assert budget_from_environment({**given, "TF_CONFIG": cluster}).address == "a:2223"
    del given["QSTORE_WORKER_ADDRESS"]
    with pytest.raises(ConfigurationError, match="address of the chief"):
        budget_from_environment(given)


@pytest.mark.parametrize(
    "without, said",
    [
        ("IONQ_BUDGET_USD", "IONQ_BUDGET_ADDRESS is set without IONQ_BUDGET_USD"),
        ("IONQ_BUDGET_PATH", "IONQ_BUDGET_ADDRESS is set without IONQ_BUDGET_PATH"),
        ("IONQ_BUDGET_TOKEN", "secret token"),
    ],
)
def test_what_is_missing_is_told(tmp_path, environment_of_its_own, without, said):
    given = variables(tmp_path, "127.0.0.1:2223", 0)
    del given[without]
    with pytest.raises(ConfigurationError, match=said):
        budget_from_environment(given)
