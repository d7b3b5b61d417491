"""What a circuit costs on IonQ's machines: published price tables, as data with date and source.

                        per circuit, without / with  per     per 1q / 2q gate      prices of
                        error mitigation             shot    and shot
    azure    aria-1     12.4166 / 97.50                      0.000220 / 0.000975   2025-09-17
    azure    forte-*    25.7899 / 168.195                    0.0001645 / 0.001121  2025-09-17
    braket   forte-*    0.30                         0.08                          2026-11-27
    braket   aria-*     0.30                         0.03                          no longer sold
    ionq     simulator  0                            0       0                     2026-11-27

All in US dollars, exact decimals. Azure's are the page of prices in Microsoft's documentation
(github.com/MicrosoftDocs/quantum-docs, articles/pricing.md). It calls the first figure a *minimum*,
but its formula *adds* it to the gates; what is computed here is that sum, the most that either
reading can cost, so that a budget which reserves it is not overspent. What is billed in the end is
told by the service (`GET /jobs/{id}/cost`). Azure switches error mitigation on by itself unless a
job says no, which multiplies the figure by six or more: hence `mitigation` has no default here.
Braket's are its page of prices; it takes 100 to 5,000 shots on Forte, and error mitigation needs
2,500 there.

Prices of IonQ's own service are by contract, by gates or by compute time: no table has them. They
are refused, not counted as nothing; pass a `PriceTable` of your own where you know what holds.
"""

from __future__ import annotations

import contextlib
import datetime
import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context, Decimal, InvalidOperation, localcontext
from typing import NoReturn

import numpy as np

from qstore_tf.checks import check_shots
from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.ionq.targets import Target, lookup

_MOST = 10**18  # of a count or an amount
_DIGITS = 100  # more than products of them need, so that sums are exact
_CURRENCY = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, kw_only=True)
class PriceTable:
    """The prices of one provider for some machines; make one where yours is not published.

    A circuit costs `per_circuit + shots * (per_shot + n_1q * per_1q_gate + n_2q * per_2q_gate)`.
    Amounts are `Decimal`; ints and text such as "0.08" become one. A float is refused, because 0.1
    as a float is not 0.1.

    Attributes:
        provider: Who sells, such as "azure".
        targets: Names of the machines, without "qpu.".
        per_circuit: For each circuit, without error mitigation.
        per_circuit_mitigated: The same with error mitigation; None: not known, and refused.
        per_shot: For each shot.
        per_1q_gate: For each one-qubit gate in each shot.
        per_2q_gate: For each two-qubit gate in each shot.
        currency: Three letters, as in ISO 4217. Credits are no currency.
        date: The day of which the prices are.
        source: Where they stand.
        listed: Whether the provider still sells at these prices.

    Raises:
        ConfigurationError: An amount is no decimal number of at least 0, or the currency is none.

    Example:
        >>> fee, gate = Decimal(0), Decimal("0.001")
        >>> mine = PriceTable(provider="x", targets=("y",), per_circuit=fee, per_2q_gate=gate)
        >>> cost(mine, n_1q=10, n_2q=5, shots=1000, mitigation=False)
        Decimal('5.000')
    """

    provider: str
    targets: tuple[str, ...]
    per_circuit: Decimal
    per_circuit_mitigated: Decimal | None = None
    per_shot: Decimal = Decimal(0)
    per_1q_gate: Decimal = Decimal(0)
    per_2q_gate: Decimal = Decimal(0)
    currency: str = "USD"
    date: datetime.date | None = None
    source: str = ""
    listed: bool = True

    def __post_init__(self) -> None:
        for field in ("per_circuit", "per_shot", "per_1q_gate", "per_2q_gate"):
            object.__setattr__(self, field, _amount(field, getattr(self, field)))
        if self.per_circuit_mitigated is not None:
            mitigated = _amount("per_circuit_mitigated", self.per_circuit_mitigated)
            object.__setattr__(self, "per_circuit_mitigated", mitigated)
        if not isinstance(self.currency, str) or not _CURRENCY.fullmatch(self.currency):
            raise ConfigurationError(
                describe(
                    "A price table has no usable currency",
                    expected="three capital letters, such as 'USD'",
                    received=self.currency,
                    hint="Credits and compute time have no published price in a currency; write "
                    "the table in the currency that your contract gives for them",
                )
            )
        targets = (self.targets,) if isinstance(self.targets, str) else tuple(self.targets)
        object.__setattr__(self, "targets", targets)

    @property
    def title(self) -> str:
        """What a report calls the table.

        Example:
            >>> price_table("azure", "forte-1").title
            'azure, forte-1 and forte-enterprise-1, 2025-09-17'
        """
        date, unlisted = str(self.date or ""), "" if self.listed else "no longer sold"
        return ", ".join(filter(None, [self.provider, " and ".join(self.targets), date, unlisted]))


def cost(table: PriceTable, n_1q: int, n_2q: int, shots: int, mitigation: bool) -> Decimal:
    """Returns the most that one circuit costs; that of a batch is the sum.

    Args:
        table: The prices.
        n_1q: Number of one-qubit gates of the circuit as it is sent.
        n_2q: Number of two-qubit gates of it.
        shots: Number of shots.
        mitigation: Whether error mitigation (debiasing) is on. Say so in the job as well: where a
            job does not, some providers switch it on.

    Returns:
        The price in `table.currency`, not rounded.

    Raises:
        ConfigurationError: A count is no count, or the table has no price with error mitigation.

    Example:
        >>> forte = price_table("azure", "forte-1")
        >>> cost(forte, n_1q=65, n_2q=20, shots=1000, mitigation=False)
        Decimal('58.9024000')
        >>> cost(forte, n_1q=65, n_2q=20, shots=1000, mitigation=True)
        Decimal('201.3075000')
    """
    if not isinstance(table, PriceTable):
        raise ConfigurationError(
            describe(
                "This is no table of prices",
                expected="a PriceTable, such as price_table('azure', 'forte-1')",
                received=table,
            )
        )
    n_1q, n_2q = _count("n_1q", n_1q), _count("n_2q", n_2q)
    shots = check_shots(shots)
    if not isinstance(mitigation, bool):
        raise ConfigurationError(describe("mitigation is True or False", received=mitigation))
    fee = table.per_circuit_mitigated if mitigation else table.per_circuit
    if fee is None:
        raise ConfigurationError(
            describe(
                f"The table '{table.title}' has no price with error mitigation",
                hint="Switch error mitigation off, or pass a PriceTable with per_circuit_mitigated",
            )
        )
    # Rounded, if ever, upwards: too much reserved is released again, too little is overspent.
    with localcontext(Context(prec=_DIGITS, rounding=ROUND_CEILING)):
        per_shot = table.per_shot + n_1q * table.per_1q_gate + n_2q * table.per_2q_gate
        return fee + shots * per_shot


def cost_per_thousand_shots(
    table: PriceTable, n_1q: int, n_2q: int, mitigation: bool = False
) -> Decimal:
    """Returns the price of one circuit with 1,000 shots; arguments and errors as in `cost`.

    Example:
        >>> cost_per_thousand_shots(price_table("braket", "forte-1"), n_1q=65, n_2q=20)
        Decimal('80.30')
    """
    return cost(table, n_1q, n_2q, 1000, mitigation)


def tables_for(target: str | Target) -> tuple[PriceTable, ...]:
    """Returns the published tables for a target, those of today first.

    Tables with `listed=False` are there for comparison: nobody sells at their prices any more.

    Args:
        target: A name, as in `targets.lookup`, or a `Target`.

    Returns:
        The tables; none where no price is published.

    Raises:
        ConfigurationError: There is no target of that name.

    Example:
        >>> [table.provider for table in tables_for("forte-1")]
        ['azure', 'braket']
        >>> [table.title for table in tables_for("aria-2")]
        ['braket, aria-1 and aria-2, 2026-11-27, no longer sold']
    """
    name = lookup(target).name
    found = [table for table in TABLES if name in table.targets]
    return tuple(sorted(found, key=lambda table: not table.listed))


def price_table(provider: str, target: str | Target) -> PriceTable:
    """Returns the table by which a provider charges today.

    Args:
        provider: "azure" or "braket"; "ionq" for the simulator, which is free.
        target: A name, as in `targets.lookup`, or a `Target`.

    Raises:
        ConfigurationError: The provider sells by contract or by compute time, does not sell this
            machine (any more), or there is no such provider or target.

    Example:
        >>> price_table("ionq", "forte-1")
        Traceback (most recent call last):
            ...
        qstore_tf.errors.ConfigurationError: What forte-1 costs at 'ionq' is not published. IonQ's \
own prices are by contract: those of `rate_card` in the answer of GET /jobs/estimate, if its unit \
is 'gates', make a PriceTable. Unknown prices are refused; pass a PriceTable of your own.
    """
    name = provider.casefold() if isinstance(provider, str) else ""
    if name in _BY_COMPUTE_TIME:
        _refuse(
            "Contracts by quantum compute time have no price per gate or shot",
            "Pass a PriceTable that is an upper bound of what your contract charges",
        )
    known = dict.fromkeys(table.provider for table in TABLES)
    if name not in known:
        raise ConfigurationError(
            describe(
                "There is no provider of this name with published prices",
                expected="the name of a provider",
                received=provider,
                hint=did_you_mean(name[:100], known),
            )
        )
    on = lookup(target).name
    of_provider = [table for table in tables_for(target) if table.provider == name]
    for table in of_provider:
        if table.listed:
            return table
    if of_provider:
        _refuse(f"{name!r} sells {on} no longer", _OWN_TABLE)
    if name == "ionq":
        _refuse(f"What {on} costs at 'ionq' is not published", f"{_BY_CONTRACT} {_OWN_TABLE}")
    _refuse(f"{name!r} has published no price of {on}", _OWN_TABLE)


def _refuse(what: str, hint: str) -> NoReturn:
    raise ConfigurationError(describe(what, hint=hint))


_OWN_TABLE = "Unknown prices are refused; pass a PriceTable of your own"
_BY_CONTRACT = (
    "IonQ's own prices are by contract: those of `rate_card` in the answer of GET /jobs/estimate, "
    "if its unit is 'gates', make a PriceTable."
)
# "QCT" is what the field `cost_model` of a job says; "compute_second" the unit of a rate card.
_BY_COMPUTE_TIME = ("qct", "compute_second", "compute time", "quantum compute time")


def _count(name: str, count: int) -> int:
    whole = isinstance(count, int | np.integer) and not isinstance(count, bool)
    if not whole or not 0 <= count <= _MOST:
        expected = f"an integer from 0 to {_MOST}"
        raise ConfigurationError(
            describe(f"{name} is not a number of gates", expected=expected, received=count)
        )
    return int(count)


def _amount(field: str, value: object) -> Decimal:
    amount = Decimal("NaN")
    if isinstance(value, Decimal | int | str) and not isinstance(value, bool):
        with contextlib.suppress(InvalidOperation):
            amount = Decimal(value)
    if not amount.is_finite() or not 0 <= amount <= _MOST:
        raise ConfigurationError(
            describe(
                f"{field} of a price table is no amount",
                expected="a Decimal, an int or text such as '0.08', at least 0",
                received=value,
                hint="Write a float as text" if isinstance(value, float) else None,
            )
        )
    return amount


def _azure(targets: tuple[str, ...], *amounts: str) -> PriceTable:
    fee, mitigated, gate_1q, gate_2q = map(Decimal, amounts)
    return PriceTable(
        provider="azure",
        targets=targets,
        per_circuit=fee,
        per_circuit_mitigated=mitigated,
        per_1q_gate=gate_1q,
        per_2q_gate=gate_2q,
        date=datetime.date(2025, 9, 17),
        source="github.com/MicrosoftDocs/quantum-docs, articles/pricing.md",
    )


def _per_shot(
    provider: str, targets: tuple[str, ...], fee: str, shot: str, source: str, listed: bool = True
) -> PriceTable:
    return PriceTable(
        provider=provider,
        targets=targets,
        per_circuit=Decimal(fee),
        per_circuit_mitigated=Decimal(fee),
        per_shot=Decimal(shot),
        date=datetime.date(2026, 11, 27),
        source=source,
        listed=listed,
    )


_FORTE = ("forte-1", "forte-enterprise-1")
_BRAKET = "aws.amazon.com/braket/pricing"
TABLES: tuple[PriceTable, ...] = (
    _azure(("aria-1",), "12.4166", "97.50", "0.000220", "0.000975"),
    _azure(_FORTE, "25.7899", "168.195", "0.0001645", "0.001121"),
    _per_shot("braket", _FORTE, "0.30", "0.08", _BRAKET),
    _per_shot("braket", ("aria-1", "aria-2"), "0.30", "0.03", _BRAKET, listed=False),
    _per_shot("ionq", ("simulator",), "0", "0", "docs.ionq.com/guides: simulators are free"),
)
