"""Pytest fixtures that give tests a local IonQ.

In a `conftest.py`:

    from qstore_tf.testing.ionq import ionq_emulator, start_ionq_emulator
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from qstore_tf.ionq.emulator.running import Emulator


@pytest.fixture
def start_ionq_emulator() -> Iterator[Callable[..., Emulator]]:
    """Starts local IonQs, which stop when the test ends.

    Yields:
        A function that takes the settings of `Emulator` and returns one that runs.

    Example:
        >>> def test_waits(start_ionq_emulator):
        ...     emulator = start_ionq_emulator(delay_s=0.1)
        ...     assert emulator.url.endswith("/v0.4")
    """
    with ExitStack() as stack:

        def start(**settings: Any) -> Emulator:
            return stack.enter_context(Emulator(**settings))

        yield start


@pytest.fixture
def ionq_emulator(start_ionq_emulator: Callable[..., Emulator]) -> Emulator:
    """A local IonQ with the default settings, which runs until the test ends.

    Example:
        >>> def test_answers(ionq_emulator):
        ...     assert ionq_emulator.url.endswith("/v0.4")
    """
    return start_ionq_emulator()
