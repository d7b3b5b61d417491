"""How the local IonQ behaves: one frozen object, read by its server, its queue and its prices."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.ionq.emulator.faults import Fault
from qstore_tf.ionq.emulator.pricing import DEFAULT_PRICES, Price
from qstore_tf.ionq.emulator.store import MOST_BYTES

# simulate(batch, *, noise, shots, seed): for each circuit its states (qubit 0 is the least
# significant bit) with their probabilities, exact ones where `shots` is None.
Simulator = Callable[..., Sequence[Mapping[int, float]]]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The behaviour of a local IonQ.

    Attributes:
        keys: The API keys that are good, each with the organization it belongs to; a sequence
            gives every key an organization of its own. None: any key is good, with an
            organization of its own.
        delay_s: Seconds that a job waits before a machine may take it; half of them it is
            "submitted", half "ready".
        run_s: Seconds that a job runs, beside `per_circuit_s` for each of its circuits.
        per_circuit_s: Seconds for each circuit of a job.
        slots: How many jobs a machine runs at the same time; None: as many as there are.
        latency_s: Seconds that every answer takes.
        lag_s: Seconds until a new job appears in lists.
        seed: Of everything that is random: shots and faults. Job ids are random always.
        db: File that keeps all state over restarts; None: in memory.
        most_bytes: How large the state may become; then jobs are refused.
        prices: What each machine costs, by its name in the API; see `pricing`.
        faults: Faults from the start on; see `faults`.
        machine_noise: Whether machines run with their published noise model. Without, their
            shots are drawn from the exact probabilities.
        page: Whether there is a web page.
        control: Whether /emulator/... is served, by which faults are set and requests listed.
        clock: Seconds since 1970; a test may give its own and not wait.
        simulate: Runs circuits, if not the engine of this package.

    Raises:
        ConfigurationError: A value makes no sense; the message names it.

    Example:
        >>> Settings(delay_s=0.5, run_s=1.0).slots is None
        True
    """

    keys: Mapping[str, str] | Sequence[str] | None = field(default=None, repr=False)
    delay_s: float = 0.0
    run_s: float = 0.0
    per_circuit_s: float = 0.0
    slots: int | None = None
    latency_s: float = 0.0
    lag_s: float = 0.0
    seed: int = 0
    db: str | Path | None = None
    most_bytes: int = MOST_BYTES
    prices: Mapping[str, Price | None] = field(default_factory=lambda: dict(DEFAULT_PRICES))
    faults: Sequence[Fault | Mapping[str, Any]] = ()
    machine_noise: bool = True
    page: bool = True
    control: bool = True
    clock: Callable[[], float] = time.time
    simulate: Simulator | None = None

    def __post_init__(self) -> None:
        for name in ("delay_s", "run_s", "per_circuit_s", "latency_s", "lag_s"):
            value = getattr(self, name)
            # The comparison is false for NaN.
            if isinstance(value, bool) or not (
                isinstance(value, int | float) and 0 <= value <= 10**7
            ):
                _refuse(name, "seconds, at least 0", value)
        if self.slots is not None and (type(self.slots) is not int or self.slots < 1):
            _refuse("slots", "an integer of at least 1, or None", self.slots)
        if type(self.most_bytes) is not int or not 2**16 <= self.most_bytes < 2**50:
            _refuse("most_bytes", "an integer of at least 65536", self.most_bytes)
        if type(self.seed) is not int or not 0 <= self.seed < 2**63:
            _refuse("seed", "an integer from 0 to 2**63 - 1", self.seed)
        if isinstance(self.keys, str):
            _refuse("keys", "a sequence of keys, or a mapping of keys to organizations", "...")
        keys: Any = self.keys
        for key in keys or ():
            # Shown is nothing of a key.
            if not isinstance(key, str) or not key or not key.isascii() or key != key.strip():
                _refuse("keys", "text of visible ASCII characters", "...")

    @classmethod
    def of(cls, **values: Any) -> Settings:
        """The settings of some named values, with an error of ours where there is no such name."""
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise ConfigurationError(
                    describe(
                        f"The local IonQ has no setting {name!r}", hint=did_you_mean(name, known)
                    )
                )
        return cls(**values)


def _refuse(name: str, expected: str, received: object) -> None:
    raise ConfigurationError(
        describe(f"The local IonQ has an unusable {name}", expected=expected, received=received)
    )
