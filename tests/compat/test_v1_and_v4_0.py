"""The examples of the guides to versions 1 and 4.0, with a local IonQ."""

import asyncio

import numpy as np
import pytest
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.circuits.reference import unitary
from qstore_tf.compat import v1, v4_0
from qstore_tf.errors import InputError
from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer

BELL = {
    "qubits": 2,
    "circuit": [
        {"gate": "h", "target": 0},
        {"gate": "cnot", "control": 0, "target": 1},
    ],
}


def test_the_database_of_version_1(cloud):
    settings = {"n_qubits": 4, "domain": "news", "max_contexts_per_vector": 3}
    with v1.QuantumDatabase(
        quantum_backend="ionq", ionq_api_key="a-key", classical_backend="memory", **settings
    ) as db:
        assert db.config.quantum_backend.name == "ionq"
        assert db.domain == "news"
        db.insert(id="sea", vector=[1.0, 0.2], contexts=[("nature", 0.9), ("war", 0.1)])
        db.insert(id="fleet", vector=[0.8, 0.6], contexts=[("nature", 0.2), ("war", 0.8)])
        db.create_entangled_group(
            group_id="ships", entity_ids=["sea", "fleet"], correlation_strength=0.85
        )
        assert db.query(vector=[1.0, 0.4], context="war", top_k=2).ids == ["fleet", "sea"]
        db.update("sea", [0.9, 0.3])
        db.apply_decoherence()


def test_the_settings_of_version_1_as_an_object():
    config = v1.QuantumDatabaseConfig(
        quantum_backend="ionq", ionq_api_key="a-key", target_device="qpu.forte-1"
    )
    assert "a-key" not in repr(config)
    with v1.QuantumDatabase(config=config) as db:
        assert db.config.quantum_backend.target.name == "forte-1"
        assert "a-key" not in repr(db.config)


def test_ionq_of_version_1(cloud):
    backend = v1.IonQQuantumBackend(api_key="a-key", target="simulator")
    found = backend.execute_circuit(BELL, repetitions=500)
    assert found["total_shots"] == sum(found["counts"].values()) == 500
    assert set(found["probabilities"]) == {"00", "11"}
    vector = [0.6, 0.0, -0.8]
    state = unitary(backend.amplitude_encode(vector))[:, 0]
    assert abs(np.vdot(state, [0.6, 0.0, -0.8, 0.0])) == pytest.approx(1, abs=1e-6)
    plus = qs.UnifiedCircuit(1).add_gate("H", 0)
    turned = backend.measure_in_basis(plus, "hadamard")
    assert backend.execute_circuit(turned, 20)["counts"] == {"0": 20}
    assert backend.measure_in_basis(plus) == plus
    assert set(backend.optimize_for_ionq(BELL).count_gates()) <= {"GPi", "GPi2", "ZZ"}
    with pytest.raises(InputError, match="'computational' or 'hadamard'"):
        backend.measure_in_basis(plus, "bell")


def test_the_keras_model_of_version_4_0():
    import cirq

    model = keras.Sequential(
        [
            keras.Input((64,)),
            AmplitudeEncoding(n_qubits=6),
            QuantumLayer(n_qubits=6, depth=2, backend="qsim", entanglement="linear"),
            ExpectationValue(observables=[cirq.Z] * 6),
        ]
    )
    assert model(np.ones((2, 64), "float32")).shape == (2, 6)


def test_a_compiled_circuit_runs_and_its_bits_are_the_qubits(cloud):
    circuit = qs.UnifiedCircuit(3).add_gate("X", 0).add_gate("SWAP", [0, 2]).add_gate("X", 1)
    circuit = circuit.add_gate("CX", [2, 0])
    backend = v4_0.IonQBackend(api_key="a-key", target="simulator", use_native_gates=True)
    compiled = v4_0.IonQNativeCompiler().compile(circuit)
    for each in (circuit, compiled):
        found = asyncio.run(backend.execute(each, shots=100, timeout=120))
        assert found["counts"] == {"111": 100}
    lopsided = qs.UnifiedCircuit(3).add_gate("X", 0).add_gate("SWAP", [0, 2])
    compiled = v4_0.IonQNativeCompiler().compile(lopsided)
    assert asyncio.run(backend.execute(compiled, shots=9))["counts"] == {"001": 9}


def test_the_router_of_version_4_0():
    config = v4_0.TrainingConfig(
        backends=[{"name": "a", "type": "native"}, {"name": "b", "type": "qsim"}],
        routing_priority="balanced",
    )
    router = v4_0.SmartBackendRouter(config)
    circuit = qs.UnifiedCircuit(2).add_gate("RY", 0, "a").add_gate("CX", [0, 1])
    for priority in ("cost", "speed", "balanced"):
        found = router.route_circuit(circuit, precision_required=0.9, priority=priority)
        assert found.chosen is max(found.candidates, key=lambda each: each.total)
        assert found.priority == priority
        assert "score" in str(found)
    assert router.get_backend_recommendations("production") == ["ionq_hardware"]
    assert v4_0.auto_select(4, has_gpu=True).name == "tensorflow"
    assert v4_0.auto_select(4).name in ("native", "tensorflow")


def test_the_trainer_of_version_4_0():
    config = v4_0.TrainingConfig(epochs=2, batch_size=4, distributed_strategy="single")
    model = keras.Sequential([keras.Input((2,)), QuantumLayer(2), keras.layers.Dense(1)])
    x = np.random.default_rng(0).normal(size=(8, 2)).astype("float32")
    trainer = v4_0.TensorFlowDistributedTrainer(config)
    history = trainer.train(model, (x, x[:, :1]), (x, x[:, :1]), epochs=3, verbose=0)
    assert len(history.history["val_loss"]) == 3
