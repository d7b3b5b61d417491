"""What a job costs: price tables per gate or shot, or prices of compute time; and estimates.

Simulators are free and have no price at all. A machine whose price is None is unpriced as well:
its costs are left out, as the service leaves them out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.prices import TABLES, PriceTable, cost


@dataclass(frozen=True)
class ComputeTime:
    """A contract by quantum compute time.

    Attributes:
        per_second: For each second that a job runs.
        unit: A currency such as "usd", or "credit".
    """

    per_second: Decimal
    unit: str = "credit"

    def __post_init__(self) -> None:
        if not isinstance(self.per_second, Decimal) or not 0 <= self.per_second < 10**9:
            raise ConfigurationError(
                describe(
                    "A price of compute time is no amount",
                    expected="a Decimal of at least 0",
                    received=self.per_second,
                )
            )


Price = PriceTable | ComputeTime

DEFAULT_PRICES: Mapping[str, Price | None] = {
    f"qpu.{target}": table
    for table in TABLES
    if table.provider == "azure"
    for target in table.targets
}


@dataclass(frozen=True)
class Amount:
    """An amount and its unit, a currency in small letters or "credit"."""

    value: Decimal
    unit: str

    def body(self) -> dict[str, Any]:
        """As the service writes it."""
        return {"value": float(self.value), "unit": self.unit}


def price_of(
    price: Price | None,
    circuits: list[tuple[int, int]],
    shots: int,
    mitigation: bool,
    compute_us: int,
) -> Amount | None:
    """What a job costs.

    Args:
        price: That of the machine; None: nothing is priced.
        circuits: The numbers of one-qubit and two-qubit gates of each circuit.
        shots: Number of shots.
        mitigation: Whether error mitigation is on.
        compute_us: The compute time in microseconds.
    """
    if price is None:
        return None
    if isinstance(price, ComputeTime):
        return Amount(price.per_second * compute_us / 1_000_000, price.unit)
    total = Decimal(0)
    for one, two in circuits:
        total += cost(price, one, two, shots, mitigation)
    return Amount(total, price.currency.lower())


def rate_card(price: Price | None, mitigation: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """The rates of an estimate: in today's shape, and in the one that older clients read.

    Prices per shot have no place in either; they come out as a cost per one-qubit gate of 0.
    """
    old: dict[str, Any] = {"organization": None, "cost_1q_gate": 0.0, "cost_2q_gate": 0.0}
    old["job_cost_minimum"] = 0.0
    if price is None:
        return {"id": "free", "rates": []}, old
    if isinstance(price, ComputeTime):
        rate = {"sku": "qct", "unit": "compute_second", "unit_cost": float(price.per_second)}
        return {"id": "qct", "rates": [rate]}, old
    minimum = price.per_circuit
    if mitigation and price.per_circuit_mitigated is not None:
        minimum = price.per_circuit_mitigated
    gates = {
        "cost_1q_gate": float(price.per_1q_gate),
        "cost_2q_gate": float(price.per_2q_gate),
        "job_cost_minimum": float(minimum),
    }
    rates = [{"sku": f"gates-{price.provider}", "unit": "gates", **gates}]
    return {"id": f"{price.provider}-{price.date}", "rates": rates}, {**old, **gates}


def unit_of(price: Price | None) -> str:
    """The unit of what a machine costs."""
    if price is None:
        return "usd"
    return price.unit if isinstance(price, ComputeTime) else price.currency.lower()


def compute_time_us(n_1q: int, n_2q: int, shots: int) -> int:
    """How long the circuits of a job take a machine, by the gate times of Aria, in microseconds."""
    return min(math.ceil(shots * (n_1q * 135 + n_2q * 600)), 2**31 - 1)
