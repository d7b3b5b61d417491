"""Which worker of a training this process is: files of its own, and its share of a budget."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

from qstore_tf.errors import ConfigurationError, describe

INDEX = "{index}"
_VARIABLES = ("TF_CONFIG", "QSTORE_WORKERS", "JOB_COMPLETION_INDEX")
_ADDRESSES = ("TF_CONFIG", "QSTORE_WORKER_ADDRESS")
_ALONE = {"worker": [""]}


def worker(variables: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Returns the number of this worker, and how many there are.

    Args:
        variables: `TF_CONFIG`; or `QSTORE_WORKERS` and `JOB_COMPLETION_INDEX`, which an Indexed Job
            of Kubernetes sets; or none of them for a process alone.

    Raises:
        ConfigurationError: They make no sense.

    Example:
        >>> worker({"QSTORE_WORKERS": "4", "JOB_COMPLETION_INDEX": "2"}), worker({})
        ((2, 4), (0, 1))
    """
    text = variables.get("TF_CONFIG", "").strip()
    try:
        if text:
            config = json.loads(text)
            cluster, task = config.get("cluster") or _ALONE, config.get("task") or {}
            chiefs, others = (cluster.get(kind, []) for kind in ("chief", "worker"))
            before = len(chiefs) if task.get("type", "worker") == "worker" else 0
            index, count = before + int(task.get("index", 0)), len(chiefs) + len(others)
        else:
            index = int(variables.get("JOB_COMPLETION_INDEX", "0"))
            count = int(variables.get("QSTORE_WORKERS", "1"))
        if 0 <= index < count:
            return index, count
    except (ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise ConfigurationError(
        describe(
            "Which worker this is cannot be told",
            expected="a number of workers, and the index of this one",
            received={name: variables[name] for name in _VARIABLES if name in variables},
        )
    )


def chief(variables: Mapping[str, str] = os.environ) -> str:
    """Returns the host of worker 0: of `TF_CONFIG`, else of `QSTORE_WORKER_ADDRESS`.

    Raises:
        ConfigurationError: They name none.

    Example:
        >>> chief({"QSTORE_WORKER_ADDRESS": "train-{index}.train:2222"})
        'train-0.train'
    """
    try:
        if variables.get("TF_CONFIG", "").strip():
            cluster = json.loads(variables["TF_CONFIG"])["cluster"]
            address = [*cluster.get("chief", []), *cluster.get("worker", [])][0]
        else:
            address = variables["QSTORE_WORKER_ADDRESS"].replace(INDEX, "0")
        host, colon, _ = address.rpartition(":")
        if host and colon:
            return str(host)
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        pass
    raise ConfigurationError(
        describe(
            "The address of the chief, worker 0, cannot be told",
            expected="TF_CONFIG or QSTORE_WORKER_ADDRESS with host:port of the workers",
            received={name: variables[name] for name in _ADDRESSES if name in variables},
        )
    )


def own_path(path: str, variables: Mapping[str, str] = os.environ) -> str:
    """Returns a path with the worker's number in place of {index}.

    Example:
        >>> own_path("budget-{index}.sqlite", {"QSTORE_WORKERS": "4", "JOB_COMPLETION_INDEX": "2"})
        'budget-2.sqlite'
    """
    return path.replace(INDEX, str(worker(variables)[0])) if INDEX in path else path
