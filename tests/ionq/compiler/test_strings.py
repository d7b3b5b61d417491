"""Pauli strings multiply, commute and turn as their matrices do."""

import functools
import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.gates.matrices import PAULIS
from qstore_tf.ionq.compiler.strings import (
    PauliString,
    anticommute,
    product,
    pulled,
    string_of,
)

N_WIRES = 3


def kron(matrices):
    return functools.reduce(np.kron, matrices)


def matrix_of(string, n_wires=N_WIRES):
    """i^power times the X of all wires times the Z of all wires."""
    x, z = (
        kron([PAULIS[letter] if mask >> wire & 1 else np.eye(2) for wire in range(n_wires)])
        for letter, mask in (("X", string.x), ("Z", string.z))
    )
    return 1j**string.power * x @ z


masks = st.integers(0, 2**N_WIRES - 1)
strings = st.builds(PauliString, masks, masks, st.integers(0, 3))
letters = st.dictionaries(st.integers(0, N_WIRES - 1), st.sampled_from("XYZ"), min_size=1)


@settings(max_examples=100, deadline=None)
@given(strings, strings)
def test_products_are_those_of_the_matrices(first, second):
    a, b = matrix_of(first), matrix_of(second)
    np.testing.assert_array_equal(matrix_of(product(first, second)), a @ b)
    assert anticommute(first, second) == (not np.array_equal(a @ b, b @ a))


@settings(max_examples=60, deadline=None)
@given(letters)
def test_letters_make_the_string_that_has_them(chosen):
    string = string_of(chosen, "".join(chosen.values()))
    expected = kron([PAULIS[chosen[w]] if w in chosen else np.eye(2) for w in range(N_WIRES)])
    np.testing.assert_array_equal(matrix_of(string), expected)
    assert string.letters() == chosen
    assert list(string.letters()) == sorted(chosen)
    assert string.weight == len(chosen)
    assert string.sign == 1
    minus = product(string, PauliString(0, 0, 2))
    assert minus.sign == -1
    assert minus.positive() == string


@settings(max_examples=100, deadline=None)
@given(letters, letters, st.integers(-4, 7))
def test_pulling_conjugates_by_the_rotation(first, second, quarters):
    string, axis = (string_of(chosen, "".join(chosen.values())) for chosen in (first, second))
    half = quarters * math.pi / 4
    turn = math.cos(half) * np.eye(2**N_WIRES) - 1j * math.sin(half) * matrix_of(axis)
    expected = turn.conj().T @ matrix_of(string) @ turn
    np.testing.assert_allclose(matrix_of(pulled(string, axis, quarters)), expected, atol=1e-12)
