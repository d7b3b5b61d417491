"""What work on IonQ's machines will cost, how reliable it is, and how long it will wait."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from qstore_tf.backends.forecast import Forecast
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.ionq import measuring
from qstore_tf.ionq.foreseeing import Foresight
from qstore_tf.ionq.money.amounts import Money, add
from qstore_tf.ionq.runnable import CompileOptions, Runnable, runnable
from qstore_tf.ionq.targets import TARGETS, Target


def foresee(
    compiling: CompileOptions,
    noise: str | None,
    foresight: Foresight,
    program: Program,
    observables: Sequence[PauliSum] | None,
    rows: int,
    shots: int | None,
) -> Forecast:
    """Returns the forecast of a call.

    Args:
        compiling: How the program is compiled.
        noise: The simulator's noise model.
        foresight: Prices and waits of the machine.
        program: What is run.
        observables: What is measured; None: samples are drawn.
        rows: Rows of the batch.
        shots: Of each circuit; None: exact probabilities.
    """
    parts = _parts(compiling, program, observables)
    machine = _machine(compiling.target, noise)
    price: Money | None = Money(Decimal(0), "USD")
    fidelity: float | None = 1.0
    notes: dict[str, None] = {}
    for k, part in enumerate(parts if rows else ()):
        n_1q, n_2q = part.gates
        wires = part.n_wires
        one, note = foresight.price(n_1q, n_2q, wires, rows, shots or 1, part.has_known_gates)
        price = one if not k else _sum(price, one)
        here = None if machine is None else machine.estimated_fidelity(n_1q, n_2q)
        fidelity = None if fidelity is None or here is None else min(fidelity, here)
        if note:
            notes[note] = None
    if fidelity is None:
        notes["the errors of the machine are not published"] = None
    return Forecast(
        circuits=rows * len(parts),
        shots=rows * len(parts) * (shots or 0),
        price=price,
        fidelity=fidelity,
        wait_s=foresight.wait_s() if rows and parts else 0.0,
        note="; ".join(notes),
    )


def _parts(
    compiling: CompileOptions, program: Program, observables: Sequence[PauliSum] | None
) -> list[Runnable]:
    """The circuits that a row takes, one for each group of observables."""
    if observables is None:
        return [runnable(program, (), compiling)]
    planned = measuring.plan(program, tuple(observables), compiling)
    return [group.runnable for group in planned.groups]


def _machine(target: Target, noise: str | None) -> Target | None:
    """The machine whose errors happen; None: it is not known."""
    return target if noise in (None, "ideal") else TARGETS.get(noise)


def _sum(one: Money | None, other: Money | None) -> Money | None:
    if one is None or other is None or one.currency != other.currency:
        return None
    return Money(add(one.amount, other.amount), one.currency)
