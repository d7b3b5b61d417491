"""Backends made of several: a `Router` chooses one for each batch, a `Pool` uses all at once.

Both go into `backend=` of a layer, as every backend does.

>>> from qstore_tf import routing
>>> [member.name for member in routing.members_of(["tensorflow", "qsim"])]
['tensorflow', 'qsim']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qstore_tf.routing.advice import Recommended as Recommended
    from qstore_tf.routing.advice import recommended as recommended
    from qstore_tf.routing.budgets import one_budget as one_budget
    from qstore_tf.routing.explaining import Explanation as Explanation
    from qstore_tf.routing.members import Member as Member
    from qstore_tf.routing.members import members_of as members_of
    from qstore_tf.routing.pool import Pool as Pool
    from qstore_tf.routing.router import Router as Router
    from qstore_tf.routing.scores import WEIGHTS as WEIGHTS
    from qstore_tf.routing.scores import Scores as Scores
    from qstore_tf.routing.scores import Weights as Weights
    from qstore_tf.routing.speeds import Speeds as Speeds

# The module of each name; imported when the name is asked for.
_LATER = {
    "Explanation": "explaining",
    "Member": "members",
    "Pool": "pool",
    "Recommended": "advice",
    "Router": "router",
    "Scores": "scores",
    "Speeds": "speeds",
    "WEIGHTS": "scores",
    "Weights": "scores",
    "members_of": "members",
    "one_budget": "budgets",
    "recommended": "advice",
}

__all__ = [*_LATER]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
