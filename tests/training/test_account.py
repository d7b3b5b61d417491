"""Account: whose budget it is, whose part of it, and what is done when it is spent."""

from decimal import Decimal
from pathlib import Path

import pytest

from qstore_tf.errors import ConfigurationError
from qstore_tf.ionq.money import environment as money
from qstore_tf.training.account import Account
from qstore_tf.training.config import TrainingConfig

WORKERS = {"QSTORE_WORKERS": "4", "JOB_COMPLETION_INDEX": "1"}


def test_workers_without_a_folder_share_the_budget(tmp_path: Path) -> None:
    config = TrainingConfig(cost_budget=10)
    assert Account(config, environment=WORKERS).budget.limit.money == Decimal("2.5")
    assert Account(config, environment={}).budget.limit.money == 10
    alone = config.replace(distributed_strategy="single")
    assert Account(alone, environment=WORKERS).budget.limit.money == 10
    together = config.replace(run_dir=str(tmp_path))  # one file for all of them
    assert Account(together, environment=WORKERS).budget.limit.money == 10


@pytest.mark.parametrize("file", ["budget.sqlite", None])
def test_the_budget_of_the_environment_falls_back_as_the_training_wants(
    file: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(money, "_private", [])
    environment = {"IONQ_BUDGET_USD": "2"}
    if file is not None:
        environment["IONQ_BUDGET_PATH"] = str(tmp_path / file)
    config = TrainingConfig(cost_budget=10)
    stops = Account(config, "native", environment).budget
    assert (stops.on_exceed, stops.fallback) == ("stop", None)
    goes_on = Account(config.replace(on_budget_exceeded="fallback"), "native", environment).budget
    assert (goes_on.on_exceed, goes_on.fallback) == ("fallback", "native")
    assert (stops.on_exceed, stops.fallback) == ("stop", None)
    goes_on.reserve("a job", usd="1.50")
    assert stops.left.money == Decimal("0.5")  # one account


def test_a_budget_of_the_environment_is_compared_as_a_whole(tmp_path: Path) -> None:
    environment = {
        "IONQ_BUDGET_USD": "8", "IONQ_BUDGET_PATH": str(tmp_path / "of-{index}.sqlite"), **WORKERS,
    }  # fmt: skip
    config = TrainingConfig(cost_budget=8)
    assert Account(config, environment=environment).budget.limit.money == 2  # of this worker
    with pytest.raises(ConfigurationError, match="cost_budget is less"):
        _ = Account(config.replace(cost_budget=5), environment=environment).budget
