"""Turns of many wires at once: the same as the runs that they are made of, as matrices."""

import math

import numpy as np
import pytest

from qstore_tf.circuits.gates.matrices import PAULIS
from qstore_tf.circuits.symbols import Affine
from qstore_tf.ionq.compiler.cliffords import COUNT, LETTERS, MATRICES
from qstore_tf.ionq.compiler.runs import Run
from qstore_tf.ionq.compiler.turning import Formulas, Turning
from qstore_tf.ionq.compiler.turns import turn_of
from qstore_tf.testing.daily import daily_seed
from tests.ionq.compiler.test_rotations import assert_same_up_to_phase

PI = math.pi
SPECIAL = (0.0, PI / 2, -PI / 2, PI, -PI, 2 * PI, PI / 4, 1e-12, -1e-9, 1e-5)


@pytest.fixture
def rng():
    return np.random.default_rng([daily_seed(), 47])


def rotation(letter, angle):
    return math.cos(angle / 2) * np.eye(2) - 1j * math.sin(angle / 2) * PAULIS[letter]


def matrix_of_run(run, values):
    matrix = rotation("Z", run.before.evaluate(values))
    for letter, angle in zip(run.letters, run.angles, strict=True):
        matrix = rotation(letter, angle.evaluate(values)) @ matrix
    return rotation("Z", run.after.evaluate(values)) @ MATRICES[run.clifford] @ matrix


def matrix_of_turn(turned, turn, row):
    """R_Z(a) R_Y(b) R_Z(c), up to sign."""
    first, cosine, sine, last = (part[turn, row] for part in turned)
    middle = rotation("Y", math.atan2(sine, cosine))
    return rotation("Z", np.angle(last)) @ middle @ rotation("Z", np.angle(first))


def random_run(rng, n_letters, n_symbols):
    """A run whose first letter is not Z, with angles that are numbers or of a symbol."""

    def angle():
        terms = ((str(rng.integers(n_symbols)), float(rng.choice([1.0, -0.5]))),)
        return Affine(float(rng.choice([*SPECIAL, 0.3])), terms if rng.random() < 0.7 else ())

    letters = "".join(
        rng.choice(["X", "Y"]) if k == 0 else rng.choice(list(LETTERS)) for k in range(n_letters)
    )
    clifford = int(rng.integers(COUNT)) if n_letters != 1 else 0
    return Run(angle(), letters, tuple(angle() for _ in letters), clifford, angle())


def test_turns_are_the_runs_that_they_are_made_of(rng):
    wires = [[random_run(rng, int(rng.integers(5)), 3) for _ in range(12)] for _ in range(3)]
    columns = [rng.permutation(6)[:3].tolist() for _ in wires]
    turning = Turning(
        [Formulas([turn_of(run) for run in runs]) for runs in wires], columns, np.zeros(6)
    )
    values = np.concatenate([rng.uniform(-7, 7, (6, 3)), rng.choice(SPECIAL, (6, 4))], axis=1)
    turned = turning(values)
    assert turned.first.shape == (36, 7)
    for wire, (runs, own) in enumerate(zip(wires, columns, strict=True)):
        for number, run in enumerate(runs):
            for row in range(7):
                bound = {str(k): values[column, row] for k, column in enumerate(own)}
                found = matrix_of_turn(turned, turning.starts[wire] + number, row)
                assert_same_up_to_phase(found, matrix_of_run(run, bound), 1e-12)


def test_turns_beside_values_are_those_of_moved_values(rng):
    runs = [random_run(rng, n, 2) for n in (0, 1, 2, 3, 2, 1)]
    aside = np.array([0.7, 0.9])
    turning = Turning([Formulas([turn_of(run) for run in runs])], [[0, 1]], aside)
    values = rng.uniform(-3, 3, (2, 5))
    for near, far in zip(turning(values, 0.1), turning(values + 0.1 * aside[:, None]), strict=True):
        np.testing.assert_allclose(near, far, atol=1e-12)


def test_turns_of_some_rows_are_those_rows(rng):
    turning = Turning([Formulas([turn_of(random_run(rng, 2, 1))])], [[0]], np.ones(1))
    turned = turning(rng.uniform(-3, 3, (1, 6)))
    for part, chosen in zip(turned, turned.of(np.array([4, 1])), strict=True):
        np.testing.assert_array_equal(chosen, part[:, [4, 1]])
