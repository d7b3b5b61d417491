"""Which backends are recommended for which kind of work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qstore_tf.errors import ConfigurationError, describe, did_you_mean

# The names of earlier versions, in their order, and what they mean among today's members.
WORKLOADS: dict[str, tuple[str, ...]] = {
    "development": ("local_cpu", "qsim"),
    "training": ("qsim", "lightning", "ionq_simulator"),
    "validation": ("ionq_simulator", "ionq_hardware"),
    "production": ("ionq_hardware",),
    "research": ("qsim", "lightning", "ionq_simulator"),
}
_KINDS = {"local_cpu": ("native", "tensorflow")}


@dataclass(frozen=True)
class Recommended:
    """Backends for a kind of work.

    Attributes:
        workload: The kind of work.
        names: What is recommended, the first first, whether it is there or not.
        members: The members of the Router that these are, in that order.
        missing: Those names that no member is.
        reason: What follows, in words.
    """

    workload: str
    names: tuple[str, ...]
    members: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        return self.reason


def recommended(workload: str, members: Sequence[tuple[str, str]] = ()) -> Recommended:
    """Returns what is recommended for a kind of work.

    The names and their order are those of earlier versions. Measured, "native" is the fastest
    simulator here for all of them (docs/backends.md): it is "local_cpu".

    Args:
        workload: "development", "training", "validation", "production" or "research".
        members: Name and kind of each member, such as ("ionq:qpu.forte-1", "ionq").

    Raises:
        ConfigurationError: The workload is unknown.

    Example:
        >>> found = recommended("training", [("native", "native"), ("qsim", "qsim")])
        >>> found.members, found.missing
        (('qsim',), ('lightning', 'ionq_simulator'))
    """
    if not isinstance(workload, str) or workload not in WORKLOADS:
        raise ConfigurationError(
            describe(
                f"There is no workload {workload!r}",
                hint=did_you_mean(str(workload)[:100], WORKLOADS),
            )
        )
    names = WORKLOADS[workload]
    fitting = {name: [m for m, kind in members if _is(name, m, kind)] for name in names}
    found = tuple(dict.fromkeys(m for name in names for m in fitting[name]))
    missing = tuple(name for name in names if not fitting[name])
    reason = f"For {workload}: {', then '.join(found) or 'no member of this Router'}."
    if missing:
        reason += f" Recommended too, and no member: {', '.join(missing)}."
    return Recommended(workload, names, found, missing, reason)


def _is(name: str, member: str, kind: str) -> bool:
    """Whether a member is what a name means."""
    on_simulator = member.split(":")[-1].startswith("simulator")
    if name == "ionq_simulator":
        return kind == "ionq" and on_simulator
    if name == "ionq_hardware":
        return kind == "ionq" and not on_simulator
    return kind in _KINDS.get(name, (name,))
