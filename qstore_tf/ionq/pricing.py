"""What circuits cost at most, by a table of prices or as the service says when it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from qstore_tf.ionq.money.estimating import Estimate, estimate_batch
from qstore_tf.ionq.money.rates import Quote
from qstore_tf.ionq.prices import PriceTable

# Asks the service for a price: one- and two-qubit gates of all circuits, qubits, circuits, shots.
Ask = Callable[[int, int, int, int, int], Quote]

_MOST_KEPT = 1024


class Pricing:
    """Prices of circuits of one structure. Safe for threads.

    Args:
        mitigation: Whether error mitigation is on.
        table: The prices; None: those that `ask` returns.
        ask: Asks the service, once for each kind of circuits.
    """

    def __init__(self, mitigation: bool, table: PriceTable | None, ask: Ask) -> None:
        self._mitigation, self._table, self._ask = mitigation, table, ask
        self._quotes: dict[tuple[int, ...], Quote] = {}
        self._lock = threading.Lock()

    def knows(self, n_1q: int, n_2q: int, n_qubits: int, n_circuits: int, shots: int) -> bool:
        """Returns whether `estimate` answers without asking the service."""
        key = (n_1q, n_2q, n_qubits, n_circuits, shots)
        with self._lock:
            return self._table is not None or key in self._quotes

    def estimate(
        self,
        n_1q: int,
        n_2q: int,
        n_qubits: int,
        n_circuits: int,
        shots: int,
        has_known_gates: bool = True,
    ) -> Estimate:
        """Returns what a job with such circuits costs at most.

        Args:
            n_1q: One-qubit gates of each circuit.
            n_2q: Two-qubit gates of each.
            n_qubits: Qubits of each.
            n_circuits: How many, at least 1.
            shots: Of each.
            has_known_gates: Whether the gates that are sent are those that run.

        Raises:
            PriceError: The service gives no usable price.
            ServiceError: The service cannot be reached, or refuses.
        """
        estimate = estimate_batch(n_1q, n_2q, n_circuits, shots, self._table, self._mitigation)
        if self._table is not None:
            return estimate
        key = (n_1q, n_2q, n_qubits, n_circuits, shots)
        with self._lock:
            if key not in self._quotes:
                if len(self._quotes) >= _MOST_KEPT:
                    self._quotes.clear()
                asked = n_1q * n_circuits, n_2q * n_circuits, n_qubits, n_circuits, shots
                self._quotes[key] = self._ask(*asked)
            quote = self._quotes[key]
        price = quote.at_most(n_circuits)
        return replace(estimate, price=price, seconds=quote.execution_s, is_bound=has_known_gates)
