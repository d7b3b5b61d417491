"""States and circuits: what comes back, and fidelities by amplitudes and by circuits."""

import numpy as np
import pytest

import qstore_tf as qs
from qstore_tf.circuits import reference
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.errors import InputError, ItemError, NotFoundError
from qstore_tf.testing.daily import daily_seed


def ansatz(n: int = 3) -> qs.UnifiedCircuit:
    circuit = qs.UnifiedCircuit(n)
    for qubit in range(n):
        circuit.add_gate("RY", qubit, f"a{qubit}").add_gate("RZ", qubit, f"b{qubit}")
    for qubit in range(n - 1):
        circuit.add_gate("CX", [qubit, qubit + 1])
    for qubit in range(n):
        circuit.add_gate("RX", qubit, f"c{qubit}")
    return circuit


def state_of(circuit: qs.UnifiedCircuit, theta: np.ndarray) -> np.ndarray:
    return reference.state_vector(compile_circuit(circuit), theta=theta)[0]


@pytest.fixture
def rng():
    return np.random.default_rng(daily_seed())


@pytest.fixture
def states():
    with qs.store.QuantumDatabase() as db:
        yield qs.tracking.QuantumStateStore(db)


def test_search_finds_the_fidelities_of_circuits_and_of_amplitudes(states, rng) -> None:
    circuit, n = ansatz(), 12
    thetas = rng.uniform(-3, 3, (n, len(circuit.parameters)))
    vectors = np.stack([state_of(circuit, theta) for theta in thetas])
    for i in range(n):
        if i % 2:
            states.put(f"s{i:02}", circuit, thetas[i])
        else:  # a global phase and a length that say nothing
            states.put(f"s{i:02}", vectors[i] * 3 * np.exp(1j * rng.uniform(0, 6)))
    theta = rng.uniform(-3, 3, len(circuit.parameters))
    exact = np.abs(vectors.conj() @ state_of(circuit, theta)) ** 2
    found = states.search(circuit, theta, top_k=n)
    np.testing.assert_allclose(
        [m.fidelity for m in found], exact[[int(m.id[1:]) for m in found]], atol=1e-6
    )
    assert [m.id for m in found] == [f"s{i:02}" for i in np.argsort(-exact)]
    named = states.search(circuit, dict(zip(circuit.parameters, theta, strict=True)), top_k=3)
    assert named.ids == found.ids[:3]
    measured = states.measure(circuit, [m.id for m in found], theta)
    np.testing.assert_allclose(measured.values, [m.fidelity for m in found], atol=1e-6)


def test_states_of_one_global_phase_are_one(states, rng) -> None:
    vector = rng.normal(size=8) + 1j * rng.normal(size=8)
    states.put("a", vector)
    states.put("b", vector * np.exp(2j))
    np.testing.assert_allclose(states.state("a"), states.state("b"), atol=1e-6)
    largest = states.state("a")[np.argmax(np.abs(vector))]
    assert largest.real > 0 and abs(largest.imag) < 1e-7


@pytest.mark.parametrize("inline", [True, False])
def test_circuits_come_back_bound_from_metadata_and_from_their_table(
    states, rng, monkeypatch, inline
) -> None:
    if not inline:
        monkeypatch.setattr("qstore_tf.tracking.state_store._INLINE", 10)
    circuit = ansatz()
    theta = rng.uniform(-3, 3, len(circuit.parameters))
    for name in ("a", "again"):
        states.put(name, circuit, theta, metadata={"kind": "x"})
    assert states.circuit("again") == circuit.bind(
        dict(zip(circuit.parameters, theta.tolist(), strict=True))
    )
    assert states.search(circuit, theta, filter={"kind": "x"}).ids == ["a", "again"]


def test_a_circuit_too_large_for_metadata_is_kept_all_the_same(states) -> None:
    circuit = qs.UnifiedCircuit(2)
    for _ in range(1500):
        circuit.add_gate("RY", 0, 0.001).add_gate("CX", [0, 1])
    states.put("deep", circuit)
    assert len(circuit.to_json()) > 40 * 1024
    assert states.circuit("deep") == circuit


def test_fidelity_by_circuits_exactly_and_by_shots(states, rng) -> None:
    circuit = ansatz()
    one, two = rng.uniform(-0.5, 0.5, (2, len(circuit.parameters)))
    states.put("one", circuit, one)
    states.put("two", circuit, two)
    exact = abs(np.vdot(state_of(circuit, one), state_of(circuit, two))) ** 2
    found = states.fidelity("one", "two")
    assert found.values == pytest.approx([exact], abs=1e-10) and found.standard_errors == 0
    shots = states.fidelity("one", "two", shots=4000, seed=daily_seed())
    assert abs(shots.values[0] - exact) < 5 * shots.standard_errors[0] < 0.05
    native = qs.backends.arrays.get("qsim")
    assert states.fidelity("one", "two", backend=native).values == pytest.approx([exact], abs=1e-4)
    measured = states.measure(circuit, ["two"], one, shots=4000, seed=daily_seed())
    assert abs(measured.values[0] - exact) < 5 * measured.standard_errors[0]


def test_what_is_no_state_is_refused(states) -> None:
    circuit = ansatz(2)
    for wrong in ([1.0, 0.0, 0.0], [0.0, 0.0], [np.nan, 1.0], [[1.0, 0.0]], [1.0]):
        with pytest.raises(InputError):
            states.put("x", wrong)
    for theta in (None, [0.0], {"a0": 1.0}, [[0.0] * 6]):
        with pytest.raises(InputError, match="a0"):
            states.put("x", circuit, theta)
    with pytest.raises(InputError, match="theta"):
        states.put("x", [1.0, 0.0], [1.0])
    with pytest.raises(InputError, match="fidelity"):
        states.put("x", qs.UnifiedCircuit(17))
    with pytest.raises(InputError, match="taken"):
        states.put("x", [1.0, 0.0], metadata={"circuit": "mine"})
    states.put("x", [1.0, 0.0])
    with pytest.raises(ItemError):
        states.put("y", [1.0, 0.0, 0.0, 0.0])
    with pytest.raises(NotFoundError, match="amplitudes"):
        states.circuit("x")
