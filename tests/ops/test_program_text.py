"""Programs and observables survive their text form."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits import observables_text, parse_observables
from qstore_tf.errors import CircuitError, ObservableError
from qstore_tf.ops.program_text import parse_observables_text, parse_program
from qstore_tf.testing import random_circuits as rc


@settings(max_examples=30, deadline=None)
@given(program=rc.programs(has_initial=None))
def test_programs_read_back_are_equal(program):
    assert parse_program(program.to_text()) == program


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_observables_read_back_are_equal(seed):
    observables = rc.random_observables(seed, 4, 3)
    assert parse_observables_text(observables_text(observables)) == observables


@pytest.mark.parametrize(
    "text",
    [
        "",
        "qstore_program 2\nqubits 1\ninputs 0\ntheta 0\ninitial 0\n",
        "qstore_program 1\nqubits 1\ninputs 0\ntheta 0\ninitial 0\nturn 0 -\n",
        "qstore_program 1\nqubits 1\ninputs 0\ntheta 0\ninitial 0\nflip\n",
    ],
)
def test_texts_that_are_no_programs_are_refused(text):
    with pytest.raises(CircuitError, match="cannot be read"):
        parse_program(text)


def test_texts_that_are_no_observables_are_refused():
    with pytest.raises(ObservableError, match="cannot be read"):
        parse_observables_text("one:Z0")
    assert parse_observables_text("1.0:Z0") == parse_observables("Z0", 1)
