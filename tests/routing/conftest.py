"""What the tests of routing share."""

import pytest

from qstore_tf.testing.ionq import ionq_emulator, start_ionq_emulator  # noqa: F401


@pytest.fixture(autouse=True)
def journals(monkeypatch, tmp_path):
    """Journals of a test's own, beside each other."""
    monkeypatch.setenv("QSTORE_IONQ_JOURNAL", str(tmp_path / "journal.sqlite"))
