"""What `backend="auto"` is, and what is recommended for a kind of work.

The rule is one table, read from the top: the first row that fits is taken. It comes from the
figures of `qstore bench --auto` that docs/backends.md sums up; the command measures them anew and
says where a machine disagrees.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from qstore_tf import memory
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ops import library

# From this number of qubits on, plain TensorFlow ops took at least twice as long as these for work
# without adjoint gradients. They are named, not chosen: a layer does not know if it is trained.
_ELSEWHERE_FROM = 16
_ELSEWHERE = (
    "With this number of qubits and without adjoint gradients, backend='qsim' and 'lightning' took "
    "less than half the time where that was measured."
)


@dataclass(frozen=True)
class Workload:
    """What is to be run, as far as it is known; None is for what is not.

    Attributes:
        n_qubits: Number of qubits.
        depth: Layers of the trained circuit.
        batch: Samples in a call.
        shots: Shots of each sample; None for exact expectations, too.
        gradient: Whether it will be differentiated.
        dtype: Name of the float dtype.

    Raises:
        ConfigurationError: A number is not an integer >= 1, or the dtype is not a float dtype
            that circuits are run in.
    """

    n_qubits: int | None = None
    depth: int | None = None
    batch: int | None = None
    shots: int | None = None
    gradient: bool = True
    dtype: str = "float32"

    def __post_init__(self) -> None:
        """Checks the numbers."""
        for name in ("n_qubits", "depth", "batch", "shots"):
            value = getattr(self, name)
            wrong = not isinstance(value, int) or isinstance(value, bool) or value < 1
            if value is not None and wrong:
                raise ConfigurationError(
                    describe(
                        f"`{name}` of a workload must be an integer >= 1",
                        expected="a size, or None where it is not known",
                        received=value,
                    )
                )
        if self.dtype not in ("float32", "float64"):
            raise ConfigurationError(
                describe(
                    "`dtype` of a workload must be a float dtype that circuits run in",
                    expected="'float32' or 'float64'",
                    received=self.dtype,
                )
            )

    @property
    def least_bytes(self) -> int:
        """Memory that no simulator of state vectors does without."""
        states = 2 if self.gradient and self.shots is None else 1
        size = 16 if self.dtype == "float64" else 8
        # The cap keeps the number itself small; 2000 qubits fit nowhere.
        return states * size * 2 ** min(self.n_qubits or 0, 2000)


@dataclass(frozen=True)
class Choice:
    """A backend and why it is the one.

    Attributes:
        backend: Its name.
        reason: One sentence.
        notable: Whether it is worth a line in the log, because users would expect a different one.
    """

    backend: str
    reason: str
    notable: bool = False


@dataclass(frozen=True)
class Rule:
    """One row of the table.

    Attributes:
        choice: What is chosen; `{reason}` and `{device}` in its sentence are filled in.
        device: Whether a GPU or TPU must be visible; None where it makes no difference.
    """

    choice: Choice
    device: bool | None = None

    def fits(self, usable: Collection[str], device: str | None) -> bool:
        """Whether the row applies: its backend can run here, and the devices are as it says."""
        if self.device is not None and self.device != (device is not None):
            return False
        return self.choice.backend in usable


RULES = (
    Rule(
        Choice(
            "tensorflow",
            "qstore_tf runs in plain TensorFlow ops because a {device} is visible; "
            "backend='native' uses the CPU ops instead.",
            notable=True,
        ),
        device=True,
    ),
    Rule(
        Choice(
            "native",
            "On CPUs the native ops were the fastest wherever it was measured: at every number of "
            "qubits, depth and batch, with and without gradient and shots.",
        )
    ),
    Rule(
        Choice(
            "tensorflow",
            "qstore_tf runs in plain TensorFlow ops, which is slower on a CPU, because the "
            "native ops are not there: {reason}.",
            notable=True,
        )
    ),
)


def accelerator() -> str | None:
    """Returns the kind of accelerator that TensorFlow sees, "GPU" or "TPU", else None."""
    for kind in ("GPU", "TPU"):
        if tf.config.get_visible_devices(kind):
            return kind
    return None


def choose(usable: Collection[str] | None = None, device: str | None = None) -> Choice:
    """Returns the first row of the table that fits.

    Args:
        usable: Names of the backends to choose from, "tensorflow" always being one; None for
            those that can run here.
        device: The kind of accelerator that is visible; None for none.

    Example:
        >>> choose(usable=["tensorflow", "native"]).backend
        'native'
        >>> choose(usable=["tensorflow", "native"], device="GPU").backend
        'tensorflow'
    """
    if usable is None:
        usable = here()
    names = {*usable, "tensorflow"}
    chosen = next(rule.choice for rule in RULES if rule.fits(names, device))
    missing = (library.status().reason or "left out").removesuffix(".")
    return replace(chosen, reason=chosen.reason.format(device=device, reason=missing))


def here() -> tuple[str, ...]:
    """Returns the backends of the table that can run in this process."""
    return ("native", "tensorflow") if library.available() else ("tensorflow",)


def explain(**workload: Any) -> Choice:
    """Returns what `backend="auto"` is in this process, and why.

    The workload changes what is said, not what is chosen: no measurement has given a reason to
    choose by it.

    Args:
        **workload: What is known of the work: the fields of `Workload`.

    Raises:
        ConfigurationError: A field is wrong.
        MemoryLimitError: This number of qubits does not fit into memory on any backend.

    Example:
        >>> explain(n_qubits=6, batch=32).backend in ("native", "tensorflow")
        True
    """
    try:
        wanted = Workload(**workload)
    except TypeError as error:
        raise ConfigurationError(
            describe(
                f"The description of the workload has a wrong argument ({error})",
                expected="n_qubits, depth, batch, shots, gradient or dtype",
                received=sorted(workload),
            )
        ) from error
    memory.check(wanted.least_bytes, f"A simulation of {wanted.n_qubits} qubits")
    device = accelerator()
    choice = choose(device=device)
    if choice.backend == "tensorflow" and device is None and _better_elsewhere(wanted):
        return replace(choice, reason=f"{choice.reason} {_ELSEWHERE}")
    return choice


def _better_elsewhere(workload: Workload) -> bool:
    sweeps = workload.gradient and workload.shots is None
    return not sweeps and (workload.n_qubits or 0) >= _ELSEWHERE_FROM
