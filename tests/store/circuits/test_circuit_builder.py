"""The circuits behind the words: each gives the numbers of its formula."""

import itertools
import math

import numpy as np
import pytest

from qstore_tf.circuits import compile_circuit, reference
from qstore_tf.errors import ConfigurationError, CorrelationError, InputError
from qstore_tf.store.circuits import circuit_builder, depolarizing
from qstore_tf.store.circuits.circuit_builder import CircuitBuilder
from qstore_tf.store.circuits.preparing import padded, prepare, superposed, width_of
from qstore_tf.store.definitions.decoherence import depolarize
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.definitions.measurement import fidelity, measure
from qstore_tf.testing.daily import daily_seed

PAULI_X = np.array([[0, 1], [1, 0]])


def random(*case: int) -> np.random.Generator:
    return np.random.default_rng([daily_seed(), *case])


def state_of(circuit, values=None):
    return reference.state_vector(compile_circuit(circuit.bind(values or {})))[0]


def unit(rng, d, is_complex=False):
    state = rng.normal(size=d) + (1j * rng.normal(size=d) if is_complex else 0)
    return state / np.linalg.norm(state)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("d", [1, 2, 3, 7])
def test_an_encoding_prepares_the_lifted_vector_phase_included(metric: str, d: int) -> None:
    rng = random(1, d)
    vector = rng.normal(size=d) + (1j * rng.normal(size=d) if metric == "fidelity" else 0)
    longest = 2 * float(np.linalg.norm(vector))
    builder = CircuitBuilder(metric, longest)
    circuit = builder.build_encoding_circuit(vector)
    wanted = padded(METRICS[metric].encode(vector, longest))
    np.testing.assert_allclose(state_of(circuit), wanted, atol=1e-9)
    assert circuit.n_qubits == max(1, METRICS[metric].n_qubits(d)) and not circuit.parameters
    query = padded(METRICS[metric].encode_query(vector.real))
    found = state_of(builder.build_encoding_circuit(vector.real, query=True))
    np.testing.assert_allclose(found, query, atol=1e-9)


def test_an_item_is_the_superposition_of_its_contexts() -> None:
    rng = random(2)
    weights, vectors = rng.dirichlet(np.ones(3)), rng.normal(size=(3, 3))
    builder = CircuitBuilder()
    rows = [(name, p, v) for name, p, v in zip("abc", weights, vectors, strict=True)]
    state = state_of(builder.build_item_circuit(rows)).reshape(4, 4)
    np.testing.assert_allclose((np.abs(state) ** 2).sum(axis=1), [*weights, 0], atol=1e-9)
    for c in range(3):
        wanted = np.sqrt(weights[c]) * METRICS["cosine"].encode(vectors[c])
        np.testing.assert_allclose(state[c], wanted, atol=1e-9)
    # One vector for all of them: a product state, contexts weigh and change nothing.
    state = state_of(builder.build_item_circuit({"a": 0.3, "b": 0.7}, vectors[0])).reshape(2, 4)
    shared = METRICS["cosine"].encode(vectors[0])
    np.testing.assert_allclose(state, np.sqrt([[0.3], [0.7]]) * shared, atol=1e-9)
    plain = builder.build_encoding_circuit(vectors[0])
    assert builder.build_item_circuit({}, vectors[0]) == plain
    alone = state_of(builder.build_item_circuit({"a": 1.0}, vectors[0]))
    np.testing.assert_allclose(alone, state_of(plain), atol=1e-9)


@pytest.mark.parametrize("members", [2, 3, 4])
def test_members_of_a_group_are_correlated_by_rho(members: int) -> None:
    rho = float(random(3, members).uniform(-1, 1))
    state = state_of(CircuitBuilder().build_entanglement_circuit(members, rho))
    flipped = state[::-1]  # X on all
    assert np.vdot(state, flipped).real == pytest.approx(rho, abs=1e-9)
    if members == 2:
        # Wootters: |<psi| Y Y |psi*>|
        assert abs(2 * (state[0] * state[3] - state[1] * state[2])) == pytest.approx(abs(rho))


def test_a_full_correlation_is_the_ghz_state() -> None:
    state = state_of(CircuitBuilder().build_entanglement_circuit(["a", "b", "c"], 1.0))
    wanted = np.zeros(8)
    wanted[[0, 7]] = math.sqrt(0.5)
    np.testing.assert_allclose(state, wanted, atol=1e-9)


@pytest.mark.parametrize("is_complex", [False, True])
def test_two_versions_have_the_schmidt_spectrum_of_the_formula(is_complex: bool) -> None:
    rng = random(4, is_complex)
    a1, b1, a2, b2 = (unit(rng, 3, is_complex) for _ in range(4))
    circuit = CircuitBuilder("fidelity").build_versions_circuit((a1, b1), (a2, b2))
    spectrum = np.linalg.svd(state_of(circuit).reshape(4, 4), compute_uv=False) ** 2
    c = circuit_builder.versions_concurrence(np.vdot(a1, a2), np.vdot(b1, b2))
    root = math.sqrt(1 - c**2)
    np.testing.assert_allclose(spectrum, [(1 + root) / 2, (1 - root) / 2, 0, 0], atol=1e-9)
    # Where B stays as it was there is nothing entangled.
    same = CircuitBuilder("fidelity").build_versions_circuit((a1, b1), (a2, b1))
    assert np.linalg.svd(state_of(same).reshape(4, 4), compute_uv=False)[1] < 1e-9
    with pytest.raises(InputError, match="cancel"):
        CircuitBuilder("fidelity").build_versions_circuit((a1, b1), (-a1, b1))


@pytest.mark.parametrize("is_complex", [False, True])
@pytest.mark.parametrize("n", [1, 2, 4])
def test_tunneling_amplifies_as_the_formula_says(n: int, is_complex: bool) -> None:
    rng = random(5, n, is_complex)
    source, target = (unit(rng, 2**n, is_complex) for _ in range(2))
    target = unit(rng, 1) * target if is_complex else target
    builder = CircuitBuilder("fidelity")
    f = float(fidelity(target, source))
    best = circuit_builder.amplification_steps(math.sqrt(f))
    for steps in (0, 1, 2, best):
        circuit = builder.build_tunneling_circuit(source, target, steps=steps)
        found = float(fidelity(target, state_of(circuit)))
        assert found == pytest.approx(circuit_builder.amplified(f, steps), abs=1e-9)
    assert builder.build_tunneling_circuit(source, target) == circuit
    assert found >= max(1 - f, f) - 1e-9 or best == 0


def test_a_small_fidelity_is_amplified_to_almost_one() -> None:
    small = math.sqrt(0.0014)
    circuit = CircuitBuilder("fidelity").build_tunneling_circuit(
        [small, math.sqrt(1 - small**2), 0, 0], [1, 0, 0, 0]
    )
    assert abs(state_of(circuit)[0]) ** 2 == pytest.approx(0.99868, abs=1e-5)


def test_a_barrier_is_a_test_of_admission_and_no_gate() -> None:
    builder = CircuitBuilder()
    low = builder.build_tunneling_circuit([1, 2], [2, 1], 0.1)
    assert builder.build_tunneling_circuit([1, 2], [2, 1], 0.7) == low
    with pytest.raises(ConfigurationError, match="too high"):
        builder.build_tunneling_circuit([1, 2], [2, 1], 0.9)
    with pytest.raises(ConfigurationError, match="too high"):
        builder.build_tunneling_circuit([1, 2], [2, 1], math.nan)
    with pytest.raises(ConfigurationError, match="orthogonal"):
        CircuitBuilder("fidelity").build_tunneling_circuit([1, 0], [0, 1])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_both_measurement_bases_together_leave_n_bits_uncertain(n: int) -> None:
    rng = random(6, n)
    builder = CircuitBuilder("fidelity")

    def entropy(state, basis):
        circuit = prepare(state).compose(builder.build_measurement_circuit(basis, n))
        assert circuit.measured_qubits == tuple(range(n))
        p = np.abs(state_of(circuit)) ** 2
        p = p[p > 1e-15]
        return float(-(p * np.log2(p)).sum())

    for state in [*(unit(rng, 2**n, True) for _ in range(20)), np.eye(2**n)[0]]:
        total = entropy(state, "computational") + entropy(state, "hadamard")
        assert total >= n - 1e-9
    assert total == pytest.approx(n)  # |0...0> reaches the bound


@pytest.mark.parametrize("n", [1, 2])
def test_a_mixture_of_paulis_is_the_decayed_state(n: int) -> None:
    rng = random(7, n)
    eta, state = float(rng.uniform()), unit(rng, 2**n, True)
    circuit = CircuitBuilder().build_depolarized_circuit(prepare(state))
    program = compile_circuit(circuit, circuit.parameters)
    chances, switches = depolarizing.pauli_mixture(eta, n)
    states = reference.state_vector(program, switches)
    mixed = np.einsum("s,si,sj->ij", chances, states, states.conj())
    wanted = depolarize(np.outer(state, state.conj()), eta)
    np.testing.assert_allclose(mixed, wanted, atol=1e-9)
    assert chances.sum() == pytest.approx(1)


def test_a_decayed_circuit_gives_the_decayed_score() -> None:
    rng = random(8)
    weights, vectors, query = rng.dirichlet(np.ones(2)), rng.normal(size=(2, 2)), [1.0, 0.3]
    names, eta, n = ["a", "b"], float(rng.uniform()), 2
    builder = CircuitBuilder()
    item = builder.build_item_circuit(list(zip(names, weights, vectors, strict=True)))
    asked = builder.build_encoding_circuit(query, query=True)
    test = builder.build_depolarized_circuit(item).compose(asked.inverse(), [1, 2])
    chances, switches = depolarizing.pauli_mixture(eta, 3)
    states = reference.state_vector(compile_circuit(test, test.parameters), switches)
    found = (chances @ np.abs(states) ** 2).reshape(2, 4)[:, 0]  # the query's qubits all 0
    encoded = METRICS["cosine"].encode(vectors), METRICS["cosine"].encode_query(query)
    for context, p in ((None, found.sum()), ("a", found[0]), ("b", found[1])):
        wanted = measure(
            names, weights, *encoded, context, eta=eta, data_qubits=n, context_qubits=1
        )
        assert wanted is not None and p == pytest.approx(wanted.score, abs=1e-9)


def test_draws_of_paulis_are_those_of_the_mixture() -> None:
    eta, count = 0.4, 20_000
    drawn = depolarizing.pauli_draws(eta, 1, count, daily_seed()).astype(int)
    chances, switches = depolarizing.pauli_mixture(eta, 1)
    found = np.bincount(2 * drawn[:, 0] + drawn[:, 1], minlength=4) / count
    assert switches.tolist() == [
        list(map(float, pair)) for pair in itertools.product([0, 1], [0, 1])
    ]
    assert np.all(np.abs(found - chances) < 5 * np.sqrt(chances * (1 - chances) / count))


@pytest.mark.parametrize(
    "call, error, message",
    [
        (lambda b: b.build_encoding_circuit([0.0, 0.0]), InputError, "zero"),
        (lambda b: b.build_encoding_circuit([[1.0]]), InputError, "not one vector"),
        (lambda b: b.build_item_circuit([("a", 1.0)]), InputError, "zero|no vectors|not one"),
        (lambda b: b.build_item_circuit({"a": 0.5}, [1.0]), InputError, "probabilities"),
        (
            lambda b: b.build_item_circuit([("a", 0.5, [1.0]), ("b", 0.5, [1.0, 2.0])]),
            InputError,
            "differ in length",
        ),
        (lambda b: b.build_entanglement_circuit(1), CorrelationError, "two members"),
        (lambda b: b.build_entanglement_circuit(2, 1.1), CorrelationError, "from -1 to 1"),
        (lambda b: b.build_measurement_circuit("diagonal"), ConfigurationError, "hadamard"),
        (lambda b: CircuitBuilder("euclid"), ConfigurationError, "metric"),
        (lambda b: depolarizing.pauli_mixture(1.5, 1), ConfigurationError, "from 0 to 1"),
        (lambda b: depolarizing.pauli_mixture(0.5, 60), ConfigurationError, "too many"),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message: str) -> None:
    with pytest.raises(error, match=message):
        call(CircuitBuilder())


def test_registers_are_as_wide_as_they_must_be() -> None:
    assert [width_of(d) for d in (1, 2, 3, 4, 5)] == [2, 2, 4, 4, 8]
    rows = superposed([[0.5, 0.5], [1.0, 0.0]], np.ones((2, 2, 3)) / math.sqrt(3), 2)
    assert rows.shape == (2, 16)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1)
