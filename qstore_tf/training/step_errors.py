"""Errors of backends, as what they are, out of the steps of a model.

TensorFlow runs a step as a graph and wraps what Python in it raises into an error of its own, with
the original as a part of a long text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import tensorflow as tf

from qstore_tf import errors

_LAST_LINE = re.compile(r"^\s*qstore_tf\.errors\.(\w+): (.+)$", re.MULTILINE)


@contextmanager
def own_errors() -> Iterator[None]:
    """Raises what TensorFlow wrapped as the `QstoreError` that it was; others pass as they are.

    Example:
        >>> def fail():
        ...     raise errors.BudgetExceededError("Too dear.")
        >>> step = tf.function(lambda: tf.numpy_function(fail, [], tf.int32))
        >>> with own_errors():
        ...     step()
        Traceback (most recent call last):
            ...
        qstore_tf.errors.BudgetExceededError: Too dear.
    """
    try:
        yield
    except tf.errors.OpError as error:
        found = _LAST_LINE.findall(str(error))
        kind = getattr(errors, found[-1][0], None) if found else None
        if not (isinstance(kind, type) and issubclass(kind, errors.QstoreError)):
            raise
        raise kind(found[-1][1]) from error
