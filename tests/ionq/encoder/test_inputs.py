"""What the numeric encoder is given is checked before it works."""

import numpy as np
import pytest

from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.ionq.encoder import Pattern, jacobian, solve

REAL = Pattern(2)
GOOD = [[1.0, 0.5, 0.0, 0.25]]


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        ([1.0, 0.0, 0.0, 0.0], r"shape \[batch, 4\]"),
        ([[1.0, 0.0]], r"shape \[batch, 4\].*\(1, 2\).*normalized_amplitudes"),
        (np.ones((1, 1, 4)), r"shape \[batch, 4\]"),
        ([["a", "b", "c", "d"]], "not numbers"),
        ([[1j, 0, 0, 0]], "real vectors only.*RZZ"),
        ([GOOD[0], [0.0] * 4], "Vector 1 .*not all of them 0"),
        ([GOOD[0], GOOD[0], [1.0, np.nan, 0, 0]], "Vector 2 .*finite"),
        ([[np.inf, 0, 0, 0]], "Vector 0 .*finite"),
    ],
)
def test_wrong_vectors_say_so(vectors, message):
    with pytest.raises(InputError, match=message):
        solve(REAL, vectors)
    with pytest.raises(InputError, match=message):
        jacobian(REAL, [0.0, 0.0, 0.0], vectors)


@pytest.mark.parametrize(
    ("angles", "message"),
    [
        ([0.0, 0.0], r"shape \[1, 3\]"),
        (np.zeros((2, 3)), r"shape \[1, 3\]"),
        ([["a", "b", "c"]], r"real numbers of shape"),
        (np.zeros((1, 3), complex), r"real numbers of shape"),
        ([0.0, np.nan, 0.0], "finite"),
    ],
)
def test_wrong_angles_say_so(angles, message):
    with pytest.raises(InputError, match=message):
        solve(REAL, GOOD, start=angles)
    with pytest.raises(InputError, match=message):
        jacobian(REAL, angles, GOOD)


@pytest.mark.parametrize("restarts", [-1, 1.5, None, True])
def test_a_wrong_number_of_restarts_says_so(restarts):
    with pytest.raises(ConfigurationError, match="random starts"):
        solve(REAL, GOOD, restarts=restarts)


def test_no_vectors_have_no_angles():
    solution = solve(REAL, np.zeros((0, 4)))
    assert solution.angles.shape == (0, 3)
    assert solution.converged.shape == (0,)
    assert jacobian(REAL, solution.angles, np.zeros((0, 4))).shape == (0, 3, 4)


@pytest.mark.parametrize("scale", [1e300, 1e-300, 1e-310])
@pytest.mark.parametrize("gate", ["CZ", "RZZ"])
def test_very_long_and_short_vectors_have_a_direction(scale, gate):
    pattern = Pattern(2, gate)
    vectors = np.array(GOOD)
    if pattern.is_complex:
        vectors = vectors + 1j * vectors[:, ::-1]
    plain, scaled = solve(pattern, vectors), solve(pattern, vectors * scale)
    assert scaled.converged.all()
    np.testing.assert_allclose(scaled.angles, plain.angles, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool, np.float16])
def test_other_kinds_of_numbers_are_fine(dtype):
    assert solve(REAL, np.array([[1, 0, 1, 1]], dtype)).converged.all()
