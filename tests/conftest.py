"""One seed for a whole run, printed at its end; an eleventh of the tests where time is short."""

import gc
import os
import signal
import zlib

import pytest

from qstore_tf.testing.daily import VARIABLE, daily_seed

SAMPLE = "QSTORE_TEST_SAMPLE"
PARTS = 11  # prime: tests that vary something by the day see all of it


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    # Set before the workers of pytest-xdist start, which inherit it: midnight may pass between.
    os.environ[VARIABLE] = str(daily_seed())
    # Before Hypothesis reads it.
    if config.getoption("hypothesis_seed", None) is None:
        config.option.hypothesis_seed = os.environ[VARIABLE]
    # In the background both may be ignored, and would be in all that the tests start and signal.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def is_due(nodeid):
    """Whether a test that takes turns runs today: each one does every eleventh day."""
    return (zlib.crc32(nodeid.encode()) + daily_seed()) % PARTS == 0


def pytest_collection_modifyitems(config, items):
    """Leaves out the tests that are not due: with "slow" of the slow ones, with "all" of all."""
    choice = os.environ.get(SAMPLE, "none")
    if choice not in ("none", "slow", "all"):
        raise ValueError(f"{SAMPLE} must be 'none', 'slow' or 'all'. Received: {choice!r}")
    left_out = [
        item
        for item in items
        if (choice == "all" or (choice == "slow" and item.get_closest_marker("slow")))
        and not is_due(item.nodeid)
    ]
    items[:] = [item for item in items if item not in set(left_out)]
    config.hook.pytest_deselected(items=left_out)


def pytest_collection_finish():
    # Over a million objects that stay: full collections, such as clear_session's, pass them by.
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"The random cases were those of {VARIABLE}={daily_seed()}")
