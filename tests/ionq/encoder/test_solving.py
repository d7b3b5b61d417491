"""Angles prepare the vectors they were solved for, and their derivatives follow these."""

import numpy as np
import pytest

from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.reference import state_vector
from qstore_tf.ionq.encoder import Pattern, jacobian, solve
from qstore_tf.ionq.encoder.sweep import states_and_derivatives
from qstore_tf.testing.daily import daily_seed

REAL = [Pattern(n) for n in range(1, 6)]
COMPLEX = [Pattern(1, "RZZ"), Pattern(2, "RZZ"), Pattern(3, "RZZ"), Pattern(4, "RZZ", 1)]


def generator(*more):
    return np.random.default_rng([daily_seed(), *more])


def smooth(rng, n_qubits):
    """Three bumps, as of an image."""
    rows, columns = 2 ** (n_qubits // 2), 2 ** (n_qubits - n_qubits // 2)
    y, x = np.linspace(0, 1, rows)[:, None], np.linspace(0, 1, columns)
    image = np.zeros((rows, columns))
    for _ in range(3):
        height, top, left, width = rng.random(4)
        image += height * np.exp(-((y - top) ** 2 + (x - left) ** 2) / (0.1 + 0.3 * width))
    return image.ravel()


def real_vectors(pattern, batch, *seed):
    """Vectors of each kind in turn: Gaussian, sparse, smooth, one amplitude, positive."""
    rng = generator(pattern.n_qubits, *seed)
    size = pattern.size
    rows = []
    for _ in range(batch):
        sparse = rng.normal(size=size) * (rng.random(size) < 0.2)
        sparse[rng.integers(size)] = 1.0
        one = np.eye(size)[rng.integers(size)]
        rows += [
            rng.normal(size=size),
            sparse,
            smooth(rng, pattern.n_qubits),
            one,
            rng.random(size),
        ]
    return np.array(rows) * rng.uniform(0.1, 10.0, (len(rows), 1))


def complex_vectors(pattern, batch, *seed):
    rng = generator(pattern.n_qubits, *seed)
    return rng.normal(size=(batch, pattern.size)) + 1j * rng.normal(size=(batch, pattern.size))


def vectors_for(pattern, batch, *seed):
    kind = complex_vectors if pattern.is_complex else real_vectors
    return kind(pattern, batch, *seed)


def distances(states, vectors):
    """Distance of states to the directions of vectors, at the best global phase."""
    units = vectors / np.linalg.norm(vectors, axis=1)[:, None]
    overlaps = (units.conj() * states).sum(1)
    return np.linalg.norm(states - (overlaps / np.abs(overlaps))[:, None] * units, axis=1)


@pytest.mark.parametrize("pattern", REAL + COMPLEX, ids=repr)
def test_the_circuit_prepares_every_vector_up_to_a_phase(pattern):
    vectors = vectors_for(pattern, 3)
    solution = solve(pattern, vectors)
    assert solution.converged.all()
    circuit = pattern.circuit()
    states = state_vector(compile_circuit(circuit, inputs=circuit.parameters), solution.angles)
    assert distances(states, vectors).max() < 1e-6
    np.testing.assert_allclose(distances(states, vectors) ** 2, solution.residuals, atol=1e-13)


def test_real_vectors_of_six_qubits_converge_with_thirty_gates():
    solution = solve(Pattern(6), real_vectors(Pattern(6), 1))
    assert solution.residuals.max() < 1e-20


@pytest.mark.slow
@pytest.mark.parametrize("pattern", [*REAL[1:], Pattern(6), Pattern(7)], ids=repr)
def test_many_real_vectors_converge(pattern):
    vectors = real_vectors(pattern, 10 if pattern.n_qubits < 7 else 2)
    if pattern.n_qubits == 7:
        vectors = np.delete(vectors, [3, 8], axis=0)  # one amplitude: see the next test
    assert solve(pattern, vectors).residuals.max() < 1e-20


@pytest.mark.slow
def test_single_amplitudes_of_seven_qubits_converge_with_two_extra_gates():
    vectors = np.eye(128)[generator(3).integers(128, size=3)]
    assert solve(Pattern(7, "CZ", 2), vectors).converged.all()


@pytest.mark.slow
def test_complex_vectors_of_six_qubits_converge_with_twenty_five_gates():
    pattern = Pattern(6, "RZZ")
    solution = solve(pattern, complex_vectors(pattern, 4))
    assert solution.residuals.max() < 1e-20
    # In full entanglers, less than 18 of 25.
    entangling = [angle for layer in pattern.layers for angle in layer.zz_angles]
    assert solution.angles[:, entangling].sum(1).mean() < 18 * np.pi / 2


@pytest.mark.parametrize("pattern", [Pattern(4), Pattern(5), Pattern(3, "RZZ")], ids=repr)
def test_a_vector_has_the_same_angles_alone_in_a_batch_and_again(pattern):
    vectors = vectors_for(pattern, 3)
    together = solve(pattern, vectors)
    again = solve(pattern, vectors)
    np.testing.assert_array_equal(together.angles, again.angles)
    for row in (0, 2):
        alone = solve(pattern, vectors[row : row + 1])
        np.testing.assert_array_equal(alone.angles[0], together.angles[row])


def test_the_length_of_a_vector_does_not_matter():
    vectors = generator().normal(size=(4, 8))
    one, other = (solve(Pattern(3), scale * vectors) for scale in (1.0, 4.0))
    np.testing.assert_array_equal(one.angles, other.angles)


class TooShort(Pattern):
    """12 angles for the 15 dimensions of 4 qubits."""

    n_gates = 5


def test_a_vector_out_of_reach_is_reported_as_not_converged():
    solution = solve(TooShort(4), generator().normal(size=(3, 16)), restarts=3)
    assert not solution.converged.any()
    assert np.isfinite(solution.angles).all()
    assert (solution.residuals > 1e-12).all()


def test_a_start_nearby_is_followed():
    # One extra entangler: with the fewest, some vectors have no smooth way on.
    pattern = Pattern(4, "CZ", 2)
    rng = generator()
    vectors = rng.normal(size=(10, 16))
    before = solve(pattern, vectors)
    moved = vectors + 1e-3 * rng.normal(size=vectors.shape)
    after = solve(pattern, moved, start=before.angles)
    assert after.converged.all()
    change = np.remainder(after.angles - before.angles + np.pi, 2 * np.pi) - np.pi
    assert np.median(np.linalg.norm(change, axis=1)) < 0.1


def test_one_start_serves_all_vectors():
    pattern = Pattern(3)
    vectors = generator().normal(size=(5, 8))
    start = solve(pattern, vectors[:1]).angles[0]
    one, rows = (solve(pattern, vectors, start=s) for s in (start, np.tile(start, (5, 1))))
    assert one.converged.all()
    np.testing.assert_array_equal(one.angles, rows.angles)


def test_a_start_that_leads_nowhere_gives_way_to_random_ones():
    # With all angles 0, few of the rotations move the state in a direction of their own.
    pattern = Pattern(4)
    vectors = generator().normal(size=(8, 16))
    assert solve(pattern, vectors, start=np.zeros(pattern.n_angles)).converged.all()


@pytest.mark.parametrize(
    "pattern",
    [Pattern(1), Pattern(2), Pattern(3), Pattern(4), Pattern(5, "CZ", 1)]
    + [Pattern(2, "RZZ"), Pattern(3, "RZZ"), Pattern(4, "RZZ", 1)],
    ids=repr,
)
def test_angles_moved_by_the_jacobian_prepare_the_moved_vector_to_second_order(pattern):
    rng = generator(4)
    vectors = rng.normal(size=(10, pattern.size))
    moves = rng.normal(size=vectors.shape)
    if pattern.is_complex:
        vectors = vectors + 1j * rng.normal(size=vectors.shape)
        moves = moves + 1j * rng.normal(size=vectors.shape)
    angles = solve(pattern, vectors).angles
    derivatives = jacobian(pattern, angles, vectors)
    assert derivatives.shape == (10, pattern.n_angles, pattern.size)
    errors = []
    for step in (1e-5, 2e-5):
        change = (derivatives.conj() * (step * moves)[:, None, :]).sum(2).real
        states, _ = states_and_derivatives(pattern, angles + change)
        errors.append(distances(states, vectors + step * moves))
    # Twice the step, four times the error; what is left over comes from rounding and third order.
    small, large = np.array(errors)
    assert np.median(small) < 1e-6
    good = small > 1e-11
    if pattern.n_qubits > 1:
        np.testing.assert_allclose(np.median(large[good] / small[good]), 4.0, rtol=0.05)


@pytest.mark.parametrize("pattern", [Pattern(2), Pattern(3, "CZ", 1), Pattern(2, "RZZ")], ids=repr)
def test_the_jacobian_ignores_length_and_phase_and_takes_the_smallest_change(pattern):
    vectors = generator(5).normal(size=(6, pattern.size))
    if pattern.is_complex:
        vectors = vectors + 1j * generator(6).normal(size=vectors.shape)
    angles = solve(pattern, vectors).angles
    derivatives = jacobian(pattern, angles, vectors)
    along = (derivatives.conj() * vectors[:, None, :]).sum(2)
    np.testing.assert_allclose(along.real, 0.0, atol=1e-8)
    if pattern.is_complex:
        np.testing.assert_allclose(along.imag, 0.0, atol=1e-8)  # the move 1j * vector
    sign = np.exp(0.7j) if pattern.is_complex else -1.0
    turned = jacobian(pattern, angles, 2.0 * sign * vectors)
    np.testing.assert_allclose(turned, derivatives * sign / 2.0, rtol=1e-6, atol=1e-8)
    if not pattern.is_complex:
        # The smallest change has no part that leaves the state where it is.
        _, moves = states_and_derivatives(pattern, angles)
        for row in range(6):
            _, values, rows = np.linalg.svd(moves[row])
            idle = rows[np.sum(values > 1e-6) :]
            np.testing.assert_allclose(idle @ derivatives[row], 0.0, atol=1e-6)


def test_where_no_rotation_moves_the_state_the_jacobian_stays_finite():
    pattern = Pattern(3)
    vectors = np.eye(8)
    derivatives = jacobian(pattern, solve(pattern, vectors).angles, vectors)
    assert np.isfinite(derivatives).all()
    assert np.abs(derivatives).max() < 1e6


def test_the_derivative_of_a_loss_goes_through_the_angles():
    # d <Z_0> / d vector by the chain rule over the angles, against the formula for amplitudes.
    pattern = Pattern(3)
    vectors = generator(7).normal(size=(4, 8))
    angles = solve(pattern, vectors).angles
    states, moves = states_and_derivatives(pattern, angles)
    z = np.repeat([1.0, -1.0], 4)
    by_angles = 2 * ((z * states)[:, :, None] * moves).sum(1)
    found = (by_angles[:, :, None] * jacobian(pattern, angles, vectors)).sum(1)
    lengths = np.linalg.norm(vectors, axis=1)[:, None]
    units = vectors / lengths
    mean = (z * units**2).sum(1)[:, None]
    np.testing.assert_allclose(found, 2 * (z - mean) * units / lengths, atol=1e-6)
