"""A local IonQ in place of the cloud, and warnings that are said again in each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qstore_tf.compat import saying
from qstore_tf.ionq.emulator.running import Emulator


@pytest.fixture(autouse=True)
def said_again() -> None:
    saying.forget()


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Emulator]:
    """What stands for IonQ's cloud: the environment names it, so that the guides' code runs."""
    monkeypatch.delenv("IONQ_BUDGET_USD", raising=False)
    with Emulator(machine_noise=False) as running:
        monkeypatch.setenv("IONQ_API_URL", running.url)
        monkeypatch.setenv("IONQ_API_KEY", "a-key")
        monkeypatch.setenv("QSTORE_IONQ_JOURNAL", str(tmp_path / "journal.sqlite"))
        yield running
