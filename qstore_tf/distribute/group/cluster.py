"""The list of workers and the index of this one, from arguments or from the environment."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qstore_tf.errors import ConfigurationError, describe

COUNT = "QSTORE_WORKERS"
ADDRESS = "QSTORE_WORKER_ADDRESS"
INDEX = "JOB_COMPLETION_INDEX"

_TF_CONFIG_FORM = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
)
# The list of all addresses is sent in one message.
_MAX_WORKERS = 512


@dataclass(frozen=True)
class Cluster:
    """The workers of one training run, and which of them this process is.

    Args:
        workers: `host:port` of every worker, in the same order on all of them. Worker 0 is the
            chief, which writes checkpoints and logs.
        index: The index of this process among them.

    Raises:
        ConfigurationError: No workers, a malformed or repeated address, an index out of range.

    Example:
        >>> Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 1).address
        '10.0.0.2:2222'
    """

    workers: tuple[str, ...]
    index: int

    def __post_init__(self) -> None:
        if not 1 <= len(self.workers) <= _MAX_WORKERS:
            raise ConfigurationError(
                describe(
                    "The list of workers has the wrong length",
                    expected=f"1 to {_MAX_WORKERS} addresses",
                    received=len(self.workers),
                )
            )
        for worker in self.workers:
            split(worker)
        repeated = sorted({worker for worker in self.workers if self.workers.count(worker) > 1})
        if repeated:
            raise ConfigurationError(
                describe(
                    "Two workers have the same address",
                    expected="a different address for every worker",
                    received=repeated[0],
                    hint="Check the list of workers",
                )
            )
        if isinstance(self.index, bool) or not isinstance(self.index, int):
            raise ConfigurationError(
                describe(
                    "The index of a worker must be an integer",
                    expected=f"an integer from 0 to {len(self.workers) - 1}",
                    received=self.index,
                )
            )
        if not 0 <= self.index < len(self.workers):
            raise ConfigurationError(
                describe(
                    "The index of this worker is out of range",
                    expected=f"0 to {len(self.workers) - 1}, for {len(self.workers)} workers",
                    received=self.index,
                    hint=f"Check the 'index' of TF_CONFIG's task, or {INDEX} and {COUNT}",
                )
            )

    @property
    def address(self) -> str:
        """`host:port` of this worker."""
        return self.workers[self.index]

    @property
    def is_chief(self) -> bool:
        """Whether this is worker 0."""
        return self.index == 0


def split(address: str) -> tuple[str, int]:
    """Returns host and port of `host:port` or `[IPv6]:port`.

    Raises:
        ConfigurationError: The address does not have this form.

    Example:
        >>> split("[::1]:2222")
        ('::1', 2222)
    """
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})", str(address))
    if not isinstance(address, str) or not found or not 0 < int(found[2]) < 65536:
        raise ConfigurationError(
            describe(
                "The address of a worker is invalid",
                expected="'host:port' with a port between 1 and 65535, such as '10.0.0.1:2222'",
                received=address,
            )
        )
    return found[1].strip("[]"), int(found[2])


def cluster_from(
    workers: Sequence[str] | None = None,
    index: int | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Cluster | None:
    """Reads the description of the workers.

    The first of these that is given: the arguments; `TF_CONFIG`; `QSTORE_WORKERS` (the number of
    workers), `QSTORE_WORKER_ADDRESS` (such as `train-{index}.train:2222`) and
    `JOB_COMPLETION_INDEX`, which an Indexed Job of Kubernetes sets.

    Args:
        workers: `host:port` of every worker.
        index: The index of this process among them.
        environ: The environment variables.

    Returns:
        The cluster, or None if none is described: a single process.

    Raises:
        ConfigurationError: The description is malformed or incomplete.

    Example:
        >>> environ = {"QSTORE_WORKERS": "2", "JOB_COMPLETION_INDEX": "1",
        ...            "QSTORE_WORKER_ADDRESS": "train-{index}.train:2222"}
        >>> cluster_from(environ=environ).workers
        ('train-0.train:2222', 'train-1.train:2222')
    """
    if workers is not None or index is not None:
        return _of_arguments(workers, index)
    if environ.get("TF_CONFIG", "").strip():
        return _of_tf_config(environ["TF_CONFIG"])
    if COUNT in environ or ADDRESS in environ:
        return _of_job(environ)
    return None


def _of_arguments(workers: Sequence[str] | None, index: int | None) -> Cluster:
    if workers is None or index is None or isinstance(workers, str):
        raise ConfigurationError(
            describe(
                "The workers are only partly given",
                expected="both workers=['host:port', ...] and index=",
                received={"workers": workers, "index": index},
            )
        )
    return Cluster(tuple(workers), index)


def _of_tf_config(text: str) -> Cluster | None:
    def malformed(what: str, received: object) -> ConfigurationError:
        return ConfigurationError(
            describe(f"TF_CONFIG {what}", expected=_TF_CONFIG_FORM, received=received)
        )

    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise malformed("is not JSON", text) from error
    if not isinstance(config, dict):
        raise malformed("must be a JSON object", text)
    cluster, task = config.get("cluster", {}), config.get("task", {})
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise malformed("has a 'cluster' or a 'task' that is not an object", text)
    if not cluster:
        return None
    unknown = sorted(set(cluster) - {"chief", "worker"})
    if unknown:
        raise malformed(f"names tasks that mirrored training does not use: {unknown}", text)
    kinds = []
    for kind in ("chief", "worker"):
        addresses = cluster.get(kind, [])
        if not isinstance(addresses, list):
            raise malformed(f"has a {kind!r} that is not a list of addresses", addresses)
        kinds.append(tuple(addresses))
    chiefs, others = kinds
    kind, number = task.get("type", "worker"), task.get("index")
    if kind not in ("chief", "worker"):
        raise malformed("has a task of unknown type", kind)
    if isinstance(number, bool) or not isinstance(number, int):
        raise malformed("has a task without an integer 'index'", task)
    own = chiefs if kind == "chief" else others
    if not 0 <= number < len(own):
        raise ConfigurationError(
            describe(
                "The task's index in TF_CONFIG is out of range",
                expected=f"0 to {len(own) - 1}" if own else f"a task of type {kind!r}",
                received=number,
                hint=f"The cluster lists {len(own)} tasks of type {kind!r}",
            )
        )
    return Cluster(chiefs + others, number if kind == "chief" else len(chiefs) + number)


def _of_job(environ: Mapping[str, str]) -> Cluster:
    missing = [name for name in (COUNT, ADDRESS, INDEX) if not environ.get(name)]
    if missing:
        raise ConfigurationError(
            describe(
                "The environment describes the workers incompletely",
                expected=f"{COUNT}, {ADDRESS} and {INDEX}",
                received=f"no {' and no '.join(missing)}",
                hint=f"{INDEX} is set by a Job with completionMode: Indexed",
            )
        )
    numbers = {}
    for name in (COUNT, INDEX):
        if not re.fullmatch("[0-9]{1,6}", environ[name]):
            raise ConfigurationError(
                describe(
                    f"{name} must be a non-negative integer",
                    expected="1 to 6 digits",
                    received=environ[name],
                )
            )
        numbers[name] = int(environ[name])
    if not 1 <= numbers[COUNT] <= _MAX_WORKERS:
        raise ConfigurationError(
            describe(
                f"{COUNT} is out of range",
                expected=f"1 to {_MAX_WORKERS}",
                received=numbers[COUNT],
            )
        )
    template = environ[ADDRESS]
    if "{index}" not in template:
        raise ConfigurationError(
            describe(
                f"{ADDRESS} has no placeholder for the index",
                expected="an address with {index}, such as 'train-{index}.train:2222'",
                received=template,
            )
        )
    workers = [template.replace("{index}", str(number)) for number in range(numbers[COUNT])]
    return Cluster(tuple(workers), numbers[INDEX])
