"""The list of workers: every source, and every way to describe it wrongly."""

import json
from typing import Any

import pytest

from qstore_tf.distribute.group.cluster import Cluster, cluster_from, split
from qstore_tf.errors import ConfigurationError

TWO = ["10.0.0.1:2222", "10.0.0.2:2223"]


def tf_config(cluster: Any = None, **task: Any) -> dict[str, str]:
    cluster = {"worker": TWO} if cluster is None else cluster
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})}


def job(**changes: str) -> dict[str, str]:
    return {
        "QSTORE_WORKERS": "3",
        "QSTORE_WORKER_ADDRESS": "train-{index}.train:2222",
        "JOB_COMPLETION_INDEX": "2",
    } | changes


def test_arguments_win_over_tf_config_and_that_over_the_job() -> None:
    environ = tf_config(type="worker", index=1) | job()
    assert cluster_from(["a:1"], 0, environ) == Cluster(("a:1",), 0)
    assert cluster_from(environ=environ) == Cluster(tuple(TWO), 1)
    del environ["TF_CONFIG"]
    expected = tuple(f"train-{i}.train:2222" for i in range(3))
    assert cluster_from(environ=environ) == Cluster(expected, 2)


@pytest.mark.parametrize("environ", [{}, {"TF_CONFIG": ""}, {"TF_CONFIG": "{}"}])
def test_nothing_means_a_single_process(environ: dict[str, str]) -> None:
    assert cluster_from(environ=environ) is None


def test_a_chief_comes_before_the_workers() -> None:
    cluster = {"chief": ["c:1"], "worker": TWO}
    assert cluster_from(environ=tf_config(cluster, type="chief", index=0)) == Cluster(
        ("c:1", *TWO), 0
    )
    assert cluster_from(environ=tf_config(cluster, type="worker", index=1)) == Cluster(
        ("c:1", *TWO), 2
    )


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"TF_CONFIG": "{"}, "not JSON"),
        ({"TF_CONFIG": "[" * 100_000}, "not JSON"),
        ({"TF_CONFIG": "[1]"}, "must be a JSON object"),
        ({"TF_CONFIG": '{"cluster": [], "task": 3}'}, "not an object"),
        (tf_config({"ps": ["a:1"], "worker": TWO}, index=0), "ps"),
        (tf_config({"worker": "a:1"}, index=0), "not a list"),
        (tf_config({"worker": ["a"]}, index=0), "'a'"),
        (tf_config({"worker": [3]}, index=0), "3"),
        (tf_config({"worker": ["a:1", "a:1"]}, index=0), "same address"),
        (tf_config(index=2), "out of range"),
        (tf_config(index=-1), "out of range"),
        (tf_config(type="worker"), "without an integer"),
        (tf_config(index=True), "without an integer"),
        (tf_config(type="evaluator", index=0), "evaluator"),
        (tf_config(type="chief", index=0), "chief"),
        (job(JOB_COMPLETION_INDEX="3"), "out of range"),
        (job(JOB_COMPLETION_INDEX=""), "no JOB_COMPLETION_INDEX"),
        (job(JOB_COMPLETION_INDEX="-1"), "non-negative integer"),
        (job(QSTORE_WORKERS="many"), "non-negative integer"),
        (job(QSTORE_WORKERS="0"), "out of range"),
        (job(QSTORE_WORKERS="999999"), "out of range"),
        (job(QSTORE_WORKER_ADDRESS="train:2222"), "{index}"),
        (job(QSTORE_WORKER_ADDRESS="train-{index}"), "train-0"),
        ({"QSTORE_WORKERS": "2"}, "no QSTORE_WORKER_ADDRESS and no JOB_COMPLETION_INDEX"),
    ],
)
def test_a_wrong_environment_is_named(environ: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        cluster_from(environ=environ)
    assert words in str(caught.value)
    assert "Expected" in str(caught.value)


@pytest.mark.parametrize(
    ("workers", "index"),
    [(TWO, None), (None, 0), ("a:1", 0), ([], 0), (TWO, 2), (TWO, -1), (TWO, True), (TWO, "0")],
)
def test_wrong_arguments_are_named(workers: Any, index: Any) -> None:
    with pytest.raises(ConfigurationError):
        cluster_from(workers, index, {})


@pytest.mark.parametrize(
    "address", ["a", "a:", ":1", "a:0", "a:65536", "a b:1", "a:1:2", "::1:2", 5]
)
def test_invalid_addresses_are_errors(address: Any) -> None:
    with pytest.raises(ConfigurationError):
        split(address)


def test_the_chief_is_worker_0() -> None:
    assert Cluster(tuple(TWO), 0).is_chief
    assert not Cluster(tuple(TWO), 1).is_chief
    assert Cluster(tuple(TWO), 1).address == TWO[1]
    assert split("host-1.svc:80") == ("host-1.svc", 80)
