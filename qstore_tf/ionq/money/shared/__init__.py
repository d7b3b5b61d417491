"""One account for workers on several machines: the chief keeps it, the others ask it."""

from qstore_tf.ionq.money.shared.budget import SharedBudget
from qstore_tf.ionq.money.shared.serving import AccountServer

__all__ = ["AccountServer", "SharedBudget"]
