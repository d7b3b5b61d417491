"""The budget and the record of costs of one training, in its folder or of this process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money import Budget, CostTracker, budget_from_environment
from qstore_tf.ionq.money.amounts import exact
from qstore_tf.ionq.money.environment import share
from qstore_tf.training.config import TrainingConfig
from qstore_tf.training.cost_report import CostReport

_USD = "IONQ_BUDGET_USD"


class Account:
    """What a training may spend, and what it has spent.

    With a folder both lie in files there, so that a training that is started again goes on with
    what was spent. Without one each of several workers has an equal part of the budget. A budget
    that the environment sets is that of whoever pays; its amount and its file are used in place of
    the configuration's, which may not be lower: a backend keeps one account.

    Args:
        config: `cost_budget`, `on_budget_exceeded` and `run_dir` of it are read.
        fallback: The backend, or its name, that `on_budget_exceeded="fallback"` goes on with.
        environment: Variables; None: those of this process.

    Example:
        >>> account = Account(TrainingConfig(cost_budget=2.5), environment={})
        >>> print(account.budget)
        0 spent, 0 reserved, 2.5 left of 2.5 USD
    """

    def __init__(
        self,
        config: TrainingConfig,
        fallback: Any = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._config, self._fallback = config, fallback
        self._environment = os.environ if environment is None else environment
        self._folder = None if config.run_dir is None else Path(config.run_dir)

    @cached_property
    def tracker(self) -> CostTracker:
        """What each job has cost."""
        return CostTracker(None if self._folder is None else self._folder / "costs.sqlite")

    @cached_property
    def budget(self) -> Budget | None:
        """What may be spent; None: no limit.

        Raises:
            ConfigurationError: The environment allows more than the configuration does, or the
                folder holds a budget with another limit.
        """
        limit = self._limit
        given = budget_from_environment(self._environment)
        if given is None:
            return None if limit is None else self._own(limit)
        most = exact(self._environment[_USD].strip(), _USD)  # of all workers together
        if limit is not None and limit < most:
            raise ConfigurationError(
                describe(
                    f"cost_budget is less than {_USD}, and a backend keeps one account",
                    expected=f"cost_budget of at least {most}, or None",
                    received=self._config.cost_budget,
                    hint=f"Lower {_USD} to what this training may cost",
                )
            )
        if self._config.on_budget_exceeded == "fallback":
            return given.falling_back_on(self._fallback)
        return given

    def report(self) -> CostReport:
        """Returns what was spent so far; nothing is made where nothing could be."""
        has_costs = "tracker" in self.__dict__ or self._is_there("costs.sqlite")
        has_budget = "budget" in self.__dict__ or self._is_there("budget.sqlite")
        if not has_costs:
            return CostReport()
        return CostReport.of(self.tracker, self.budget if has_budget else None)

    def _is_there(self, name: str) -> bool:
        return self._folder is not None and (self._folder / name).exists()

    @property
    def _limit(self) -> Decimal | None:
        """The configuration's."""
        limit = self._config.cost_budget
        return None if limit is None else exact(repr(limit), "cost_budget")

    def _own(self, limit: Decimal) -> Budget:
        if self._folder is None and self._config.has_workers(self._environment):
            limit = share(limit, self._environment)  # accounts of their own would add up
        falls_back = self._config.on_budget_exceeded == "fallback"
        return Budget(
            usd=limit,
            on_exceed=self._config.on_budget_exceeded,
            fallback=self._fallback if falls_back else None,
            path=None if self._folder is None else self._folder / "budget.sqlite",
        )
