"""The tables of a budget: the limit and running totals in one row, and a row for each key."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from decimal import Decimal
from sqlite3 import Connection
from typing import Any

from qstore_tf.errors import LedgerError, describe
from qstore_tf.ionq.money.balance import NOTHING, RESERVED, SPENT, Amount, Balance, Entry
from qstore_tf.ionq.money.files import SharedFile

# Amounts are text: SQLite's numbers would round them. NULL where there is no limit.
_SCHEMA = (
    "CREATE TABLE totals (currency TEXT NOT NULL, limit_money TEXT, limit_shots TEXT,"
    " spent_money TEXT, spent_shots TEXT, reserved_money TEXT, reserved_shots TEXT)",
    "CREATE TABLE entries (key TEXT PRIMARY KEY, state TEXT NOT NULL,"
    " reserved_money TEXT, reserved_shots TEXT, billed_money TEXT, billed_shots TEXT,"
    " is_late INTEGER NOT NULL, is_guess INTEGER NOT NULL,"
    " host TEXT NOT NULL, process INTEGER NOT NULL, time REAL NOT NULL)",
    "CREATE INDEX entries_by_state ON entries (state)",
)
_MARK = 0x71536275  # chosen once, for files of budgets


class Ledger:
    """The file of a budget.

    Args:
        path: As in `SharedFile`.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self.file = SharedFile(path, "a budget", _MARK, _SCHEMA)

    def begin(self, limit: Amount | None, currency: str) -> Balance:
        """Writes the limit where the file has none yet, and returns the balance."""
        with self.file.writing() as sql:
            if limit is not None and _balance(sql) is None:
                zero = NOTHING.where(limit).texts()
                row = (currency, *limit.texts(), *zero, *zero)
                sql.execute("INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            return self._there(sql)

    @contextlib.contextmanager
    def change(self) -> Iterator[Page]:
        """The whole account for one change: made at the end or, on an error, not at all."""
        with self.file.writing() as sql:
            yield Page(sql, self._there(sql))

    def balance(self) -> Balance:
        """All totals as they are at one moment."""
        with self.file.reading() as sql:
            return self._there(sql)

    def entries(self, state: str | None) -> list[Entry]:
        """All keys, or those in one state, oldest change first."""
        with self.file.reading() as sql:
            self._there(sql)
            return _entries(sql, state)

    def entry(self, key: str) -> Entry | None:
        """What is known of a key."""
        with self.file.reading() as sql:
            self._there(sql)
            return _entry(sql, key)

    def _there(self, sql: Connection) -> Balance:
        found = _balance(sql)
        if found is None:
            raise LedgerError(
                describe(
                    "The file of this budget is empty: it was removed or replaced",
                    received=str(self.file.path),
                    hint="Put it back. A new Budget there would begin at nothing spent",
                )
            )
        return found


class Page:
    """A budget's account while one change is made: everything is read and written here.

    Attributes:
        balance: The totals, with what was put so far.
    """

    def __init__(self, sql: Connection, balance: Balance) -> None:
        self._sql, self.balance = sql, balance

    def entry(self, key: str) -> Entry | None:
        """What is known of a key."""
        return _entry(self._sql, key)

    def under_way(self) -> list[Entry]:
        """The keys that are reserved."""
        return _entries(self._sql, RESERVED)

    def put(self, entry: Entry) -> None:
        """Writes what is now known of a key, and moves the totals by the difference."""
        before = self.entry(entry.key)
        spent, reserved = self.balance.spent, self.balance.reserved
        if before is not None:
            spent = spent.minus(_in(before, SPENT))
            reserved = reserved.minus(_in(before, RESERVED))
        spent, reserved = spent.plus(_in(entry, SPENT)), reserved.plus(_in(entry, RESERVED))
        self.balance = Balance(self.balance.limit, spent, reserved, self.balance.currency)
        billed = (entry.billed or Amount()).texts()
        flags = (int(entry.is_late), int(entry.is_guess))
        self._sql.execute(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (entry.key, entry.state, *entry.reserved.texts(), *billed, *flags)
            + (*entry.owner, entry.time),
        )
        self._sql.execute(
            "UPDATE totals SET spent_money = ?, spent_shots = ?, reserved_money = ?, "
            "reserved_shots = ?",
            (*spent.texts(), *reserved.texts()),
        )

    def set_limit(self, limit: Amount) -> None:
        """Writes another limit."""
        self._sql.execute("UPDATE totals SET limit_money = ?, limit_shots = ?", limit.texts())


def _in(entry: Entry, state: str) -> Amount:
    """What an entry adds to the total of a state."""
    if entry.state != state:
        return Amount()
    return entry.reserved if state == RESERVED else entry.billed or Amount()


def _balance(sql: Connection) -> Balance | None:
    row = sql.execute("SELECT * FROM totals").fetchone()
    if row is None:
        return None
    limit, spent, reserved = (_amount(row[k], row[k + 1]) for k in (1, 3, 5))
    return Balance(limit, spent, reserved, row[0])


def _amount(money: str | None, shots: str | None) -> Amount:
    return Amount(None if money is None else Decimal(money), None if shots is None else int(shots))


def _entries(sql: Connection, state: str | None) -> list[Entry]:
    where, values = ("", ()) if state is None else ("WHERE state = ?", (state,))
    rows = sql.execute(f"SELECT * FROM entries {where} ORDER BY time, key", values)
    return [_read(row) for row in rows]


def _entry(sql: Connection, key: str) -> Entry | None:
    row = sql.execute("SELECT * FROM entries WHERE key = ?", (key,)).fetchone()
    return None if row is None else _read(row)


def _read(row: Any) -> Entry:
    billed = _amount(row[4], row[5]) if row[1] == SPENT else None
    owner, flags = (row[8], row[9]), (bool(row[6]), bool(row[7]))
    return Entry(row[0], row[1], _amount(row[2], row[3]), billed, *flags, owner, row[10])
