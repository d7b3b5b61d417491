"""A budget that cannot be overspent: money and shots are reserved before a job is sent.

    reserve  before a job is sent: the most that it can cost
    commit   once it is over: what the service billed; the rest is free again
    release  where nothing was run and nothing will be

Each has the job's token as its key, so that doing it twice is doing it once:

    state of the key      reserve               commit                        release
    new                   reserved              spent, reported as late       nothing
    reserved              the same reservation  spent                         released
    spent                 nothing               the latest bill holds         refused
    released              reserved again        spent, reported as late       nothing

What the service bills always counts, even where it was not reserved or is more than was reserved:
only so can what is spent exceed the limit, and it is logged and marked in `entries`. A reservation
stays until somebody settles it. That of a process that has died is never freed by itself, because
its job may have been run; who takes up the journal of that process commits or releases it.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from qstore_tf.errors import (
    ConfigurationError,
    LedgerError,
    PriceError,
    describe,
    did_you_mean,
)
from qstore_tf.ionq.money.amounts import count, currency_code, exact, plain
from qstore_tf.ionq.money.balance import (
    NOTHING,
    RELEASED,
    RESERVED,
    SPENT,
    Amount,
    Balance,
    Entry,
)
from qstore_tf.ionq.money.exceeding import Bare, check, me
from qstore_tf.ionq.money.files import full_path
from qstore_tf.ionq.money.ledger import Ledger

_log = logging.getLogger("qstore_tf")

ON_EXCEED = ("stop", "fallback")
_LONGEST_KEY = 200


class Budget:
    """The most that jobs may cost, in money, in shots or in both.

    It holds for all threads, and for all processes of one machine that name the same `path`; the
    file must lie on a disk of that machine. What the budget does not limit it keeps no account of.

    Args:
        usd: The limit in US dollars: an int, a Decimal, text such as "12.50" or a float as you
            write it.
        shots: The limit in shots, those of all circuits of a job together.
        amount: The limit in another `currency`, in place of `usd`.
        currency: Three letters. Prices in any other currency are refused.
        on_exceed: What a backend does with work that the budget cannot pay: "stop" raises
            BudgetExceededError, "fallback" runs it on `fallback`.
        fallback: A backend or its name, such as "native".
        path: The file; {index} in it stands for the number of a training's worker. None: a
            temporary one of this process, whose account ends with it. A file that exists keeps its
            own limits: leave yours out, or give the same, or change them by `set_limit`.

    Raises:
        ConfigurationError: There is no limit, or the file has another one.
        LedgerError: The file cannot be used.

    Example:
        >>> budget = Budget(usd=10, shots=100_000)
        >>> budget.reserve("job 1", usd="4.50", shots=1000)
        >>> budget.reserve("job 2", usd="5.51", shots=1000)
        Traceback (most recent call last):
            ...
        qstore_tf.errors.BudgetExceededError: 'job 2' would cost more than the budget has left. \
Expected: at most 5.5 USD and 99000 shots. Received: 5.51 USD and 1000 shots. Of 10 USD, 0 are \
spent and 4.5 are reserved: 4.5 by this process. Send fewer circuits or shots, or raise the limit \
by set_limit(usd=...). A budget made with on_exceed='fallback' goes on elsewhere.
        >>> budget.commit("job 1", usd="4.25", shots=1000)
        >>> print(budget)
        4.25 spent, 0 reserved, 5.75 left of 10 USD
        1000 spent, 0 reserved, 99000 left of 100000 shots
    """

    # The kind whose account another process keeps, which is above this module.
    _shared: ClassVar[Callable[..., Budget] | None] = None

    def __init__(
        self,
        usd: Any = None,
        shots: int | None = None,
        *,
        amount: Any = None,
        currency: str | None = None,
        on_exceed: str = "stop",
        fallback: Any = None,
        path: str | os.PathLike[str] | None = None,
    ) -> None:
        _check_exceed(on_exceed, fallback)
        self.on_exceed, self.fallback = on_exceed, fallback
        limit, code = _limits(usd, shots, amount, currency)
        if amount is not None and code is None:
            code = "USD"
        has_limit = limit != Amount()
        if not has_limit and (path is None or not full_path(path).exists()):
            raise ConfigurationError(
                describe(
                    "A budget without a limit",
                    expected="usd=, shots= or both, or path= of a budget that exists",
                    hint="Leave the budget out where none is wanted",
                )
            )
        self._ledger = Ledger(path)
        self._first = there = self._ledger.begin(limit if has_limit else None, code or "USD")
        if code not in (None, there.currency) or (has_limit and limit != there.limit):
            raise ConfigurationError(
                describe(
                    f"The budget in {str(self._ledger.file.path)!r} has another limit",
                    expected=there.limit.describe(there.currency),
                    received=Bare(limit.describe(code or there.currency)),
                    hint="Give the same limit or none at all, or change that of the file: "
                    "Budget(path=...).set_limit(usd=...)",
                )
            )

    @property
    def path(self) -> str | None:
        """Where the file lies; None where it is a temporary one."""
        return None if self._ledger.file.is_temporary else str(self._ledger.file.path)

    @property
    def account(self) -> str | None:
        """What two budgets of one account have in common; None: nobody else can have this one."""
        return self.path

    @property
    def currency(self) -> str:
        """Of all amounts of this budget."""
        return self._begun.currency

    @property
    def _begun(self) -> Balance:
        """As the account was when it was opened: what it limits, and in which currency, stays."""
        return self._first

    @property
    def balance(self) -> Balance:
        """Limit, spent, reserved and left as they are now, all of one moment."""
        return self._ledger.balance()

    @property
    def limit(self) -> Amount:
        """The most that may be spent."""
        return self.balance.limit

    @property
    def spent(self) -> Amount:
        """What was billed."""
        return self.balance.spent

    @property
    def reserved(self) -> Amount:
        """What jobs under way may cost at most."""
        return self.balance.reserved

    @property
    def left(self) -> Amount:
        """What can still be reserved."""
        return self.balance.left

    def entries(self, state: str | None = None) -> list[Entry]:
        """Returns what is known of all keys, or of those in one state, oldest change first."""
        return self._ledger.entries(state)

    def entry(self, key: str) -> Entry | None:
        """Returns what is known of a key; None: nothing."""
        _check_key(key)
        return self._ledger.entry(key)

    def reserve(
        self,
        key: str,
        usd: Any = None,
        shots: int | None = None,
        *,
        amount: Any = None,
        currency: str | None = None,
        what: str | None = None,
    ) -> None:
        """Sets aside the most that a job can cost, before it is sent.

        Args:
            key: The job's token.
            usd: The most that it can cost in US dollars.
            shots: The shots of all its circuits together.
            amount: In place of `usd`, in another currency.
            currency: That of `amount`; None: the budget's.
            what: The job in words, for errors; None: its key.

        Raises:
            BudgetExceededError: There is not so much left. Nothing has changed then.
            PriceError: The price is not known, or in another currency.
            LedgerError: The key is reserved already, with another amount.
        """
        wanted = self._amount(key, usd, shots, amount, currency)
        if wanted.money is None and self._begun.limit.money is not None:
            raise PriceError(
                describe(
                    f"What {what or repr(key)} costs at most is not known",
                    expected="an amount of money",
                    received=None,
                    hint="An unknown price is not counted as nothing. Pass prices=, a PriceTable "
                    "of what holds for you, or use a budget of shots",
                )
            )
        if self._begun.limit.shots is not None:
            count(wanted.shots, "shots")
        with self._ledger.change() as page:
            entry = page.entry(key)
            if entry is None or entry.state == RELEASED:
                check(page, what or repr(key), wanted, self.on_exceed)
                page.put(Entry(key, RESERVED, wanted, None, False, False, me(), _now()))
            elif entry.reserved != wanted and not entry.is_late:
                raise LedgerError(
                    describe(
                        f"{key!r} is reserved already, with another amount",
                        expected=entry.reserved.describe(self.currency),
                        received=Bare(wanted.describe(self.currency)),
                        hint="Every job has a key of its own",
                    )
                )

    def commit(
        self,
        key: str,
        usd: Any = None,
        shots: int | None = None,
        *,
        amount: Any = None,
        currency: str | None = None,
    ) -> None:
        """Counts what the service billed for a job, and frees the rest of its reservation.

        Args:
            key: The job's token. One that is not reserved, or was released, counts all the same,
                and is reported as late.
            usd: What was billed in US dollars. None: nobody knows; what was reserved counts, until
                the bill is committed.
            shots: The shots that were run; None: those that were reserved.
            amount: In place of `usd`, in another currency.
            currency: That of `amount`; None: the budget's.

        Raises:
            PriceError: The bill is in another currency. The reservation stays.
            LedgerError: Nothing is reserved for this key, and no bill was given.
        """
        given = self._amount(key, usd, shots, amount, currency)
        has_money = self._begun.limit.money is not None
        is_guess = given.money is None if has_money else given.shots is None
        with self._ledger.change() as page:
            nothing = NOTHING.where(page.balance.limit)
            entry = page.entry(key) or Entry(key, RELEASED, nothing, None, True, False, me(), 0)
            if is_guess and entry.state == RELEASED:
                raise LedgerError(
                    describe(
                        f"Nothing is reserved for {key!r}, and its bill is not known",
                        expected="what the service billed",
                        hint="Ask the service for the cost of the job",
                    )
                )
            if is_guess and entry.state == SPENT:
                is_guess = entry.is_guess  # what was known before holds
            billed = given.or_else(entry.billed or entry.reserved)
            is_late = entry.is_late or entry.state == RELEASED
            now = Entry(key, SPENT, entry.reserved, billed, is_late, is_guess, entry.owner, _now())
            page.put(now)
        _log_surprises(entry, now, page.balance)

    def release(self, key: str) -> None:
        """Frees a reservation whose job was not run and will not be.

        Args:
            key: The job's token. Nothing happens where it is not reserved.

        Raises:
            LedgerError: A bill was committed for it: correct that by another `commit`.
        """
        _check_key(key)
        with self._ledger.change() as page:
            entry = page.entry(key)
            if entry is not None and entry.state == SPENT:
                raise LedgerError(
                    describe(
                        f"{key!r} was billed and cannot be released",
                        hint="Where the bill was wrong, commit the right one, also 0",
                    )
                )
            if entry is not None and entry.state == RESERVED:
                page.put(replace(entry, state=RELEASED, time=_now()))

    def telemetry(self) -> dict[str, float]:
        """Returns spent, reserved, left and limit by name, for charts; see `QuantumTensorBoard`.

        Example:
            >>> Budget(usd=10).telemetry()
            {'spent_usd': 0.0, 'reserved_usd': 0.0, 'left_usd': 10.0, 'limit_usd': 10.0}
        """
        balance = self.balance
        units = (self.currency.lower(), "shots")
        return {
            f"{name}_{unit}": float(amount)
            for name in ("spent", "reserved", "left", "limit")
            for unit, amount in zip(units, getattr(balance, name), strict=True)
            if amount is not None
        }

    def set_limit(self, usd: Any = None, shots: int | None = None, *, amount: Any = None) -> None:
        """Raises or lowers the limit, in the file too: it holds for everyone who uses it.

        Below what is spent and reserved, nothing more can be reserved; what is under way goes on.

        Args:
            usd: The new limit in US dollars; None leaves it.
            shots: The new limit in shots; None leaves it.
            amount: In place of `usd`, in the budget's currency.

        Raises:
            ConfigurationError: The budget does not limit this: nobody knows what was spent of it.
        """
        wanted, code = _limits(usd, shots, amount, None)
        self._check_currency(code)
        with self._ledger.change() as page:
            limit = page.balance.limit
            if wanted.where(limit) != wanted:
                raise ConfigurationError(
                    describe(
                        "This budget has no such limit",
                        expected=limit.describe(self.currency),
                        received=Bare(wanted.describe(self.currency)),
                        hint="What was spent of it before is not known: make another budget",
                    )
                )
            page.set_limit(wanted.or_else(limit))

    def get_config(self) -> dict[str, Any]:
        """Returns what makes the same budget again: limits as they were made, and the path.

        A budget without a path begins anew when it is loaded.
        """
        limit = self._begun.limit
        return {
            "amount": None if limit.money is None else plain(limit.money),
            "shots": limit.shots,
            "currency": self.currency,
            "on_exceed": self.on_exceed,
            "fallback": self._fallback_config(),
            "path": self.path,
        }

    def _fallback_config(self) -> Any:
        fallback = self.fallback
        if hasattr(fallback, "get_config") and hasattr(fallback, "name"):
            return {"name": fallback.name, "options": fallback.get_config()}
        return fallback

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Budget:
        """Returns a budget from what `get_config` returned; a file that exists keeps its limits."""
        options = dict(config)
        if "address" in options:
            assert cls._shared is not None
            return cls._shared(**options)
        path = options.get("path")
        if path is not None and full_path(path).exists():
            options.update(amount=None, shots=None)
        return cls(**options)

    def __reduce__(self) -> Any:
        """A budget travels to another process by its file."""
        if self.path is None:
            raise ConfigurationError(
                describe(
                    "A budget without a file stays in its process",
                    hint="Pass path=, so that others share it and do not spend it again",
                )
            )
        return _open, (self.path, self.on_exceed, self.fallback)

    def falling_back_on(self, fallback: Any) -> Budget:
        """Returns this account for one who goes on elsewhere when it is spent.

        Args:
            fallback: As where a budget is made.

        Example:
            >>> budget = Budget(usd=3)
            >>> other = budget.falling_back_on("native")
            >>> other.reserve("a job", usd=1)
            >>> print(budget)
            0 spent, 1 reserved, 2 left of 3 USD
            >>> budget.on_exceed, other.on_exceed
            ('stop', 'fallback')
        """
        _check_exceed("fallback", fallback)
        made = object.__new__(type(self))
        vars(made).update(vars(self))
        made.on_exceed, made.fallback = "fallback", fallback
        return made

    def __copy__(self) -> Budget:
        """Money cannot be copied: the same budget."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Budget:
        """The same budget."""
        return self

    def __repr__(self) -> str:
        """What makes the same budget again."""
        given = (f"{name}={value!r}" for name, value in self.get_config().items() if value)
        return f"Budget({', '.join(given)})"

    def __str__(self) -> str:
        """A line for each limit: what is spent, reserved and left."""
        return str(self.balance)

    def _amount(
        self, key: Any, usd: Any, shots: int | None, amount: Any, currency: str | None
    ) -> Amount:
        """Checks what a job costs; what the budget does not limit becomes None."""
        _check_key(key)
        _check_one_way(usd, amount, currency)
        money = amount if usd is None else usd
        if self._begun.limit.money is None or money is None:
            money = None
        else:
            self._check_currency("USD" if usd is not None else currency)
            money = exact(money, f"What {key!r} costs", PriceError)
        if shots is not None:
            shots = count(shots, "shots")
        return Amount(money, shots).where(self._begun.limit)

    def _check_currency(self, unit: str | None) -> None:
        if unit is not None and currency_code(unit) != self.currency:
            raise PriceError(
                describe(
                    "The budget is in another currency",
                    expected=self.currency,
                    received=unit,
                    hint="Amounts are not converted. Make a budget of that currency: "
                    "Budget(amount=..., currency=...)",
                )
            )


def _open(path: str, on_exceed: str, fallback: Any) -> Budget:
    return Budget(path=path, on_exceed=on_exceed, fallback=fallback)


def _check_exceed(on_exceed: Any, fallback: Any) -> None:
    if on_exceed not in ON_EXCEED:
        raise ConfigurationError(
            describe(
                "on_exceed says what happens with work that the budget cannot pay",
                received=on_exceed,
                hint=did_you_mean(str(on_exceed)[:100], ON_EXCEED),
            )
        )
    if (fallback is None) != (on_exceed == "stop"):
        raise ConfigurationError(
            describe(
                "on_exceed and fallback go together",
                expected="on_exceed='fallback', fallback=a backend; or neither",
                received=(on_exceed, fallback),
            )
        )


def _check_one_way(usd: Any, amount: Any, currency: str | None) -> None:
    if usd is not None and (amount is not None or currency not in (None, "USD")):
        raise ConfigurationError(
            describe(
                "usd= and amount= are two ways to say the same",
                expected="usd=, or amount= with currency=",
                received={"usd": usd, "amount": amount, "currency": currency},
            )
        )


def _limits(
    usd: Any, shots: int | None, amount: Any, currency: str | None
) -> tuple[Amount, str | None]:
    _check_one_way(usd, amount, currency)
    money = amount if usd is None else usd
    if isinstance(money, float):
        money = repr(money)  # the limit as it stands in the program, 0.1 and not its neighbour
    if money is not None:
        money = exact(money, "The limit of a budget")
    if shots is not None:
        shots = count(shots, "The limit of a budget in shots")
    unit = "USD" if usd is not None else currency
    return Amount(money, shots), None if unit is None else currency_code(unit, ConfigurationError)


def _check_key(key: Any) -> None:
    if not isinstance(key, str) or not 0 < len(key) <= _LONGEST_KEY:
        expected = f"text of 1 to {_LONGEST_KEY} characters"
        raise ConfigurationError(
            describe("A key of a budget is a job's token", expected=expected, received=key)
        )


def _now() -> float:
    return time.time()


def _log_surprises(before: Entry, now: Entry, balance: Balance) -> None:
    """Logs a bill that nobody had reserved for."""
    if before.billed == now.billed or now.billed is None:
        return
    billed = now.billed.describe(balance.currency)
    more = now.billed.minus(now.reserved).at_least_nothing()
    if before.state == RELEASED:
        _log.warning("Budget: %r was billed without a reservation: %s", now.key, billed)
    elif any(more) and not now.is_late:
        reserved = now.reserved.describe(balance.currency)
        _log.warning("Budget: %r was billed %s; reserved were %s", now.key, billed, reserved)
    if any(balance.overspent):
        over = balance.overspent.describe(balance.currency)
        _log.warning("Budget: overspent by %s, by bills that could not be foreseen", over)
