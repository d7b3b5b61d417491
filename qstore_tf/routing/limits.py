"""What excludes a member whatever its scores are: limits, each with its reason in words.

Those in the table `FIXED` hold for a program as long as the process runs. Memory, precision, budget
and health are asked before each batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from qstore_tf.backends.forecast import Forecast
from qstore_tf.ionq.money.amounts import plain
from qstore_tf.memory import available_bytes, written
from qstore_tf.routing.members import Member
from qstore_tf.routing.requests import Reason, Request
from qstore_tf.routing.scores import Numbers

# Smaller states are not looked at: whatever computer this is, it holds them.
_SMALL_BYTES = 1 << 26
_ROUNDING = 1e-9


def _dtype(member: Member, request: Request) -> str | None:
    if request.dtype is None or request.dtype in member.capabilities.dtypes:
        return None
    return f"it does not run in {request.dtype}"


def _capabilities(member: Member, request: Request) -> str | None:
    can = member.capabilities
    missing = {
        "forward": None,
        "gradient": None if can.adjoint else "it has no gradients of its own",
        "state": None if can.state_vector else "it has no state vectors",
        "sample": None if can.samples else "it draws no samples",
    }[request.kind]
    if missing is None and request.program.has_initial and not can.state_vector:
        return "it does not start from given amplitudes"
    return missing


def _qubits(member: Member, request: Request) -> str | None:
    most, n_qubits = member.most_qubits, request.program.n_qubits
    if most is None or n_qubits <= most:
        return None
    return f"it has {most} qubits, and the circuit needs {n_qubits}"


def _gates(member: Member, request: Request) -> str | None:
    return member.refusal(request.program)


# By the name of what is limited. Those after one that excludes are not asked.
FIXED: Mapping[str, Callable[[Member, Request], str | None]] = {
    "dtype": _dtype,
    "capabilities": _capabilities,
    "qubits": _qubits,
    "gates": _gates,
}


def fixed(member: Member, request: Request) -> Reason | None:
    """Returns what excludes a member for good; None where nothing does."""
    for name, limit in FIXED.items():
        words = limit(member, request)
        if words is not None:
            return Reason(name, words)
    return None


def memory(member: Member, request: Request) -> Reason | None:
    """Returns why a state does not fit into what is free of this machine's memory, else None."""
    if member.is_remote:
        return None
    states = 2 if request.kind == "gradient" else 1
    needed = states * (16 if request.dtype == "float64" else 8) << request.program.n_qubits
    if needed <= _SMALL_BYTES:
        return None
    free = available_bytes()
    if free is None or needed <= free:
        return None
    sizes = f"{written(needed)} of memory, and {written(free)} are free"
    return Reason("memory", f"it needs at least {sizes}")


def precision(numbers: Numbers, request: Request, least: float) -> Reason | None:
    """Returns why a member is not precise enough; None where it is, and for samples."""
    if request.kind == "sample" or numbers.precision >= least - _ROUNDING:
        return None
    fidelity = 1.0 if numbers.fidelity is None else numbers.fidelity
    if fidelity > least:
        shots = math.ceil((1 - least / fidelity) ** -2 - 1e-6)
        advice = f"{shots:,} shots would do"
    else:
        advice = "no number of shots is enough"
    return Reason(
        "precision",
        f"its precision is {numbers.precision:.3g} (standard error {numbers.standard_error:.2g}, "
        f"fidelity {fidelity:.3g}) and {least:g} is wanted: {advice}",
    )


def budget(member: Member, forecast: Forecast) -> Reason | None:
    """Returns why a member's budget cannot pay for a call; None where it can, or there is none."""
    words = _budget(member, forecast)
    return None if words is None else Reason("budget", words)


def _budget(member: Member, forecast: Forecast) -> str | None:
    account = member.budget
    if account is None or not member.is_paid:
        return None
    left, price = account.left, forecast.price
    if left.shots is not None and forecast.shots > left.shots:
        return f"it would run {forecast.shots:,} shots, and the budget has {left.shots:,} left"
    if left.money is None:
        return None
    if price is None:
        return f"its price is not known, and the budget limits money ({forecast.note})"
    if price.amount and price.currency != account.currency:
        return f"its price is in {price.currency}, and the budget in {account.currency}"
    if price.amount > left.money:
        return (
            f"it would cost up to {price}, and the budget has {plain(left.money)} "
            f"{account.currency} left"
        )
    return None


def health(member: Member) -> Reason | None:
    """Returns why a member is left alone for now; None where it is not."""
    if member.breaker.is_usable:
        return None
    why = member.breaker.last_error
    return Reason("health", f"it failed and is left alone for now ({why})")
