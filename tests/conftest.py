"""One seed for a whole run, printed at its end; a third of the slow tests where time is short."""

import os
import signal
import zlib

from qstore_tf.testing.daily import VARIABLE, daily_seed

SLOW = "QSTORE_TEST_SLOW"
PARTS = 3


def pytest_configure():
    # Set before the workers of pytest-xdist start, which inherit it: midnight may pass between.
    os.environ[VARIABLE] = str(daily_seed())
    # In the background both may be ignored, and would be in all that the tests start and signal.
    for number in (signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, lambda *_: None)


def is_due(nodeid):
    """Whether a slow test runs today: each one does every third day."""
    return (zlib.crc32(nodeid.encode()) + daily_seed()) % PARTS == 0


def pytest_collection_modifyitems(config, items):
    """With QSTORE_TEST_SLOW=daily, leaves out the slow tests that are not due."""
    choice = os.environ.get(SLOW, "all")
    if choice not in ("all", "daily"):
        raise ValueError(f"{SLOW} must be 'all' or 'daily'. Received: {choice!r}")
    if choice == "all":
        return
    left_out = [
        item for item in items if item.get_closest_marker("slow") and not is_due(item.nodeid)
    ]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"The random cases were those of {VARIABLE}={daily_seed()}")
