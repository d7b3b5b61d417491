"""The overlay for IonQ: its variables are a budget, a share of it for each worker, on the claim."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

from k8s.objects import Objects, plain_env, training_of
from qstore_tf.ionq.money.environment import budget_from_environment


def test_the_budget_of_the_overlay_is_shared_by_its_workers(
    rendered: Callable[[str], Objects], tmp_path: Path
) -> None:
    objects = rendered("overlays/ionq")
    training = training_of(objects)
    variables = plain_env(training.pod["spec"]["containers"][0], objects)
    workers = int(variables["QSTORE_WORKERS"])
    claim = variables["CHECKPOINTS"]
    for name in ("IONQ_BUDGET_PATH", "QSTORE_IONQ_JOURNAL"):
        assert Path(variables[name]).parent == Path(claim) and "{index}" in variables[name]
        variables[name] = variables[name].replace(claim, str(tmp_path))

    shares = []
    for index in range(workers):
        share = budget_from_environment({**variables, "JOB_COMPLETION_INDEX": str(index)})
        assert share is not None
        share.reserve("job", share.limit.money)  # of its own account
        shares.append(share)
    total = sum((share.reserved.money or Decimal(0) for share in shares), Decimal(0))
    assert total == Decimal(variables["IONQ_BUDGET_USD"])
    assert len({share.path for share in shares}) == workers == len(list(tmp_path.glob("*.sqlite")))
