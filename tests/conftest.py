"""One seed for a whole run, printed at its start."""

import os

from qstore_tf.testing.daily import VARIABLE, daily_seed


def pytest_configure():
    # Set before the workers of pytest-xdist start, which inherit it: midnight may pass between.
    os.environ[VARIABLE] = str(daily_seed())


def pytest_report_header():
    return f"random cases of {VARIABLE}={os.environ[VARIABLE]}"
