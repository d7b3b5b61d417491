"""The engine equals the reference simulator and Cirq, ideal and noisy, exact and by shots."""

import json

import cirq
import cirq_ionq
import numpy as np
import pytest

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.compiling import compile_circuit
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.reference import state_vector
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, InputError, MemoryLimitError
from qstore_tf.ionq.emulator import engine
from qstore_tf.ionq.emulator.batches import Batch
from qstore_tf.ionq.emulator.engine import simulate
from qstore_tf.ionq.emulator.noise import MODELS, Noise, noise_model
from qstore_tf.ionq.emulator.programs import steps_of
from qstore_tf.ionq.emulator.reading import read
from qstore_tf.ionq.emulator.sampling import draw
from qstore_tf.ionq.emulator.trajectories import noisy_shots
from qstore_tf.ionq.writing import PARAMETERS
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_circuit


def rng_of(*numbers):
    return np.random.default_rng([daily_seed(), *numbers])


def backwards(n_qubits):
    """For each index of ours IonQ's, in which qubit 0 is the least significant bit."""
    return [int(f"{k:0{n_qubits}b}"[::-1], 2) for k in range(2**n_qubits)]


def dense(outcome, n_qubits):
    """IonQ's result as probabilities in our order."""
    return np.array([outcome.get(key, 0.0) for key in backwards(n_qubits)])


def native_circuit(rng, n_qubits, n_gates):
    circuit = UnifiedCircuit(n_qubits)
    for _ in range(n_gates):
        name = str(rng.choice(list(PARAMETERS)))
        qubits = [int(q) for q in rng.permutation(n_qubits)[: GATES[name].n_qubits]]
        ranges = [(allowed.low, allowed.high) for _, allowed in PARAMETERS[name]]
        circuit.add_gate(name, qubits, [float(rng.uniform(*ends)) for ends in ranges])
    return circuit


def with_cirq(circuit, noise):
    """The probabilities of a noisy native circuit by Cirq's density matrices."""
    made = {
        "GPi": lambda f: cirq_ionq.GPIGate(phi=f),
        "GPi2": lambda f: cirq_ionq.GPI2Gate(phi=f),
        "MS": lambda f0, f1, t: cirq_ionq.MSGate(phi0=f0, phi1=f1, theta=t),
        "ZZ": lambda t: cirq_ionq.ZZGate(theta=t),
    }
    qubits = cirq.LineQubit.range(circuit.n_qubits)
    steps = []
    for op in circuit.operations:
        on = [qubits[q] for q in op.targets]
        # cirq.depolarize takes the probability of any error.
        chance = noise.r1 * 3 / 4 if len(on) == 1 else noise.r2 * 15 / 16
        steps.append(cirq.Moment(made[op.gate](*(p.constant for p in op.params))(*on)))
        steps.append(cirq.Moment(cirq.depolarize(chance, len(on))(*on)))
    simulator = cirq.DensityMatrixSimulator(dtype=np.complex128)
    result = simulator.simulate(cirq.Circuit(steps), qubit_order=qubits)
    return np.diag(result.final_density_matrix).real


@pytest.mark.parametrize("case", range(40))
def test_ideal_results_equal_the_reference(case):
    rng = rng_of(1, case)
    n_qubits = int(rng.integers(1, 7))
    circuit = random_circuit(rng, n_qubits, 15)
    meant = np.abs(state_vector(compile_circuit(circuit))[0]) ** 2
    assert np.abs(dense(simulate([circuit])[0], n_qubits) - meant).max() < 1e-12


@pytest.mark.parametrize("case", range(10))
def test_ideal_results_equal_cirq(case):
    rng = rng_of(2, case)
    circuit = native_circuit(rng, 5, 30)
    meant = with_cirq(circuit, Noise("none", 0.0, 0.0))
    assert np.abs(dense(simulate([circuit])[0], 5) - meant).max() < 1e-7


@pytest.mark.parametrize("case", range(5))
def test_circuits_of_one_structure_run_together_as_alone(case):
    rng = rng_of(3, case)
    structure = random_circuit(rng, 4, 12, symbols=["a", "b"])
    values = rng.normal(size=(6, 2))
    bound = [
        structure.bind({name: {"a": a, "b": b}[name] for name in structure.parameters})
        for a, b in values
    ]
    other = random_circuit(rng, 3, 5)
    mixed = [*bound[:3], other, *bound[3:]]
    batch = Batch.of(mixed)
    assert len(batch.groups) == 2
    for together, circuit in zip(simulate(batch), mixed, strict=True):
        alone = simulate([circuit])[0]
        n = circuit.n_qubits
        assert np.abs(dense(together, n) - dense(alone, n)).max() < 1e-12


@pytest.mark.parametrize("chunk", [1, 64, 2**20])
def test_chunks_change_nothing(chunk, monkeypatch):
    rng = rng_of(4)
    structure = native_circuit(rng, 4, 20)
    circuits = [structure] * 5
    meant = simulate(circuits), simulate(circuits, noise="aria-1")
    monkeypatch.setattr(engine, "CHUNK", chunk)
    assert (simulate(circuits), simulate(circuits, noise="aria-1")) == meant


def test_the_seed_decides_the_shots():
    circuits = [native_circuit(rng_of(5, k), 4, 20) for k in range(3)]
    for noise in (None, "forte-1"):
        first = simulate(circuits, noise=noise, shots=500, seed=7)
        assert simulate(circuits, noise=noise, shots=500, seed=7) == first
        assert simulate(circuits, noise=noise, shots=500, seed=8) != first
        for outcome in first:
            counts = np.array(list(outcome.values())) * 500
            assert counts.sum() == pytest.approx(500)
            assert np.abs(counts - counts.round()).max() < 1e-9


@pytest.mark.parametrize("n_outcomes", [4, 5000])
def test_draws_follow_the_chances(n_outcomes):
    rng = rng_of(6, n_outcomes)
    chances = rng.exponential(size=n_outcomes)
    chances[1:] *= 10 / chances[1:].sum()
    chances /= chances.sum()
    shots = 2000 if n_outcomes > 2000 else 20_000
    outcomes, counts = draw(chances, shots, rng)
    assert counts.sum() == shots
    found = np.zeros(n_outcomes)
    found[outcomes] = counts
    # In blocks, so that each is expected often enough for a bound of six deviations.
    for block in np.array_split(np.arange(n_outcomes), 4):
        p = chances[block].sum()
        assert abs(found[block].sum() - shots * p) < 6 * np.sqrt(shots * p * (1 - p)) + 1


STRONG = Noise("forte-1", 0.05, 0.15)


@pytest.mark.parametrize("case", range(8))
def test_noise_equals_the_density_matrix_of_cirq(case):
    rng = rng_of(7, case)
    n_qubits = int(rng.integers(2, 5))
    circuit = native_circuit(rng, n_qubits, 15)
    noise = STRONG if case % 2 else MODELS["aria-1"]
    found = dense(simulate([circuit], noise=noise)[0], n_qubits)
    assert np.abs(found - with_cirq(circuit, noise)).max() < 1e-9


def test_noise_of_circuits_that_run_together():
    rng = rng_of(8)
    structure = UnifiedCircuit(3).add_gate("GPi2", 0, "a").add_gate("MS", [0, 2], ["b", "a", 0.2])
    structure.add_gate("GPi2", 2, "b").add_gate("ZZ", [2, 1], 0.1).add_gate("GPi2", 1, 0.3)
    circuits = [structure.bind({"a": a, "b": b}) for a, b in rng.uniform(-0.5, 0.5, size=(5, 2))]
    for found, circuit in zip(simulate(circuits, noise=STRONG), circuits, strict=True):
        assert np.abs(dense(found, 3) - with_cirq(circuit, STRONG)).max() < 1e-9


@pytest.mark.parametrize("case", range(4))
def test_shots_with_errors_agree_with_exact_noise(case):
    rng = rng_of(9, case)
    circuit = native_circuit(rng, 3, 10)
    (group,) = Batch.of([circuit]).groups
    shots = 20_000
    steps = steps_of(group.circuit)
    outcomes, counts = noisy_shots(steps, 3, group.values[0], STRONG, shots, rng)
    assert counts.sum() == shots
    found = np.zeros(8)
    found[outcomes] = counts
    exact = simulate([circuit], noise=STRONG)[0]
    for key in range(8):
        p = exact.get(key, 0.0)
        # Six deviations, and one shot for what is hardly ever expected.
        assert abs(found[key] - shots * p) < 6 * np.sqrt(shots * p * (1 - p)) + 1


def test_wide_circuits_take_shots_one_by_one(monkeypatch):
    """Both ways, on the same circuit, also when it has to be compiled and ends on other wires."""
    circuit = UnifiedCircuit(3).add_gate("H", 0).add_gate("CX", [0, 1]).add_gate("SWAP", [1, 2])
    circuit.add_gate("RY", 0, 0.4).add_gate("RX", 1, 2.9)
    exact = simulate([circuit], noise=STRONG)[0]
    monkeypatch.setattr(engine, "EXACT_QUBITS", 2)
    shots = 20_000
    found = simulate([circuit], noise=STRONG, shots=shots, seed=daily_seed())[0]
    for key in range(8):
        p = exact.get(key, 0.0)
        bound = 6 * np.sqrt(p * (1 - p) / shots) + 1 / shots
        assert abs(found.get(key, 0.0) - p) < bound


@pytest.mark.parametrize("case", range(8))
def test_compiling_for_noise_keeps_the_circuit(case):
    rng = rng_of(10, case)
    gates = ["H", "CX", "SWAP", "RY", "RZZ", "T", "CPhase", "Y"]
    circuit = random_circuit(rng, 4, 12, gates=gates)
    for name in ("aria-1", "forte-1"):
        found = simulate([circuit], noise=Noise(name, 0.0, 0.0))[0]
        assert np.abs(dense(found, 4) - dense(simulate([circuit])[0], 4)).max() < 1e-9


def test_noise_on_wide_circuits_leaves_the_ideal_result_with_the_chance_of_no_error():
    circuit = UnifiedCircuit(9)
    for q in range(8):
        circuit.add_gate("GPi", q, 0.0)
        circuit.add_gate("ZZ", [q, q + 1], 0.25)
    noise = MODELS["forte-1"]
    shots = 4000
    (found,) = simulate([circuit], noise=noise, shots=shots, seed=daily_seed())
    # Every error but Z on its qubits changes the outcome.
    p = (1 - noise.r1 / 2) ** 8 * (1 - noise.r2 * 12 / 16) ** 8
    assert abs(found[0b011111111] - p) < 6 * np.sqrt(p * (1 - p) / shots)


def test_twenty_qubits():
    circuit = UnifiedCircuit(20).add_gate("H", 0)
    for q in range(19):
        circuit.add_gate("CX", [q, q + 1])
    (exact,) = simulate([circuit])
    assert exact == {0: pytest.approx(0.5), 2**20 - 1: pytest.approx(0.5)}
    (drawn,) = simulate([circuit], shots=1000, seed=1)
    assert set(drawn) == {0, 2**20 - 1}


@pytest.mark.parametrize("noise", [None, "aria-1"])
def test_qubits_without_gates_cost_nothing(noise):
    narrow = UnifiedCircuit(3).add_gate("H", 0).add_gate("CX", [0, 1]).add_gate("RY", 2, 0.4)
    wide = UnifiedCircuit(100).add_gate("H", 70).add_gate("CX", [70, 3]).add_gate("RY", 20, 0.4)
    small, large = simulate([narrow, wide], noise=noise)
    # In order of significance: qubit 3 for 1, 20 for 2 and 70 for 0.
    places = {0: 70, 1: 3, 2: 20}
    assert large == {
        sum((key >> q & 1) << place for q, place in places.items()): pytest.approx(p)
        for key, p in small.items()
    }


def test_what_cannot_be_done_is_said():
    wide = UnifiedCircuit(60).add_parameterized_layer("RX", "a")
    wide = wide.bind(dict.fromkeys(wide.parameters, 0.1))
    with pytest.raises(MemoryLimitError, match="too much work for the local IonQ"):
        simulate([wide])
    eight = UnifiedCircuit(8)
    for q in range(8):
        eight.add_gate("GPi", q, 0.1)
    with pytest.raises(InputError, match="at most 7 qubits, or shots"):
        simulate([eight], noise="forte-1")
    with pytest.raises(InputError, match="symbols"):
        simulate([UnifiedCircuit(1).add_gate("RX", 0, "x")])
    for shots in (0, True, 1.5):
        with pytest.raises(InputError, match="`shots`"):
            simulate([UnifiedCircuit(1)], shots=shots)
    long = UnifiedCircuit(24)
    for k in range(300):
        long.add_gate("ZZ", [0, 1 + k % 23], 0.1)
    with pytest.raises(MemoryLimitError, match="too much work"):
        simulate([long], noise=STRONG, shots=10**5, seed=1)


def test_noise_models():
    assert noise_model(None) is noise_model("ideal") is None
    assert noise_model("qpu.aria-2") == Noise("aria-2", 0.000657333, 0.01856)
    assert noise_model("forte-enterprise-1").r2 == MODELS["forte-1"].r2
    with pytest.raises(ConfigurationError, match="not published"):
        noise_model("harmony-1")
    with pytest.raises(ConfigurationError, match="no such noise model"):
        noise_model("simulator")
    with pytest.raises(ConfigurationError, match="r1"):
        Noise("mine", -0.1, 0.0)


def test_a_circuit_without_gates_is_all_zeros():
    assert simulate([Circuit(3)]) == [{0: 1.0}]
    assert simulate([Circuit(3)], noise="aria-1", shots=10) == [{0: 1.0}]


def test_results_survive_json():
    (found,) = simulate(read({"qubits": 1, "circuit": [{"gate": "h", "target": 0}]}))
    assert json.loads(json.dumps(found)) == {"0": pytest.approx(0.5), "1": pytest.approx(0.5)}


@pytest.mark.parametrize("case", range(8))
def test_variants_as_debiasing_makes_them_are_all_alike_to_the_noise_models(case):
    rng = rng_of(9, case)
    n_qubits = int(rng.integers(2, 5))
    circuit = native_circuit(rng, n_qubits, 15)
    noise = str(rng.choice([name for name, model in MODELS.items() if model is not None]))
    places = rng.permutation(n_qubits)  # other ions
    turned = rng.integers(0, 2, n_qubits) / 2  # other pulses: frames turned about Z
    variant = UnifiedCircuit(n_qubits)
    for op in circuit.operations:
        numbers = [p.constant for p in op.params]
        if op.gate != "ZZ":  # whose number is its angle
            for k, qubit in enumerate(op.targets):
                numbers[k] = (numbers[k] + turned[qubit]) % 1.0
        variant.add_gate(op.gate, [int(places[q]) for q in op.targets], numbers)
    (one,), (other,) = (simulate([each], noise=noise) for each in (circuit, variant))
    back = {
        sum((key >> int(places[q]) & 1) << q for q in range(n_qubits)): chance
        for key, chance in other.items()
    }
    assert np.abs(dense(one, n_qubits) - dense(back, n_qubits)).max() < 1e-12
    ideal = dense(simulate([circuit])[0], n_qubits)
    assert np.abs(dense(one, n_qubits) - ideal).max() > 1e-6  # there is noise
