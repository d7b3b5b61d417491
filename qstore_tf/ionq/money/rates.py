"""What IonQ's service says of prices: estimates before a job, bills after it.

    GET /jobs/estimate      read_estimate(parse_money_json(text)) -> Quote
    GET /jobs/{id}/cost     billed(parse_money_json(text)) -> Money, or None where nothing is priced

Contracts are by gates or by quantum compute time, and in a currency or in credits. Estimates come
in two shapes: since 2026 with a `rate_card`, before that with `rate_information`. What is not
understood is refused with a PriceError; it is never counted as nothing.

Observed, and no promise of IonQ's: an estimate by gates is the larger of the job's minimum and
gates times shots, rounded to cents. How often the minimum is charged to a job of many circuits is
not published. `Quote.at_most` is what no reading exceeds: the minimum for each circuit, and the
gates on top.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NoReturn

from qstore_tf import limits
from qstore_tf.errors import PriceError, describe
from qstore_tf.ionq.money.amounts import (
    EXACT,
    MOST,
    Money,
    add,
    count,
    currency_code,
    exact,
    up_to_cents,
)
from qstore_tf.ionq.prices import PriceTable, cost

_LONGEST = 1_000_000  # characters of an answer about money
_COMPUTE_TIME = "compute_second"
# Billed compute time may be above the predicted one: by 4 % in the example of IonQ's own schema.
MARGIN = Decimal("1.25")


def parse_money_json(text: str | bytes) -> Any:
    """Parses JSON with every number exactly as it is written: Decimals and ints, no floats.

    Args:
        text: The body of an answer.

    Raises:
        PriceError: It is no JSON, has NaN or Infinity, or is longer than a million characters.

    Example:
        >>> parse_money_json('{"value": 24.83, "unit": "usd"}')
        {'value': Decimal('24.83'), 'unit': 'usd'}
    """
    if len(text) > _LONGEST:
        _refuse("An answer about prices is too long", f"at most {_LONGEST} characters", len(text))
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise PriceError(
            describe("An answer about prices cannot be read", expected="JSON", received=text)
        ) from error


def billed(document: Any) -> Money | None:
    """Reads what a job was billed from the answer of `GET /jobs/{id}/cost`.

    Args:
        document: The answer, read by `parse_money_json`.

    Returns:
        The bill; None for a job that has no price: simulators and dry runs.

    Raises:
        PriceError: The bill is in credits or in an unknown unit, is no amount, or is not there yet.

    Example:
        >>> billed(parse_money_json('{"dry_run": false, "cost": {"value": 24.83, "unit": "usd"}}'))
        Money(amount=Decimal('24.83'), currency='USD')
        >>> billed({"dry_run": False}) is None
        True
    """
    answer = _object(document, "The cost of a job")
    if answer.get("dry_run") is True:
        return None
    if answer.get("cost") is not None:
        return _money(answer["cost"], "The cost of a job")
    if answer.get("estimated_cost") is None:
        return None
    _refuse(
        "The service has an estimate but no bill for this job",
        "`cost` in the answer",
        dict(answer),
        "Ask again once the job has ended",
    )


def estimated(document: Any) -> Money | None:
    """Reads what a job was estimated to cost; of a dry run, what it would cost if it were run.

    Args:
        document: The answer of `GET /jobs/{id}/cost`, read by `parse_money_json`.

    Returns:
        The estimate; None where the job has no price.

    Raises:
        PriceError: As in `billed`.

    Example:
        >>> estimated({"dry_run": True, "estimated_cost": {"value": 25, "unit": "usd"}})
        Money(amount=Decimal('25'), currency='USD')
    """
    answer = _object(document, "The cost of a job")
    if answer.get("estimated_cost") is None:
        return None
    return _money(answer["estimated_cost"], "The estimated cost of a job")


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What the service answers when it is asked for a price.

    Attributes:
        backend: The machine, such as "qpu.forte-1".
        n_1q: The one-qubit gates that were asked about, of all circuits together.
        n_2q: The two-qubit gates.
        shots: The shots of each circuit.
        mitigation: Whether error mitigation is on.
        price: The service's own estimate.
        table: The contract, where it is by gates.
        per_second: The price of a second, where the contract is by compute time.
        compute_us: The compute time that is predicted, in microseconds.
        execution_s: How long the job is predicted to run, in seconds; None: not said.
        queue_s: How long it is predicted to wait.
    """

    backend: str
    n_1q: int
    n_2q: int
    shots: int
    mitigation: bool
    price: Money
    table: PriceTable | None = None
    per_second: Decimal | None = None
    compute_us: int | None = None
    execution_s: float | None = None
    queue_s: float | None = None

    def at_most(self, n_circuits: int = 1, margin: Decimal = MARGIN) -> Money:
        """Returns the most that the job can be billed, whole cents.

        Args:
            n_circuits: The circuits that share the gates asked about.
            margin: How many times the predicted compute time the billed one may be.

        Raises:
            PriceError: The contract is by compute time, and none is predicted.

        Example:
            >>> gates = {"unit": "gates", "sku": "s", "cost_1q_gate": 0, "job_cost_minimum": 5}
            >>> rates = [{**gates, "cost_2q_gate": Decimal("0.001")}]
            >>> context = {"backend": "qpu.forte-1", "shots": 1000, "2q_gates": 20}
            >>> answer = {"estimate_context": context, "rate_card": {"id": "r", "rates": rates},
            ...           "estimated_unit": "usd", "estimated_total_cost": 20}
            >>> quote = read_estimate(answer)
            >>> str(quote.price), str(quote.at_most(n_circuits=4))
            ('20 USD', '40 USD')
        """
        amount = self.price.amount
        if self.table is not None:
            fee = cost(self.table, 0, 0, 1, self.mitigation)
            gates = cost(self.table, self.n_1q, self.n_2q, self.shots, self.mitigation)
            more = EXACT.multiply(fee, Decimal(count(n_circuits, "n_circuits") - 1))
            amount = add(gates, more)  # not below the estimate: see `read_estimate`
        elif self.per_second is not None:
            if self.compute_us is None:
                _refuse(
                    "The contract is by compute time, and the service predicts none",
                    "estimated_quantum_compute_time_us",
                    None,
                    "Pass a PriceTable that is an upper bound of what your contract charges",
                )
            seconds = EXACT.multiply(Decimal(self.compute_us), Decimal("0.000001"))
            amount = max(amount, EXACT.multiply(self.per_second, seconds))
            amount = EXACT.multiply(amount, margin)
        return Money(up_to_cents(amount), self.price.currency)


def question(
    backend: str,
    *,
    n_1q: int,
    n_2q: int,
    n_qubits: int,
    n_circuits: int,
    shots: int,
    mitigation: bool,
) -> dict[str, str]:
    """Returns the parameters of `GET /jobs/estimate` for one job.

    Args:
        backend: The machine, by its name in the API.
        n_1q: One-qubit gates of all circuits together.
        n_2q: Two-qubit gates of all circuits together.
        n_qubits: Qubits of the largest circuit.
        n_circuits: How many circuits.
        shots: Shots of each.
        mitigation: Whether error mitigation is on.

    Example:
        >>> one = {"n_1q": 3, "n_2q": 1, "n_qubits": 2, "n_circuits": 1, "shots": 100}
        >>> question("qpu.forte-1", **one, mitigation=False)["error_mitigation"]
        'false'
    """
    return {
        "backend": backend,
        "type": "ionq.multi-circuit.v1" if n_circuits > 1 else "ionq.circuit.v1",
        "qubits": str(n_qubits),
        "shots": str(shots),
        "1q_gates": str(n_1q),
        "2q_gates": str(n_2q),
        "error_mitigation": "true" if mitigation else "false",
    }


def read_estimate(document: Any) -> Quote:
    """Reads the answer of `GET /jobs/estimate`, in the shape of today or in the one before.

    Args:
        document: The answer, read by `parse_money_json`.

    Raises:
        PriceError: The unit is credits or not known; the contract is by neither gates nor compute
            time, or by several rates at once; an amount is none; or the rates do not explain the
            estimate. Pass a PriceTable then.

    Example:
        >>> answer = parse_money_json('''{
        ...     "input_values": {"backend": "qpu.forte-1", "shots": 1000, "1q_gates": 65,
        ...                      "2q_gates": 20, "error_mitigation": false},
        ...     "cost_unit": "usd", "estimated_cost": 33.08,
        ...     "rate_information": {"job_cost_minimum": 25.7899, "cost_1q_gate": 0.000164,
        ...                          "cost_2q_gate": 0.001121, "organization": "o"}}''')
        >>> quote = read_estimate(answer)
        >>> str(quote.price), str(quote.at_most())
        ('33.08 USD', '58.87 USD')
    """
    answer = _object(document, "An estimate")
    is_new = "rate_card" in answer
    names = _NEW if is_new else _OLD
    asked = _object(answer.get(names["asked"]), "What an estimate was asked about")
    amount = answer.get(names["price"], answer.get("estimated_total_cost"))
    mitigation = asked.get("error_mitigation", False)
    if not isinstance(mitigation, bool):
        _refuse("An estimate does not say whether error mitigation is on", "a bool", mitigation)
    backend = asked.get("backend")
    if not isinstance(backend, str):
        _refuse("An estimate does not name its machine", "a name", backend)
    rate: Mapping[str, Any]
    if backend == "simulator" and _is_nothing(amount):  # no contract has it, and no currency
        rate, by_gates, currency, amount = _FREE, True, "USD", 0
    else:
        rate = _card_rate(answer["rate_card"]) if is_new else _old_rate(answer)
        by_gates, currency = rate["unit"] == "gates", currency_code(answer.get(names["unit"]))
    times = (answer.get(name) for name in _TIMES) if is_new else (None, None)
    execution_s, queue_s = (_seconds(value) for value in times)
    compute = answer.get(_COMPUTE_US)
    quote = Quote(
        backend=backend,
        n_1q=_count(asked, "1q_gates", 0),
        n_2q=_count(asked, "2q_gates", 0),
        shots=_count(asked, "shots", 1000, least=1, most=limits.SHOTS.current),
        mitigation=mitigation,
        price=Money(exact(amount, "An estimated cost", PriceError), currency),
        table=_table(rate, backend, currency, mitigation) if by_gates else None,
        per_second=None if by_gates else _rate_amount(rate, "unit_cost"),
        compute_us=None if compute is None else _count(answer, _COMPUTE_US, 0),
        execution_s=execution_s,
        queue_s=queue_s,
    )
    if by_gates and quote.price.amount > quote.at_most().amount:
        _refuse(
            "The rates of an estimate do not explain its cost",
            f"at most {quote.at_most()} by the rates",
            quote.price.amount,
        )
    return quote


_OWN_TABLE = "Pass prices=, a PriceTable of what holds for you"
_COMPUTE_US = "estimated_quantum_compute_time_us"
_TIMES = ("estimated_execution_time", "current_predicted_queue_time")  # milliseconds
_NEW = {"asked": "estimate_context", "unit": "estimated_unit", "price": "estimated_total_cost"}
_FREE: Mapping[str, Any] = {"unit": "gates", "cost_1q_gate": 0, "cost_2q_gate": 0}
_OLD = {"asked": "input_values", "unit": "cost_unit", "price": "estimated_cost"}


def _is_nothing(amount: Any) -> bool:
    return amount is None or exact(amount, "An estimated cost", PriceError) == 0


def _card_rate(card: Any) -> Mapping[str, Any]:
    rates = _object(card, "The rate card of an estimate").get("rates")
    if not isinstance(rates, list) or len(rates) != 1:
        _refuse("A rate card has not one rate, but none or several", "one rate", rates)
    rate = _object(rates[0], "A rate")
    if rate.get("unit") not in ("gates", _COMPUTE_TIME):
        _refuse("A rate has a unit that is not known", "gates or compute_second", rate.get("unit"))
    return rate


def _old_rate(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    rate = _object(answer.get("rate_information"), "The rates of an estimate")
    # Compute time came to this shape shortly before it went, and nothing says in which unit.
    if rate.get("rate_type") not in (None, "2qge") or rate.get("qct_cost_cents") is not None:
        _refuse("A rate is not by gates", "rate_type '2qge'", dict(rate))
    return {**rate, "unit": "gates"}


def _table(rate: Mapping[str, Any], backend: str, currency: str, mitigation: bool) -> PriceTable:
    minimum = Decimal(0)  # there is none where the contract has none
    if rate.get("job_cost_minimum") is not None:
        minimum = _rate_amount(rate, "job_cost_minimum")
    return PriceTable(
        provider="ionq",
        targets=(backend.removeprefix("qpu."),),
        per_circuit=minimum,
        # The minimum is that of what was asked about: without mitigation it is far lower.
        per_circuit_mitigated=minimum if mitigation else None,
        per_1q_gate=_rate_amount(rate, "cost_1q_gate"),
        per_2q_gate=_rate_amount(rate, "cost_2q_gate"),
        currency=currency,
        source="GET /jobs/estimate",
    )


def _rate_amount(rate: Mapping[str, Any], name: str) -> Decimal:
    return exact(rate.get(name), f"{name} of a rate", PriceError)


def _money(part: Any, what: str) -> Money:
    fields = _object(part, what)
    currency = currency_code(fields.get("unit"))
    return Money(exact(fields.get("value"), what, PriceError), currency)


def _object(part: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(part, Mapping):
        _refuse(f"{what} is not there, or is no object", "a JSON object", part)
    return part


def _count(
    part: Mapping[str, Any], name: str, default: int, least: int = 0, most: int = MOST
) -> int:
    value = part.get(name, default)
    if type(value) is not int or not least <= value <= most:
        _refuse(f"{name} of an estimate is no count", f"an integer from {least} to {most}", value)
    return value


def _seconds(milliseconds: Any) -> float | None:
    """A time that is only shown: what is no time is none."""
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | Decimal):
        return None
    is_time = Decimal(milliseconds).is_finite() and 0 <= milliseconds <= MOST
    return float(milliseconds) / 1000 if is_time else None


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no amount")


def _refuse(what: str, expected: str, received: Any, hint: str = _OWN_TABLE) -> NoReturn:
    raise PriceError(describe(what, expected=expected, received=received, hint=hint))
