"""Failures with one cause are one incident, in whichever order they are seen."""

import pytest

from qstore_tf.distribute.launch.exit_codes import GROUP_CODES, ExitCode, explain, shell_code
from qstore_tf.distribute.launch.incidents import Failure, Incidents


def count(*steps: tuple[int, int, float, float] | str) -> Incidents:
    """Adds failures (worker, code, started, ended); 'again' marks a restart between them."""
    incidents = Incidents()
    for step in steps:
        if step == "again":
            incidents.all[-1].restarted = True
        else:
            worker, code, started, ended = step
            incidents.add(Failure(worker, code, 1, started, ended))
    return incidents


@pytest.mark.parametrize(
    ("steps", "incidents", "cause"),
    [
        # One is killed, the others fall after its restart.
        ([(1, -9, 0, 5), "again", (0, 76, 0, 9), (2, 76, 0, 9.5)], 1, 1),
        # The others are seen first.
        ([(0, 76, 0, 9), "again", (1, 1, 0, 10)], 1, 1),
        ([(0, 76, 0, 9), (1, 1, 0, 9.1)], 1, 1),
        # All are killed at once.
        ([(0, -9, 0, 5), (1, -9, 0, 5), (2, -9, 0, 5.1)], 1, 0),
        # The one started in place of the first still meets the peers of old.
        ([(1, -9, 0, 5), "again", (0, 76, 0, 9), (1, 76, 6, 10)], 1, 1),
        # The same worker fails again by itself.
        ([(1, 1, 0, 5), "again", (1, 1, 6, 7)], 2, 1),
        # Another one fails for a reason of its own.
        ([(1, 1, 0, 5), "again", (0, 1, 0, 9)], 2, 0),
        # A peer is lost long after all were started again.
        ([(1, 1, 0, 5), "again", (0, 76, 0, 9), (0, 76, 10, 99)], 2, 0),
        # All stop, or wait in vain, together.
        ([(0, 75, 0, 5), "again", (1, 75, 0, 5)], 1, 0),
        ([(0, 77, 0, 5), "again", (1, 77, 0, 6)], 1, 0),
    ],
)
def test_what_has_one_cause_is_one_incident(steps, incidents, cause):
    found = count(*steps).all
    assert len(found) == incidents
    assert found[-1].cause.worker == cause


def test_workers_that_only_lose_each_other_do_not_go_on_for_ever():
    steps: list = [(0, 76, 0, 1)]
    for turn in range(1, 20):
        steps += ["again", (turn % 2, 76, turn - 0.5, turn + 1)]
    assert len(count(*steps).all) > 3


def test_exit_codes_are_those_of_the_documentation():
    assert {code.name: code.value for code in ExitCode} == {
        "FINISHED": 0,
        "STOPPED": 75,
        "PEER_LOST": 76,
        "START_TIMEOUT": 77,
        "PERMANENT": 78,
    }
    assert set(GROUP_CODES) == {75, 76, 77}
    assert ExitCode(76) is ExitCode.PEER_LOST
    assert int(ExitCode.STOPPED) == 75


@pytest.mark.parametrize(
    ("returncode", "shell", "words"),
    [
        (1, 1, "exit code 1"),
        (78, 78, "PERMANENT: a configuration"),
        (-15, 143, "killed by SIGTERM"),
        (-40, 168, "killed by signal 40"),
    ],
)
def test_ends_are_explained(returncode, shell, words):
    assert shell_code(returncode) == shell
    assert words in explain(returncode)
