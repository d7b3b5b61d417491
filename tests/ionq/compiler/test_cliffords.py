"""The one-qubit Clifford gates: a group, and tables that agree with the matrices."""

import math

import numpy as np
import pytest

from qstore_tf.circuits.gates import matrices
from qstore_tf.ionq.compiler.cliffords import (
    COUNT,
    IDENTITY,
    INVERSE,
    LETTERS,
    MATRICES,
    PAULIS,
    PULLED,
    THEN,
    THIRD,
    TURNS,
    product_sign,
    taking,
)

EVERY = range(COUNT)


def same_up_to_phase(one, other):
    return abs(abs(np.vdot(one, other)) - 2) < 1e-12


def test_there_are_24_and_no_two_are_the_same():
    assert COUNT == len(MATRICES) == len(PULLED) == len(THEN) == len(INVERSE) == 24
    overlaps = abs(np.einsum("aij,bij->ab", MATRICES.conj(), MATRICES)) / 2
    np.testing.assert_allclose(overlaps.diagonal(), 1)
    assert (overlaps - np.eye(COUNT) < 0.99).all()


def test_all_are_unitary():
    products = MATRICES @ MATRICES.conj().transpose(0, 2, 1)
    np.testing.assert_allclose(products, np.broadcast_to(np.eye(2), products.shape), atol=1e-14)


def test_letters_are_those_of_the_gate_table():
    assert set(PAULIS) == {"I", *LETTERS}
    for letter, matrix in PAULIS.items():
        np.testing.assert_array_equal(matrix, matrices.PAULIS[letter])


@pytest.mark.parametrize("gate", EVERY)
def test_letters_pulled_through_a_gate_are_those_of_its_matrix(gate):
    matrix = MATRICES[gate]
    for letter in LETTERS:
        sign, other = PULLED[gate][letter]
        pulled = matrix.conj().T @ PAULIS[letter] @ matrix
        np.testing.assert_allclose(pulled, sign * PAULIS[other], atol=1e-14)


def test_two_gates_in_a_row_are_the_product_of_their_matrices():
    for first in EVERY:
        for second in EVERY:
            product = MATRICES[second] @ MATRICES[first]
            assert same_up_to_phase(MATRICES[THEN[first][second]], product)


def test_they_are_a_group():
    table = np.array(THEN)
    np.testing.assert_array_equal(table[IDENTITY], EVERY)
    np.testing.assert_array_equal(table[:, IDENTITY], EVERY)
    np.testing.assert_array_equal(table[EVERY, INVERSE], np.full(COUNT, IDENTITY))
    np.testing.assert_array_equal(table[INVERSE, EVERY], np.full(COUNT, IDENTITY))
    # (first, second), then third; and first, then (second, third).
    np.testing.assert_array_equal(table[table], table[:, table])
    for line in (*table, *table.T):
        assert sorted(line) == list(EVERY)


def test_the_identity_is_the_identity():
    assert same_up_to_phase(MATRICES[IDENTITY], np.eye(2))


@pytest.mark.parametrize("axis", LETTERS)
def test_turns_are_rotations_by_quarter_turns(axis):
    for k in range(4):
        half = k * math.pi / 4
        rotation = math.cos(half) * np.eye(2) - 1j * math.sin(half) * PAULIS[axis]
        assert same_up_to_phase(MATRICES[TURNS[axis][k]], rotation)


@pytest.mark.parametrize("axis", LETTERS)
@pytest.mark.parametrize("sign", [1, -1])
def test_every_axis_can_be_taken_to_z(axis, sign):
    matrix = MATRICES[taking(axis, sign)]
    taken = matrix @ PAULIS[axis] @ matrix.conj().T
    np.testing.assert_allclose(taken, sign * PAULIS["Z"], atol=1e-14)


def test_nothing_is_done_to_take_z_to_z():
    assert taking("Z") == IDENTITY


def test_products_of_two_letters_are_the_third_up_to_phase():
    for first in LETTERS:
        for second in set(LETTERS) - {first}:
            sign = product_sign(first, second)
            third = PAULIS[THIRD[first + second]]
            np.testing.assert_array_equal(PAULIS[first] @ PAULIS[second], sign * 1j * third)
