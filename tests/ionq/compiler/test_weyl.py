"""Two-qubit unitaries, states and measured unitaries as few entanglers."""

import math

import cirq
import numpy as np
import pytest
from scipy.linalg import expm

from qstore_tf.circuits.gates.matrices import (
    ISWAP,
    PAULIS,
    SWAP,
    H,
    S,
    X,
    controlled,
    pauli_product,
)
from qstore_tf.errors import CircuitError
from qstore_tf.ionq.compiler import weyl
from qstore_tf.ionq.compiler.weyl import decompose, prepare, up_to_diagonal, up_to_diagonal_before
from qstore_tf.testing.daily import daily_seed

HALF = math.pi / 2
CX = controlled(X)
CLIFFORDS = [PAULIS["I"], H, S, H @ S, S @ H, X]


@pytest.fixture
def rng():
    return np.random.default_rng([daily_seed(), 31])


def haar(rng, size=4):
    shape = (size, size)
    q, r = np.linalg.qr(rng.normal(size=shape) + 1j * rng.normal(size=shape))
    return q * (r.diagonal() / abs(r.diagonal()))


def local(rng):
    return np.kron(haar(rng, 2), haar(rng, 2))


def clifford(rng):
    return np.kron(*(CLIFFORDS[k] for k in rng.integers(len(CLIFFORDS), size=2)))


def entangler(x, y=0.0, z=0.0):
    total = sum(a * pauli_product(2 * p) for a, p in zip((x, y, z), "XYZ", strict=True))
    return expm(-0.5j * total)


def nudge(rng, size):
    """A unitary this near to the identity."""
    generator = rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4))
    return expm(1j * size * (generator + generator.conj().T))


def written_out(parts):
    before, after = np.kron(*parts.before), np.kron(*parts.after)
    return np.exp(1j * parts.phase) * after @ entangler(*parts.angles) @ before


def is_in_the_chamber(x, y, z):
    return HALF >= x >= y >= abs(z) and (x < HALF or z >= 0)


def check(parts, matrix, accuracy=1e-12):
    assert is_in_the_chamber(*parts.angles)
    for part in (*parts.before, *parts.after):
        np.testing.assert_allclose(part @ part.conj().T, np.eye(2), atol=1e-13)
    np.testing.assert_allclose(written_out(parts), matrix, rtol=0, atol=accuracy)
    np.testing.assert_allclose(parts.matrix(), written_out(parts), rtol=0, atol=1e-13)


NAMED = {
    "identity": (np.eye(4), (0, 0, 0)),
    "flips": (pauli_product("XY"), (0, 0, 0)),
    "CX": (CX, (HALF, 0, 0)),
    "CZ": (np.diag([1, 1, 1, -1]), (HALF, 0, 0)),
    "CPhase": (np.diag([1, 1, 1, np.exp(0.6j)]), (0.3, 0, 0)),
    "CPhase back": (np.diag([1, 1, 1, np.exp(-0.6j)]), (0.3, 0, 0)),
    "far CPhase": (np.diag([1, 1, 1, np.exp(3.6j)]), (math.pi - 1.8, 0, 0)),
    "ZZ": (entangler(0, 0, -1.2), (1.2, 0, 0)),
    "iSWAP": (ISWAP, (HALF, HALF, 0)),
    "two CX": (CX @ SWAP @ CX @ SWAP, (HALF, HALF, 0)),
    "root of iSWAP": (entangler(-HALF / 2, -HALF / 2), (HALF / 2, HALF / 2, 0)),
    "SWAP": (SWAP, (HALF, HALF, HALF)),
    "root of SWAP": (cirq.unitary(cirq.SWAP**0.5), (HALF / 2, HALF / 2, HALF / 2)),
    "its inverse": (cirq.unitary(cirq.SWAP**-0.5), (HALF / 2, HALF / 2, -HALF / 2)),
    "B": (entangler(HALF / 2, HALF), (HALF, HALF / 2, 0)),
    "fSim": (cirq.unitary(cirq.FSimGate(0.4, 0.5)), (0.4, 0.4, 0.25)),
    "beyond": (entangler(2.0, 0.4, 0.3), (math.pi - 2.0, 0.4, -0.3)),
    "on the edge": (entangler(HALF, 0.4, -0.3), (HALF, 0.4, 0.3)),
}


@pytest.mark.parametrize("name", NAMED)
def test_known_gates_have_their_angles_whatever_is_around_them(name, rng):
    matrix, expected = NAMED[name]
    for around in (lambda _: np.eye(4), clifford, local):
        dressed = np.exp(1j * rng.normal()) * around(rng) @ matrix @ around(rng)
        parts = decompose(dressed)
        check(parts, dressed)
        np.testing.assert_allclose(parts.angles, expected, rtol=0, atol=1e-13)
        assert parts.count == np.count_nonzero(expected)
        assert parts.total == pytest.approx(np.abs(expected).sum())
        assert all(a == b for a, b in zip(parts.angles, expected, strict=True) if b in (0, HALF))


def test_random_unitaries_come_back_and_need_three_entanglers(rng):
    for _ in range(300):
        matrix = haar(rng)
        parts = decompose(matrix)
        check(parts, matrix)
        assert parts.count == 3


def test_angles_are_those_of_cirq(rng):
    for _ in range(50):
        matrix = haar(rng)
        # There exp(i (x XX + y YY + z ZZ)), here the opposite sign: the transpose conjugated.
        theirs = cirq.kak_decomposition(matrix.conj()).interaction_coefficients
        np.testing.assert_allclose(decompose(matrix).angles, 2 * np.array(theirs), atol=1e-8)
        vector = rng.uniform(-5, 5, 3)
        canonical = cirq.kak_canonicalize_vector(*-vector).interaction_coefficients
        x, y, z = decompose(entangler(*2 * vector)).angles
        np.testing.assert_allclose((x, y, -z), 2 * np.array(canonical), atol=1e-8)


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-8, 1e-9, 1e-10, 1e-12, 1e-15])
@pytest.mark.parametrize("around", [local, clifford])
def test_gates_near_to_the_known_ones_come_back_too(size, around, rng):
    for matrix, expected in NAMED.values():
        near = around(rng) @ matrix @ around(rng) @ nudge(rng, size)
        parts = decompose(near)
        # Of three angles each may have been rounded, by 1e-9, half of which is in the matrix.
        check(parts, near, 1e-12 + (1.5e-9 if size > 1e-13 else 0))
        found = (
            *parts.angles[:2],
            abs(parts.angles[2]) if expected[0] == HALF else parts.angles[2],
        )
        np.testing.assert_allclose(found, expected, rtol=0, atol=20 * size + 1e-9)


def test_angles_near_zero_or_full_are_exactly_that():
    rest = 0.9 * weyl.TOLERANCE
    for sign in (1, -1):
        off = sign * rest
        assert decompose(entangler(0.3, off)).angles[1:] == (0.0, 0.0)
        assert decompose(entangler(HALF + off, HALF - off, HALF)).angles == (HALF, HALF, HALF)
    assert decompose(entangler(0.3, 3 * weyl.TOLERANCE)).count == 2
    assert decompose(entangler(HALF - 3 * weyl.TOLERANCE)).angles[0] < HALF


def test_products_have_nothing_before(rng):
    matrix = local(rng)
    parts = decompose(matrix)
    check(parts, matrix)
    for before in parts.before:
        np.testing.assert_array_equal(before, np.eye(2))


def test_a_matrix_of_few_digits_is_taken_for_the_unitary_next_to_it(rng):
    matrix = haar(rng)
    rounded = matrix + 3e-7 * rng.uniform(-0.5, 0.5, (4, 4))
    u, _, v = np.linalg.svd(rounded)
    check(decompose(rounded), u @ v)


def test_the_transpose_has_the_same_angles(rng):
    matrix = haar(rng)
    parts = decompose(matrix).transpose()
    check(parts, matrix.T)
    assert parts.angles == decompose(matrix).angles


def test_what_does_not_come_back_is_an_error(rng, monkeypatch):
    monkeypatch.setattr(weyl, "_eigenvectors", lambda gram: np.eye(4))
    with pytest.raises(CircuitError, match="do not give it back"):
        decompose(haar(rng))


BAD = {
    "NaN": np.full((4, 4), np.nan),
    "infinity": np.diag([1, 1, 1, np.inf]),
    "not unitary": np.diag([1, 1, 1, 1.001]),
    "zeros": np.zeros((4, 4)),
    "three qubits": np.eye(8),
    "a stack": np.eye(4)[None],
    "one number": 1.0,
    "letters": "unitary",
    "objects": [[None] * 4] * 4,
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("function", [decompose, up_to_diagonal, up_to_diagonal_before, weyl.zyz])
def test_what_is_no_unitary_is_an_error(function, name):
    with pytest.raises(CircuitError, match="matrix"):
        function(BAD[name])


@pytest.mark.parametrize(
    "state",
    [[1, 0, 0], np.eye(4), [1, 1, 0, 0], [0, 0, 0, 0], [np.nan, 0, 0, 1], "|00>", [None] * 4],
)
def test_what_is_no_state_is_an_error(state):
    with pytest.raises(CircuitError, match="two-qubit state"):
        prepare(state)


def test_states_need_one_entangler_of_their_schmidt_angle(rng):
    for _ in range(100):
        state = haar(rng)[0]
        parts = prepare(state)
        check(parts, written_out(parts))
        np.testing.assert_allclose(written_out(parts)[:, 0], state, atol=1e-14)
        assert parts.count == 1
        concurrence = 2 * abs(state[0] * state[3] - state[1] * state[2])
        assert math.sin(parts.angles[0]) == pytest.approx(concurrence, abs=1e-12)
        for before in parts.before:
            np.testing.assert_array_equal(before, np.eye(2))


def test_products_need_no_entangler_and_bell_states_a_full_one(rng):
    for column in range(4):
        for around, angle in ((np.eye(4), 0.0), (CX @ np.kron(H, np.eye(2)), HALF)):
            for dressing in (local(rng), clifford(rng)):
                state = (dressing @ around)[:, column]
                parts = prepare(state)
                assert parts.angles == (angle, 0.0, 0.0)
                np.testing.assert_allclose(written_out(parts)[:, 0], state, atol=1e-14)


def check_measured(parts, matrix, accuracy=1e-12):
    """That matrix = D V, and so all inputs give the same probabilities."""
    diagonal = matrix @ parts.matrix().conj().T
    np.testing.assert_allclose(abs(diagonal), np.eye(4), atol=accuracy)
    np.testing.assert_allclose(abs(parts.matrix()) ** 2, abs(matrix) ** 2, atol=2 * accuracy)
    assert parts.count <= 2
    assert is_in_the_chamber(*parts.angles)


def test_two_entanglers_are_enough_before_a_measurement(rng):
    for _ in range(100):
        matrix = haar(rng)
        parts = up_to_diagonal(matrix)
        check_measured(parts, matrix)
        assert parts.count == 2
        for state in (haar(rng)[0], np.kron(haar(rng, 2)[0], haar(rng, 2)[0])):
            expected = abs(matrix @ state) ** 2
            np.testing.assert_allclose(abs(parts.matrix() @ state) ** 2, expected, atol=1e-13)
        check_measured(up_to_diagonal_before(matrix).transpose(), matrix.T)


MEASURED = {
    "identity": (np.eye(4), 0),
    "CX": (CX, 1),
    "CX from below": (SWAP @ CX @ SWAP, 1),
    "CZ": (np.diag([1, 1, 1, -1]), 0),
    "CPhase": (np.diag([1, 1, 1, np.exp(0.6j)]), 0),
    "CZ, then H": (np.kron(H, H) @ np.diag([1, 1, 1, -1]), 1),
    "RXX": (entangler(0.3), 1),
    "iSWAP": (ISWAP, 2),
    "SWAP": (SWAP, 2),
    "root of SWAP": (cirq.unitary(cirq.SWAP**0.5), 2),
    "CX, then CZ": (np.diag([1, 1, 1, -1]) @ CX, 1),
    "two CX": (CX @ SWAP @ CX @ SWAP, 2),
}


@pytest.mark.parametrize("name", MEASURED)
def test_known_gates_need_fewer_entanglers_before_a_measurement(name, rng):
    matrix, expected = MEASURED[name]
    for around in (np.eye(4), local(rng), clifford(rng)):
        for turn in (0.0, 1.0, rng.normal()):
            dressed = entangler(0, 0, turn) @ matrix @ around
            parts = up_to_diagonal(dressed)
            check_measured(parts, dressed, 1e-9)
            assert parts.count == expected
            before = up_to_diagonal_before(dressed.T)
            check_measured(before.transpose(), dressed, 1e-9)
            assert before.count == expected


def test_the_one_entangler_has_the_least_angle(rng):
    # exp(-i t/2 ZZ) exp(-i x/2 ZX) is an entangler of an angle whose cosine is cos t cos x.
    for x in (0.2, 1.0, HALF):
        matrix = expm(-0.5j * x * pauli_product("ZX"))
        parts = up_to_diagonal(entangler(0, 0, rng.uniform(-1.5, 1.5)) @ matrix @ local(rng))
        np.testing.assert_allclose(parts.angles, (x, 0, 0), atol=1e-12)


def test_where_every_turn_does_the_sum_of_angles_is_nearly_the_least(rng):
    for _ in range(10):
        # ZZ, moved to before these gates, is a product of Paulis with no Z on one qubit.
        first = expm(-0.5j * HALF * pauli_product("Y")) @ expm(-0.5j * rng.normal() * PAULIS["Z"])
        outer = np.kron(first, haar(rng, 2))
        matrix = outer @ entangler(*rng.uniform(0.1, 1.4, 2)) @ local(rng)
        parts = up_to_diagonal(matrix)
        check_measured(parts, matrix)
        turned = [decompose(entangler(0, 0, t) @ matrix) for t in np.linspace(0, math.pi, 60)]
        assert max(abs(other.angles[2]) for other in turned) < 1e-12
        assert parts.total <= min(other.total for other in turned) + 1e-3


@pytest.mark.parametrize("size", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8, 1e-9, 1e-12])
def test_small_angles_and_nearly_known_gates_need_two_entanglers_as_well(size, rng):
    gates = [np.eye(4), CX, SWAP, entangler(0.7), entangler(0.7, 0.7), entangler(0, 0, 0.5) @ CX]
    for gate in gates:
        for around in (local, clifford):
            matrix = around(rng) @ gate @ around(rng) @ nudge(rng, size)
            check_measured(up_to_diagonal(matrix), matrix, 2e-9)
        matrix = clifford(rng) @ entangler(0.4, size, size * rng.normal()) @ local(rng)
        check_measured(up_to_diagonal(matrix), matrix, 2e-9)


def from_zyz(a, b, c):
    outer, inner = (expm(-0.5j * t * PAULIS["Z"]) for t in (a, c))
    return outer @ expm(-0.5j * b * PAULIS["Y"]) @ inner


def check_up_to_phase(one, other, accuracy=1e-13):
    phase = np.vdot(one, other) / 2
    np.testing.assert_allclose(phase * one, other, rtol=0, atol=accuracy)


def test_zyz_gives_one_qubit_unitaries_back_in_any_shape(rng):
    matrices = np.stack([haar(rng, 2) for _ in range(60)]).reshape(3, 20, 2, 2)
    angles = weyl.zyz(matrices)
    assert all(angle.shape == (3, 20) for angle in angles)
    a, b, c = (angle.ravel() for angle in angles)
    assert ((b >= 0) & (b <= math.pi) & (abs(a) <= math.pi) & (abs(c) <= math.pi)).all()
    for k, matrix in enumerate(matrices.reshape(-1, 2, 2)):
        check_up_to_phase(from_zyz(a[k], b[k], c[k]), matrix)
    assert weyl.zyz(np.zeros((0, 2, 2)))[0].shape == (0,)


@pytest.mark.parametrize("b", [0.0, math.pi])
@pytest.mark.parametrize("off", [0.0, 1e-12, 1e-10, 1e-8, 1e-6])
def test_zyz_of_diagonals_and_flips_has_one_angle(b, off, rng):
    for _ in range(20):
        b_off = abs(b - off)
        matrix = from_zyz(rng.uniform(-4, 4), b_off, rng.uniform(-4, 4))
        angles = weyl.zyz(matrix)
        if off < weyl.TOLERANCE:
            assert float(angles[1]) == b and float(angles[2]) == 0.0
        else:
            assert float(angles[1]) == pytest.approx(b_off, abs=1e-13)
        check_up_to_phase(from_zyz(*angles), matrix, 1e-9 if off < weyl.TOLERANCE else 1e-13)


def test_everything_is_the_same_twice(rng):
    matrix = haar(rng)
    one, two = decompose(matrix), decompose(matrix.tolist())
    np.testing.assert_array_equal(one.matrix(), two.matrix())
