"""IonQ: circuits in native gates of its machines, and how they are run and paid for.

`compile` makes native gates. The backend "ionq" runs them (`qstore_tf.backends.IonQ`), within a
`Budget`, told to a `CostTracker`; `estimate` says what a training will cost before it starts.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qstore_tf.ionq.compiling import Compiled, compile
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.tracker import CostTracker
from qstore_tf.ionq.targets import TARGETS, Target

if TYPE_CHECKING:
    from qstore_tf.ionq.training_cost import estimate

__all__ = ["TARGETS", "Budget", "Compiled", "CostTracker", "Target", "compile", "estimate"]


def __getattr__(name: str) -> Any:
    if name == "estimate":  # needs what the extra `ionq` installs
        return import_module(f"{__name__}.training_cost").estimate
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
