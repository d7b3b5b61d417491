"""A budget never lets more be reserved than is left, whatever is done in whatever order."""

import copy
import functools
import json
import logging
import pickle
import sqlite3
from decimal import Context, Decimal

import pytest
from hypothesis import Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from qstore_tf.errors import BudgetExceededError, ConfigurationError, LedgerError, PriceError
from qstore_tf.ionq.money.balance import Amount
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.testing.daily import daily_seed

LIMIT = Amount(Decimal("1.000000000000000000000000000001"), 1000)
WIDE = Context(prec=200)
KEYS = st.sampled_from("abcdefgh")
AMOUNTS = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places),
    st.integers(0, 10**9),
    st.integers(9, 30),
)
SHOTS = st.integers(0, 500)


class Interleavings(RuleBasedStateMachine):
    """Compares a budget with a dictionary of what must be known of each key."""

    def __init__(self):
        super().__init__()
        self.budget = Budget(usd=LIMIT.money, shots=LIMIT.shots)
        # key: (state, reserved, billed, whether bills were above what was reserved)
        self.known = {}

    def total(self, state, index):
        amounts = [entry[index] for entry in self.known.values() if entry[0] == state]
        return Amount(
            functools.reduce(WIDE.add, (amount.money for amount in amounts), Decimal(0)),
            sum(amount.shots for amount in amounts),
        )

    @property
    def used(self):
        return self.total("reserved", 1).plus(self.total("spent", 2))

    @rule(key=KEYS, money=AMOUNTS, shots=SHOTS)
    def reserve(self, key, money, shots):
        wanted = Amount(money, shots)
        state, reserved, *_, late = self.known.get(key, ("released", None, None, False))
        if state != "released":
            if reserved == wanted or late:
                self.budget.reserve(key, money, shots)
            else:
                with pytest.raises(LedgerError, match="another amount"):
                    self.budget.reserve(key, money, shots)
        elif all(  # what costs nothing always fits
            asked == 0 or used <= limit
            for asked, used, limit in zip(wanted, self.used.plus(wanted), LIMIT, strict=True)
        ):
            self.budget.reserve(key, money, shots)
            self.known[key] = ("reserved", wanted, None, False)
        else:
            with pytest.raises(BudgetExceededError):
                self.budget.reserve(key, money, shots)

    @rule(key=KEYS)
    def reserve_again(self, key):
        state, reserved, *_, late = self.known.get(key, (None,) * 4)
        if state in ("reserved", "spent") and not late:
            self.budget.reserve(key, *reserved)

    @rule(key=KEYS, money=AMOUNTS, shots=SHOTS, times=st.integers(1, 2))
    def commit(self, key, money, shots, times):
        nothing = Amount(Decimal(0), 0)
        state, reserved, _, late = self.known.get(key, ("released", nothing, None, False))
        for _ in range(times):
            self.budget.commit(key, money, shots)
        late = late or state == "released"
        self.known[key] = ("spent", reserved, Amount(money, shots), late)

    @rule(key=KEYS)
    def commit_what_nobody_knows(self, key):
        state, reserved, billed, late = self.known.get(key, ("released", None, None, False))
        if state == "released":
            with pytest.raises(LedgerError, match="not known"):
                self.budget.commit(key)
        else:
            self.budget.commit(key)
            self.known[key] = ("spent", reserved, billed or reserved, late)

    @rule(key=KEYS, times=st.integers(1, 2))
    def release(self, key, times):
        state, reserved, *_ = self.known.get(key, (None, None, None, False))
        for _ in range(times):
            if state == "spent":
                with pytest.raises(LedgerError, match="cannot be released"):
                    self.budget.release(key)
            else:
                self.budget.release(key)
        if state == "reserved":
            self.known[key] = ("released", reserved, None, False)

    @invariant()
    def everything_is_counted_exactly(self):
        balance = self.budget.balance
        assert balance.spent == self.total("spent", 2)
        assert balance.reserved == self.total("reserved", 1)
        entries = {e.key: (e.state, e.reserved, e.billed, e.is_late) for e in self.budget.entries()}
        assert entries == self.known

    @invariant()
    def only_surprises_exceed_the_limit(self):
        balance = self.budget.balance
        # Bills that were late, or higher than reserved: by how much.
        surprises = Amount(Decimal(0), 0)
        for state, reserved, billed, late in self.known.values():
            if state == "spent":
                over = billed if late else billed.minus(reserved).at_least_nothing()
                surprises = surprises.plus(over)
        used = balance.spent.plus(balance.reserved)
        for part, limit, surprise in zip(used, LIMIT, surprises, strict=True):
            assert part <= WIDE.add(Decimal(limit), Decimal(surprise))
        assert balance.left == LIMIT.minus(used).at_least_nothing()
        assert balance.overspent == used.minus(LIMIT).at_least_nothing()


@settings(  # without shrinking, which takes minutes here
    max_examples=25,
    stateful_step_count=30,
    deadline=None,
    database=None,
    phases=[Phase.generate],
)
@seed(daily_seed())
class Seeded(Interleavings):
    pass


def test_any_interleaving_keeps_the_limit():
    run_state_machine_as_test(Seeded)


def test_sums_of_tiny_amounts_are_exact():
    budget = Budget(usd="1e-27")
    for number in range(1000):
        budget.reserve(str(number), Decimal("1e-30"))
    assert budget.left.money == 0
    with pytest.raises(BudgetExceededError):
        budget.reserve("more", Decimal("1e-30"))


@pytest.mark.parametrize(
    "price",
    [0.1, "0.1.2", "NaN", "-1", Decimal("Infinity"), True, b"1", "1e-31", "1e19", [], 10**400],
)
def test_what_is_no_amount_is_refused(price):
    budget = Budget(usd=1)
    with pytest.raises(PriceError, match="no amount of money"):
        budget.reserve("a", price)
    with pytest.raises(PriceError, match="no amount of money"):
        budget.commit("a", price)
    assert budget.entries() == []


def test_an_unknown_price_is_refused_and_not_counted_as_nothing():
    budget = Budget(usd=1)
    with pytest.raises(PriceError, match="not counted as nothing"):
        budget.reserve("a", None, shots=10)


def test_currencies_are_kept():
    budget = Budget(amount="5", currency="eur")
    assert budget.currency == "EUR"
    budget.reserve("a", amount="2", currency="EUR")
    for refused in (
        {"usd": 1},
        {"amount": 1, "currency": "USD"},
        {"amount": 1, "currency": "credit"},
    ):
        with pytest.raises(PriceError):
            budget.reserve("b", **refused)
        with pytest.raises(PriceError):
            budget.commit("a", **refused)
    assert budget.reserved.money == 2
    budget.commit("a", amount="1.5")
    assert budget.spent.money == Decimal("1.5")


def test_what_is_not_limited_is_not_counted():
    shots = Budget(shots=100)
    shots.reserve("a", usd=None, shots=60)
    shots.reserve("b", usd="1e9", shots=40)
    assert shots.left == Amount(None, 0)
    money = Budget(usd=1)
    money.reserve("a", usd=1, shots=10**9)
    assert money.left == Amount(Decimal(0), None)
    with pytest.raises(ConfigurationError, match="no count"):
        shots.reserve("c")


def test_the_error_says_what_is_left_who_holds_it_and_what_to_do():
    budget = Budget(usd=10)
    budget.reserve("first", "6.5")
    budget.commit("first", "6.25")
    budget.reserve("second", "3.5")
    with pytest.raises(BudgetExceededError) as caught:
        budget.reserve("third", "0.5")
    assert str(caught.value) == (
        "'third' would cost more than the budget has left. Expected: at most 0.25 USD. Received: "
        "0.5 USD. Of 10 USD, 6.25 are spent and 3.5 are reserved: 3.5 by this process. Send fewer "
        "circuits or shots, or raise the limit by set_limit(usd=...). A budget made with "
        "on_exceed='fallback' goes on elsewhere."
    )


def test_late_and_higher_bills_count_and_are_logged(caplog):
    budget = Budget(usd=1)
    budget.reserve("a", "0.5")
    budget.release("a")
    budget.reserve("b", "1")
    with caplog.at_level(logging.WARNING, "qstore_tf"):
        budget.commit("a", "0.4")
        budget.commit("a", "0.4")  # the same bill is one bill
        budget.commit("b", "1.1")
    assert budget.spent.money == Decimal("1.5")
    assert budget.balance.overspent.money == Decimal("0.5")
    assert [entry.is_late for entry in budget.entries()] == [True, False]
    texts = [record.getMessage() for record in caplog.records]
    assert texts == [
        "Budget: 'a' was billed without a reservation: 0.4 USD",
        "Budget: overspent by 0.4 USD, by bills that could not be foreseen",
        "Budget: 'b' was billed 1.1 USD; reserved were 1 USD",
        "Budget: overspent by 0.5 USD, by bills that could not be foreseen",
    ]
    with pytest.raises(BudgetExceededError):
        budget.reserve("c", "0.01")


def test_a_bill_that_nobody_knows_counts_as_reserved_until_it_is_known():
    budget = Budget(usd=10)
    budget.reserve("a", "4")
    budget.commit("a")
    (entry,) = budget.entries("spent")
    assert entry.is_guess and budget.spent.money == 4
    budget.commit("a", "3")
    budget.commit("a")
    (entry,) = budget.entries()
    assert not entry.is_guess and budget.spent.money == 3


def test_a_file_keeps_its_limit_and_its_account(tmp_path):
    path = tmp_path / "deep" / "er" / "budget.sqlite"
    first = Budget(usd=10, shots=100, path=path)
    first.reserve("a", 4, 10)
    again = Budget(usd=Decimal("10.0"), shots=100, path=path)
    assert again.reserved == Amount(Decimal(4), 10)
    assert Budget(path=path).left == Amount(Decimal(6), 90)
    for other in ({"usd": 11, "shots": 100}, {"usd": 10}, {"amount": 10, "currency": "EUR"}):
        with pytest.raises(ConfigurationError, match="10 USD and 100 shots. Received: 1[01] "):
            Budget(**other, path=path)
    again.set_limit(usd="12.5")
    assert first.limit == Amount(Decimal("12.5"), 100)
    with pytest.raises(ConfigurationError, match="12.5 USD and 100 shots. Received: 10 USD"):
        Budget(usd=10, shots=100, path=path)


def test_a_lowered_limit_stops_what_is_new_only(tmp_path):
    budget = Budget(usd=10)
    budget.reserve("a", 6)
    budget.set_limit(usd=5)
    assert budget.left.money == 0 and budget.balance.overspent.money == 1
    with pytest.raises(BudgetExceededError):
        budget.reserve("b", "0.01")
    budget.commit("a", 5)
    budget.reserve("free", 0)
    with pytest.raises(ConfigurationError, match="no such limit"):
        budget.set_limit(shots=5)


def test_a_budget_is_saved_without_its_account_and_loaded_with_the_files(tmp_path):
    path = str(tmp_path / "b.sqlite")
    budget = Budget(usd="2.50", shots=7, on_exceed="fallback", fallback="native", path=path)
    config = json.loads(json.dumps(budget.get_config()))
    assert config == {
        "amount": "2.5",
        "shots": 7,
        "currency": "USD",
        "on_exceed": "fallback",
        "fallback": "native",
        "path": path,
    }
    budget.reserve("a", 1, 1)
    budget.set_limit(usd=3)
    loaded = Budget.from_config(config)
    assert loaded.left == Amount(Decimal(2), 6)
    assert (loaded.on_exceed, loaded.fallback) == ("fallback", "native")
    private = Budget.from_config(Budget(shots=5).get_config())
    assert private.path is None and private.limit == Amount(None, 5)
    assert repr(Budget(usd=1)) == "Budget(amount='1', currency='USD', on_exceed='stop')"


class Simulator:
    name = "native"

    def get_config(self):
        return {"num_threads": 2}


def test_a_fallback_that_is_a_backend_is_saved_by_name_and_options():
    budget = Budget(usd=1, on_exceed="fallback", fallback=Simulator())
    fallback = {"name": "native", "options": {"num_threads": 2}}
    assert budget.get_config()["fallback"] == fallback


def test_copies_are_the_same_budget(tmp_path):
    budget = Budget(usd=1)
    assert copy.copy(budget) is copy.deepcopy([budget])[0] is budget
    with pytest.raises(ConfigurationError, match="Pass path="):
        pickle.dumps(budget)
    filed = Budget(usd=1, path=tmp_path / "b")
    other = pickle.loads(pickle.dumps(filed))
    other.reserve("a", 1)
    assert filed.left.money == 0


def test_a_temporary_file_goes_with_its_budget():
    budget = Budget(usd=1)
    path = budget._ledger.file.path
    assert path.exists() and budget.path is None
    del budget
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "without a limit"),
        ({"path": "/nowhere/at/all"}, "without a limit"),
        ({"usd": -1}, "no amount"),
        ({"usd": float("nan")}, "no amount"),
        ({"shots": 1.5}, "no count"),
        ({"shots": True}, "no count"),
        ({"usd": 1, "amount": 1}, "two ways"),
        ({"usd": 1, "currency": "EUR"}, "two ways"),
        ({"amount": 1, "currency": "credit"}, "credits"),
        ({"usd": 1, "on_exceed": "stopp"}, "Did you mean 'stop'"),
        ({"usd": 1, "on_exceed": "fallback"}, "go together"),
        ({"usd": 1, "fallback": "native"}, "go together"),
    ],
)
def test_wrong_options_are_told(options, message):
    with pytest.raises(ConfigurationError, match=message):
        Budget(**options)


@pytest.mark.parametrize("key", ["", None, 1, "a" * 201])
def test_keys_are_tokens(key):
    budget = Budget(usd=1)
    for call in (lambda: budget.reserve(key, 1), lambda: budget.commit(key, 1)):
        with pytest.raises(ConfigurationError, match="token"):
            call()
    with pytest.raises(ConfigurationError, match="token"):
        budget.release(key)


def test_a_limit_may_be_a_float_as_it_is_written():
    budget = Budget(usd=0.3)
    for key in "abc":
        budget.reserve(key, "0.1")
    assert budget.left.money == 0


def test_other_files_are_left_alone(tmp_path):
    text = tmp_path / "text"
    text.write_text("not a database, but somebody's text\n" * 100)
    with pytest.raises(LedgerError, match="not a database"):
        Budget(usd=1, path=text)
    assert text.read_text().startswith("not a database")
    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(LedgerError, match="not a budget"):
        Budget(usd=1, path=foreign)
    with pytest.raises(LedgerError, match="cannot be used"):
        Budget(usd=1, path=tmp_path)


def test_a_file_that_vanished_is_no_new_budget(tmp_path):
    budget = Budget(usd=1, path=tmp_path / "b.sqlite")
    budget.reserve("a", 1)
    (tmp_path / "b.sqlite").unlink()
    for call in (lambda: budget.reserve("b", 1), lambda: budget.balance, budget.entries):
        with pytest.raises(LedgerError, match="removed or replaced"):
            call()
