"""The error hierarchy and the form of its messages."""

import pickle

import numpy as np
import pytest

from qstore_tf import errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.CircuitError, ValueError),
        (errors.ObservableError, ValueError),
        (errors.ConversionError, ValueError),
        (errors.ConfigurationError, ValueError),
        (errors.InputError, ValueError),
        (errors.LibraryError, RuntimeError),
        (errors.BackendError, RuntimeError),
        (errors.CheckpointError, RuntimeError),
        (errors.MemoryLimitError, MemoryError),
        (errors.ServiceError, RuntimeError),
        (errors.RefusedError, ValueError),
        (errors.ResultsError, ValueError),
        (errors.JobFailedError, RuntimeError),
        (errors.JobStuckError, TimeoutError),
        (errors.DeadlineError, TimeoutError),
    ],
)
def test_every_error_is_a_qstore_error_and_the_builtin_that_fits(error, builtin):
    assert issubclass(error, errors.QstoreError)
    assert issubclass(error, builtin)


def test_a_message_says_what_expected_received_and_what_to_do():
    text = errors.describe("It broke", expected="3 qubits", received=(1, 2), hint="Add one")
    assert text == "It broke. Expected: 3 qubits. Received: (1, 2). Add one."


def test_parts_that_are_not_given_are_left_out():
    assert errors.describe("It broke.") == "It broke."
    assert errors.describe("It broke", received=0) == "It broke. Received: 0."


def test_messages_stay_short_and_on_one_line():
    many = [f"qubit_{k}" for k in range(10_000)]
    for text in (
        errors.describe("It broke", received="x" * 100_000),
        errors.describe("It broke", expected=f"one of {', '.join(many)}"),
        errors.describe("It broke", expected=many, received=np.eye(9)),
        errors.describe("It broke", hint=errors.did_you_mean("qubit", many)),
    ):
        assert len(text) < 2000 and "\n" not in text


def test_near_matches_ignore_case_and_all_options_are_listed():
    hint = errors.did_you_mean("LINER", ["full", "linear"])
    assert "Did you mean 'linear'?" in hint
    assert "'full', 'linear'" in hint


def test_without_a_near_match_only_the_options_are_listed():
    assert errors.did_you_mean("zzz", ["full"]) == "Available: 'full'."
    assert errors.did_you_mean("zzz", []) == "Available: none."


def test_none_is_something_received():
    assert errors.describe("It failed", received=None) == "It failed. Received: None."


def test_aliases_are_proposed_but_not_listed():
    hint = errors.did_you_mean("cnott", ["CX", "H"], ["cnot"])
    assert hint == "Did you mean 'cnot'? Available: 'CX', 'H'."


def test_what_an_error_knows_of_a_run_goes_along_in_a_pickle():
    error = errors.DeadlineError("no more time")
    assert (error.job_ids, error.circuits, error.completed, error.spent) == ((), (), 0, "")
    error.job_ids, error.circuits, error.spent = ("a",), (3, 4), "2 USD"
    again = pickle.loads(pickle.dumps(error))
    assert (again.args, again.job_ids, again.circuits) == (error.args, ("a",), (3, 4))
    assert again.spent == "2 USD" and again.completed == 0


def test_ctrl_c_stays_ctrl_c():
    assert issubclass(errors.RunInterrupted, KeyboardInterrupt)
    assert not issubclass(errors.RunInterrupted, Exception)
