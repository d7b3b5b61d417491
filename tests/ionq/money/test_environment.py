"""A budget from environment variables: whole, or an equal share for each worker."""

import json
from decimal import Decimal

import pytest

from qstore_tf.errors import BudgetExceededError, ConfigurationError
from qstore_tf.ionq.money import environment
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.environment import budget_from_environment


@pytest.fixture(autouse=True)
def _a_process_of_its_own(monkeypatch):
    monkeypatch.setattr(environment, "_private", [])


def test_no_variable_is_no_budget(monkeypatch):
    assert budget_from_environment({"IONQ_BUDGET_USD": " "}) is None
    monkeypatch.delenv("IONQ_BUDGET_USD", raising=False)
    monkeypatch.delenv("IONQ_BUDGET_PATH", raising=False)
    assert budget_from_environment() is None
    monkeypatch.setenv("IONQ_BUDGET_USD", "2.5")
    assert budget_from_environment().limit.money == Decimal("2.5")


def test_all_backends_of_a_process_share_it():
    first, second = (budget_from_environment({"IONQ_BUDGET_USD": "10"}) for _ in range(2))
    first.reserve("a", 10)
    with pytest.raises(BudgetExceededError):
        second.reserve("b", "0.01")
    with pytest.raises(ConfigurationError, match="10 USD. Received: '20 USD by IONQ_BUDGET_USD'"):
        budget_from_environment({"IONQ_BUDGET_USD": "20"})


def test_a_path_outlives_the_process(tmp_path):
    variables = {"IONQ_BUDGET_USD": "10", "IONQ_BUDGET_PATH": str(tmp_path / "b.sqlite")}
    budget_from_environment(variables).reserve("a", 4)
    assert budget_from_environment(variables).left.money == 6
    with pytest.raises(ConfigurationError, match="another limit.*IONQ_BUDGET_USD"):
        budget_from_environment({**variables, "IONQ_BUDGET_USD": "11"})
    with pytest.raises(ConfigurationError, match="IONQ_BUDGET_PATH is set without"):
        budget_from_environment({"IONQ_BUDGET_PATH": "x"})


def job(index):
    return {"QSTORE_WORKERS": "3", "JOB_COMPLETION_INDEX": str(index)}


def tf_config(index):
    cluster, kind = {"chief": ["a:1"], "worker": ["b:1", "c:1"]}, "worker" if index else "chief"
    task = {"type": kind, "index": max(0, index - 1)}
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


@pytest.mark.parametrize("worker", [job, tf_config])
def test_workers_with_files_of_their_own_have_equal_shares(worker, tmp_path):
    path = tmp_path / "b-{index}.sqlite"
    variables = {"IONQ_BUDGET_USD": "10", "IONQ_BUDGET_PATH": str(path)}
    shares = [budget_from_environment({**variables, **worker(index)}) for index in range(3)]
    assert [share.limit.money for share in shares] == [Decimal("3.333333")] * 3
    assert sum(share.limit.money for share in shares) <= 10
    assert [share.path for share in shares] == [str(tmp_path / f"b-{k}.sqlite") for k in range(3)]


def test_workers_with_one_file_share_the_whole(tmp_path):
    variables = {"IONQ_BUDGET_USD": "10", "IONQ_BUDGET_PATH": str(tmp_path / "b.sqlite")}
    shares = [budget_from_environment({**variables, **job(index)}) for index in range(3)]
    shares[0].reserve("a", 10)
    assert shares[2].left.money == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"IONQ_BUDGET_USD": "ten"},
        {"IONQ_BUDGET_USD": "-1"},
        {"IONQ_BUDGET_USD": "inf"},
        {"QSTORE_WORKERS": "0"},
        {"QSTORE_WORKERS": "many"},
        {"QSTORE_WORKERS": "2", "JOB_COMPLETION_INDEX": "2"},
        {"TF_CONFIG": "{"},
        {"TF_CONFIG": "[1]"},
        {"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}'},
    ],
)
def test_wrong_variables_are_told(wrong):
    with pytest.raises(ConfigurationError, match="IONQ_BUDGET_USD|Which worker"):
        budget_from_environment({"IONQ_BUDGET_USD": "10", **wrong})


def test_a_training_alone_has_the_whole():
    variables = {"IONQ_BUDGET_USD": "10", "TF_CONFIG": '{"cluster": {}}'}
    assert budget_from_environment(variables).limit.money == 10


def test_files_of_workers_are_their_own(tmp_path, monkeypatch):
    monkeypatch.setenv("QSTORE_WORKERS", "3")
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "2")
    template = tmp_path / "b-{index}.sqlite"
    budget = Budget(usd=1, path=template)
    assert budget.path == str(tmp_path / "b-2.sqlite")
    assert Budget(path=template).limit == budget.limit
