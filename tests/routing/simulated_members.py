"""Backends of a Router whose speed, price, health and limits a test sets."""

from __future__ import annotations

import itertools
from decimal import Decimal

import numpy as np

from qstore_tf.backends.arrays.base import ArrayBackend, Gradients
from qstore_tf.backends.base import Capabilities
from qstore_tf.backends.forecast import Forecast
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables
from qstore_tf.ionq.money.amounts import Money

_tokens = itertools.count()


class Simulated(ArrayBackend):
    """Answers with a number of its own, so that a test sees who has run a batch.

    Args:
        name: Its name.
        answer: What all expectations are.
        price: In US dollars for each row; None: it costs nothing.
        budget: What it pays from.
        fails: Errors, one for each call; None for a call that succeeds; then all succeed.
        refuses: What `check` raises.
        billed: What share of the price is billed in the end.
        **of: The forecast, and the capabilities.
    """

    def __init__(
        self,
        name="simulated",
        answer=0.0,
        price=None,
        budget=None,
        fails=(),
        refuses=None,
        billed="1",
        fidelity=1.0,
        wait_s=0.0,
        shots_per_row=0,
        **can,
    ):
        self.name, self.answer, self.price, self.budget = name, answer, price, budget
        self.fails, self.refuses, self.billed = list(fails), refuses, Decimal(billed)
        self.fidelity, self.wait_s, self.shots_per_row = fidelity, wait_s, shots_per_row
        self.is_paid = self.remote = price is not None
        defaults = {"state_vector": False, "exact": True, "adjoint": False}
        self.capabilities = Capabilities(**{**defaults, "dtypes": ("float32", "float64"), **can})
        self.calls = 0
        self.rows = 0

    def get_config(self):
        return {"name": self.name}

    def __eq__(self, other):
        return self is other

    def __hash__(self):
        return id(self)

    def with_budget(self, budget):
        self.budget = budget
        return self

    def with_shots(self, shots):
        return self

    def check(self, program):
        if self.refuses is not None:
            raise self.refuses

    def forecast(self, program, observables, rows, shots=None):
        price = Decimal(0) if self.price is None else Decimal(self.price) * rows
        return Forecast(
            circuits=rows,
            shots=self.shots_per_row * rows,
            price=Money(price, "USD"),
            fidelity=self.fidelity,
            wait_s=self.wait_s,
        )

    def _work(self, batch):
        self.calls += 1
        error = self.fails.pop(0) if self.fails else None
        if self.budget is not None and self.is_paid:
            token, most = f"token {next(_tokens)}", self.forecast(None, None, len(batch.inputs))
            self.budget.reserve(token, usd=most.price.amount, shots=most.shots)
            if error is not None:
                self.budget.commit(token)  # it may have run: what was reserved counts
                raise error
            bill = (most.price.amount * self.billed).quantize(Decimal("0.01"))
            self.budget.commit(token, usd=bill, shots=most.shots)
        elif error is not None:
            raise error
        self.rows += len(batch.inputs)

    def expectation(self, batch, observables, seed=None):
        self._work(batch)
        shape = (len(batch.inputs), len(observables))
        return np.full(shape, self.answer, batch.inputs.dtype)

    def pull_expectation(self, batch, observables, upstream):
        self._work(batch)
        return Gradients(np.zeros_like(batch.inputs), np.full_like(batch.theta, self.answer))

    def sample(self, batch, shots, seed):
        self._work(batch)
        return np.full((len(batch.inputs), shots), int(self.answer), np.int64)


def a_program(n_qubits=2, inputs=True):
    """A small program with two inputs and one angle, and its observables."""
    circuit = UnifiedCircuit(n_qubits).add_gate("RX", 0, "x").add_gate("RY", 1, "y")
    circuit = circuit.add_gate("CX", [0, 1]).add_gate("RZ", 0, "a")
    program = compile_circuit(circuit, inputs=["x", "y"])
    letters = ["Z" + "I" * (n_qubits - 1), "I" * (n_qubits - 1) + "Z"]
    return program, tuple(parse_observables(letters, n_qubits))
