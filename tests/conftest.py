"""One seed for a whole run, printed at its end."""

import os

from qstore_tf.testing.daily import VARIABLE, daily_seed


def pytest_configure():
    # Set before the workers of pytest-xdist start, which inherit it: midnight may pass between.
    os.environ[VARIABLE] = str(daily_seed())


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"The random cases were those of {VARIABLE}={daily_seed()}")
