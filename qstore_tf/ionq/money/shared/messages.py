"""What workers and the keeper of their account say to each other.

    keeper   GREETING nonce
    worker   seal {"do", "with", "owner", "session", "number", "oldest"}
    keeper   seal {"found"}    or    seal {"error", "text"}    or    REFUSED

One question for each connection, each message a line. A seal is an HMAC by the token that both know
over the nonce and all that was said: the token itself is never sent, what was overheard cannot be
said again, and nobody else can grant money. Everybody on the way can read the messages; they hold
amounts and names of jobs, no keys.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from qstore_tf.credentials import Secret, checked_key
from qstore_tf.errors import (
    BudgetExceededError,
    ConfigurationError,
    LedgerError,
    PriceError,
    QstoreError,
    describe,
)
from qstore_tf.ionq.money.balance import Amount, Balance, Entry

KIND, GREETING, REFUSED = b"qstore-account-", b"qstore-account-1", b"refused"
TOKEN = "IONQ_BUDGET_TOKEN"
MOST_ASKED, MOST_ANSWERED = 1 << 16, 1 << 26  # bytes of a message
_SHORTEST_TOKEN = 16
_ERRORS: Mapping[str, type[QstoreError]] = {
    kind.__name__: kind
    for kind in (BudgetExceededError, ConfigurationError, LedgerError, PriceError)
}


def checked_token(token: str | None) -> Secret:
    """Returns the token of workers and the keeper of their account, so that nothing shows it.

    Args:
        token: 16 to 500 visible ASCII characters. None: IONQ_BUDGET_TOKEN.

    Raises:
        ConfigurationError: There is none, or it cannot be used. It is not shown.

    Example:
        >>> checked_token("0123456789abcdef")
        ***
    """
    found = checked_key(os.environ.get(TOKEN) if token is None else token)
    if found is None or len(found) < _SHORTEST_TOKEN:
        raise ConfigurationError(
            describe(
                "An account that workers share needs a secret token"
                + ("" if found is None else ", and this one is too short"),
                expected=f"token=... or the environment variable {TOKEN}, the same on all workers, "
                f"of at least {_SHORTEST_TOKEN} characters",
                hint="Make one by: python -c 'import secrets; print(secrets.token_urlsafe(32))'",
            )
        )
    return Secret(found)


def split_host(address: str, least: int = 1) -> tuple[str, int]:
    """Returns host and port of `host:port` or `[IPv6]:port`.

    Args:
        address: The address.
        least: The smallest port that makes sense; 0 where that is any that is free.

    Raises:
        ConfigurationError: The address does not have this form.

    Example:
        >>> split_host("train-0.train:2223")
        ('train-0.train', 2223)
    """
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})", str(address))
    if not isinstance(address, str) or not found or not least <= int(found[2]) < 65536:
        raise ConfigurationError(
            describe(
                "The address of an account cannot be read",
                expected="'host:port' with a port from 1 to 65535, such as 'train-0.train:2223'",
                received=address,
            )
        )
    return found[1].strip("[]"), int(found[2])


def seal(token: Secret, nonce: bytes, *said: bytes) -> bytes:
    """Returns what only those can write who know the token; no part may contain a line end."""
    text = b"\n".join((nonce, *said))
    return hmac.new((token.text or "").encode(), text, hashlib.sha256).hexdigest().encode()


def is_sealed(given: bytes, token: Secret, nonce: bytes, *said: bytes) -> bool:
    """Whether a seal is right, in a time that does not tell how much of it is."""
    return hmac.compare_digest(given, seal(token, nonce, *said))


def write(message: Mapping[str, Any]) -> bytes:
    """Returns a message as one line without its end."""
    return json.dumps(message, allow_nan=False).encode()


def read(line: bytes) -> dict[str, Any] | None:
    """Returns a message; None where it is none."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def from_error(error: QstoreError) -> dict[str, Any]:
    """Returns an error as an answer."""
    name = next((name for name, kind in _ERRORS.items() if isinstance(error, kind)), "LedgerError")
    return {"error": name, "text": str(error)}


def to_error(answer: Mapping[str, Any]) -> QstoreError:
    """Returns the error that an answer says."""
    return _ERRORS.get(answer["error"], LedgerError)(str(answer.get("text", "")))


def from_amount(amount: Amount) -> list[str | None]:
    """Returns an amount as JSON holds it, exactly."""
    return list(amount.texts())


def to_amount(texts: Any) -> Amount:
    """Returns an amount from what `from_amount` returned."""
    money, shots = texts
    return Amount(None if money is None else Decimal(money), None if shots is None else int(shots))


def from_balance(balance: Balance) -> dict[str, Any]:
    """Returns a balance as JSON holds it."""
    amounts = {name: from_amount(getattr(balance, name)) for name in _AMOUNTS}
    return {**amounts, "currency": balance.currency}


def to_balance(found: Any) -> Balance:
    """Returns a balance from what `from_balance` returned."""
    limit, spent, reserved = (to_amount(found[name]) for name in _AMOUNTS)
    return Balance(limit, spent, reserved, found["currency"])


_AMOUNTS = ("limit", "spent", "reserved")


def from_entry(entry: Entry | None) -> list[Any] | None:
    """Returns what is known of a key as JSON holds it."""
    if entry is None:
        return None
    billed = None if entry.billed is None else from_amount(entry.billed)
    flags = (entry.is_late, entry.is_guess)
    return [entry.key, entry.state, from_amount(entry.reserved), billed, *flags] + [
        list(entry.owner),
        entry.time,
    ]


def to_entry(found: Any) -> Entry | None:
    """Returns what is known of a key from what `from_entry` returned."""
    if found is None:
        return None
    key, state, reserved, billed, is_late, is_guess, owner, time = found
    given = None if billed is None else to_amount(billed)
    return Entry(key, state, to_amount(reserved), given, is_late, is_guess, tuple(owner), time)
