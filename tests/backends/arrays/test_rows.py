"""How many threads share the rows of a batch."""

import pytest

from qstore_tf.backends.arrays import rows
from qstore_tf.checks import check_threads
from qstore_tf.errors import ConfigurationError


def test_threads_are_those_asked_for_or_all(monkeypatch):
    assert rows.thread_count(3) == 3
    monkeypatch.setenv("QSTORE_NUM_THREADS", "5")
    assert rows.thread_count() == 5 and rows.thread_count(2) == 2
    monkeypatch.setenv("QSTORE_NUM_THREADS", "many")
    assert rows.thread_count() >= 1
    for wrong in (-1, True, 1.5):
        with pytest.raises(ConfigurationError, match="integer >= 0"):
            check_threads(wrong)
