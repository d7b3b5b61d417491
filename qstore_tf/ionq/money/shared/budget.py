"""The worker's side: a budget whose account another process keeps."""

from __future__ import annotations

import math
import threading
from decimal import Decimal
from typing import Any

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money.amounts import plain
from qstore_tf.ionq.money.balance import Balance, Entry
from qstore_tf.ionq.money.budget import Budget, _check_exceed, _check_key, _limits
from qstore_tf.ionq.money.shared import messages
from qstore_tf.ionq.money.shared.calling import Caller, Line

_PATIENCE_S = 60.0
_LONGEST_WORDS = 1000


class SharedBudget(Budget):
    """The budget of workers on several machines: the chief keeps it, see `AccountServer`.

    It is used as any `Budget`. Each call is a question to the chief. Where it does not answer, it
    is asked again after growing pauses; what it has answered is in its file and holds when it is
    started again. Nothing is granted while it is away. Nothing is asked before the first use.

    Args:
        address: `host:port` of the account.
        on_exceed: As in `Budget`; of this worker.
        fallback: As in `Budget`.
        token: The secret that the chief has too. None: IONQ_BUDGET_TOKEN. It is in no repr, error,
            log or configuration, and is never sent.
        patience_s: Seconds for which an account that does not answer is asked again.

    Raises:
        ConfigurationError: The address or the token cannot be used.

    Example:
        >>> budget = SharedBudget("chief:2223", token="0123456789abcdef", patience_s=0)
        >>> budget
        SharedBudget('chief:2223')
        >>> budget.reserve("job 1", 4)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
            ...
        qstore_tf.errors.AccountUnreachableError: The account that the workers share did not ...
    """

    def __init__(
        self,
        address: str,
        *,
        on_exceed: str = "stop",
        fallback: Any = None,
        token: str | None = None,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        _check_exceed(on_exceed, fallback)
        is_number = isinstance(patience_s, int | float) and not isinstance(patience_s, bool)
        if not is_number or not 0 <= patience_s < math.inf:
            raise ConfigurationError(
                describe(
                    "`patience_s` must be a number of seconds",
                    expected="0 or more",
                    received=patience_s,
                )
            )
        self.on_exceed, self.fallback = on_exceed, fallback
        self.address = address
        line = Line(address, messages.checked_token(token))
        self._caller = Caller(line, address, patience_s)
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._known: Balance | None = None

    @property
    def _begun(self) -> Balance:
        with self._lock:
            if self._known is None:
                self._known = self.balance
            return self._known

    @property
    def path(self) -> str | None:
        """None: the file is the chief's."""
        return None

    @property
    def account(self) -> str | None:
        """Where the account is kept."""
        return self.address

    def telemetry(self) -> dict[str, float]:
        """Returns nothing: the chief has the account, and the charts."""
        return {}

    @property
    def balance(self) -> Balance:
        """Limit, spent, reserved and left as they are now, all of one moment."""
        return messages.to_balance(self._caller.look("balance"))

    def entries(self, state: str | None = None) -> list[Entry]:
        """Returns what is known of the keys of all workers; see `Budget.entries`."""
        found = self._caller.look("entries", state=state)
        return [entry for entry in map(messages.to_entry, found) if entry is not None]

    def entry(self, key: str) -> Entry | None:
        """Returns what is known of a key; None: nothing."""
        _check_key(key)
        return messages.to_entry(self._caller.look("entry", key=key))

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
        """Sets aside the most that a job can cost, before it is sent; see `Budget.reserve`.

        Raises:
            AccountUnreachableError: The chief does not answer. Nothing may be sent.
        """
        wanted = self._amount(key, usd, shots, amount, currency)
        words = None if what is None else what[:_LONGEST_WORDS]
        given = {"key": key, "money": _text(wanted.money), "shots": wanted.shots, "what": words}
        self._caller.change("reserve", **given)

    def commit(
        self,
        key: str,
        usd: Any = None,
        shots: int | None = None,
        *,
        amount: Any = None,
        currency: str | None = None,
    ) -> None:
        """Counts what the service billed for a job; see `Budget.commit`.

        Raises:
            AccountUnreachableError: The chief does not answer. The reservation stays.
        """
        bill = self._amount(key, usd, shots, amount, currency)
        self._caller.change("commit", key=key, money=_text(bill.money), shots=bill.shots)

    def release(self, key: str) -> None:
        """Frees a reservation whose job was not run and will not be; see `Budget.release`.

        Raises:
            AccountUnreachableError: The chief does not answer. The reservation stays.
        """
        _check_key(key)
        self._caller.change("release", key=key)

    def set_limit(self, usd: Any = None, shots: int | None = None, *, amount: Any = None) -> None:
        """Raises or lowers the limit for all workers; see `Budget.set_limit`."""
        wanted, code = _limits(usd, shots, amount, None)
        self._check_currency(code)
        self._caller.change("set_limit", money=_text(wanted.money), shots=wanted.shots)

    def get_config(self) -> dict[str, Any]:
        """Returns what makes the same budget again, without the token."""
        return {
            "address": self.address,
            "on_exceed": self.on_exceed,
            "fallback": self._fallback_config(),
            "patience_s": self._patience_s,
        }

    def __reduce__(self) -> Any:
        """A copy in another process takes its token from the environment."""
        return Budget.from_config, (self.get_config(),)

    def __repr__(self) -> str:
        """Where the account is kept."""
        return f"SharedBudget({self.address!r})"


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else plain(amount)


Budget._shared = SharedBudget  # for configurations
