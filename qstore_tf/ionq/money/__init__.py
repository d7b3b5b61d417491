"""What circuits cost: estimates before, a budget that is reserved from, and a record after."""

from qstore_tf.ionq.money.amounts import Money
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.environment import budget_from_environment
from qstore_tf.ionq.money.estimating import Estimate, estimate_batch, estimate_table
from qstore_tf.ionq.money.shared import AccountServer, SharedBudget
from qstore_tf.ionq.money.tracker import CostTracker

__all__ = [
    "AccountServer",
    "Budget",
    "CostTracker",
    "Estimate",
    "Money",
    "SharedBudget",
    "budget_from_environment",
    "estimate_batch",
    "estimate_table",
]
