"""The examples of the guides to versions 3.4 and 3.5 beside training, with a local IonQ."""

import asyncio
import json

import numpy as np
import pytest
from tensorflow import keras

import qstore_tf as qs
from qstore_tf.circuits.reference import unitary
from qstore_tf.compat import v1, v3_4, v3_5, v4_0
from qstore_tf.compat.circuits import circuit_of, dict_of, run
from qstore_tf.compat.v3_5.model import QuantumModel
from qstore_tf.errors import CircuitError, ConfigurationError, InputError, QstoreError
from qstore_tf.ionq.emulator.running import Emulator
from qstore_tf.ionq.reading import from_native
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_circuit


def turn(angle):
    gates = [
        {"gate": "ry", "target": 0, "rotation": angle},
        {"gate": "cnot", "control": 0, "target": 1},
    ]
    return {"qubits": 4, "circuit": gates}


@pytest.mark.parametrize("package", [v1, v3_4, v3_5, v4_0])
def test_every_name_is_there(package):
    for name in package.__all__:
        assert getattr(package, name).__doc__
        assert name in dir(package)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = package.Nothing


def test_the_batch_manager_of_the_guide(cloud, capsys):
    async def main():
        async with v3_4.CircuitBatchManagerV34(
            api_key="a-key", use_batch_api=True, use_native_gates=True, use_smart_caching=True
        ) as manager:
            angles = [0.1 * k for k in range(20)]
            found = await manager.execute_batch(
                circuits=[turn(angle) for angle in angles], target="simulator", shots=1000
            )
            manager.print_performance_report()
            return angles, found, manager.get_performance_report()

    angles, found, report = asyncio.run(main())
    assert found["circuits_executed"] == 20 == len(found["results"])
    seconds = found["total_time_ms"] / 1000
    assert found["throughput_circuits_per_sec"] == pytest.approx(20 / seconds)
    for angle, result in zip(angles, found["results"], strict=True):
        assert sum(result["counts"].values()) == result["total_shots"] == 1000
        share = result["probabilities"].get("1100", 0.0)
        assert share == pytest.approx(np.sin(angle / 2) ** 2, abs=0.08)
    # One structure is one job, which the emulator counts too.
    assert report["jobs"] == 1
    assert "throughput_circuits_per_sec" in capsys.readouterr().out


def test_the_orchestrator_of_the_guide(cloud):
    with Emulator(machine_noise=False) as second, Emulator(machine_noise=False) as third:
        orchestrator = v3_5.MultiBackendOrchestrator(
            [
                {"provider": "ionq", "target": "simulator", "api_key": "a-key"},
                {"provider": "ionq", "simulator": "simulator", "url": second.url, "api_key": "b"},
                {"provider": "ionq", "target": "simulator", "url": third.url, "api_key": "c"},
            ]
        )
        angles = [0.15 * k for k in range(20)]
        found = asyncio.run(
            orchestrator.execute_distributed([turn(angle) for angle in angles], shots=1000)
        )
    for angle, result in zip(angles, found, strict=True):
        share = result["probabilities"].get("1100", 0.0)
        assert share == pytest.approx(np.sin(angle / 2) ** 2, abs=0.08)
    stats = orchestrator.get_backend_stats()
    assert len(stats) == 3
    assert sum(each["circuits"] for each in stats.values()) == 20
    assert all(each["circuits"] > 0 for each in stats.values())


def test_a_backend_that_is_gone_is_replaced(cloud):
    with Emulator(machine_noise=False) as gone:
        dead = gone.url
    pool = [{"provider": "local"}, "tensorflow"]
    ionq = qs.backends.IonQ("simulator", shots=100, url=dead, api_key="k", unreachable_s=0.5)
    orchestrator = v3_5.MultiBackendOrchestrator([*pool, ionq])
    found = asyncio.run(orchestrator.execute_distributed([turn(np.pi)] * 12, shots=50))
    assert [each["counts"] for each in found] == [{"1100": 50}] * 12


def test_the_cache_of_the_guide(capsys):
    built = []

    def build(parameters, features):
        built.append((parameters, features))
        return turn(parameters[0] + features[0])

    cache = v3_4.SmartCircuitCache(max_templates=100, max_bound_circuits=2)
    asked = [([0.1], [0.5]), ([0.1], [0.5]), ([0.2], [0.5]), ([0.3], [0.5]), ([0.1], [0.5])]
    for parameters, features in asked:
        circuit = cache.get_or_build(
            structure_key="layer_1", parameters=np.array(parameters), input_data=features,
            builder_func=build, n_qubits=4,
        )  # fmt: skip
        angle = circuit.operations[0].params[0].constant
        assert angle == pytest.approx(parameters[0] + features[0])
    assert len(built) == 4  # the last one had to make place
    stats = cache.get_stats()
    assert (stats["bound_hits"], stats["built"], stats["structure_hits"]) == (1, 4, 3)
    assert stats["hit_rate"] == 1 / 5
    cache.print_stats()
    assert "hit_rate" in capsys.readouterr().out
    with pytest.raises(CircuitError, match="layer_1"):
        cache.get_or_build("layer_1", [9.0], [0.0], lambda p, f: qs.UnifiedCircuit(4), 4)


@pytest.mark.parametrize("seed", [daily_seed() + k for k in range(5)])
def test_the_compiler_makes_the_same_circuit_and_counts_what_it_saves(seed):
    circuit = random_circuit(seed, 3, 8, gates=["H", "RX", "RZ", "CX", "T"], max_controls=0)
    compiler = v3_4.IonQNativeGateCompiler()
    native = compiler.compile_circuit(dict_of(circuit))
    wires = native.pop("output_permutation")
    made = from_native(json.loads(json.dumps(native)))
    before = abs(unitary(circuit)[:, 0]) ** 2
    after = (abs(unitary(made)[:, 0]) ** 2).reshape(2, 2, 2).transpose(wires).reshape(8)
    np.testing.assert_allclose(after, before, atol=1e-7)
    stats = compiler.get_stats()
    saved = 100 * (stats["gates_before"] - stats["gates_after"]) / stats["gates_before"]
    assert stats["avg_reduction_pct"] == pytest.approx(saved)
    assert stats["gates_after"] == sum(made.count_gates().values())


def test_circuits_survive_ionqs_dicts():
    for seed in range(daily_seed(), daily_seed() + 10):
        circuit = random_circuit(seed, 3, 8, max_controls=1)
        again = circuit_of(json.loads(json.dumps(dict_of(circuit))))
        overlap = np.trace(unitary(circuit).conj().T @ unitary(again)) / 8
        assert abs(overlap) == pytest.approx(1, abs=1e-8)


def test_queue_sizes_are_monotone_and_within_limits():
    queue = v3_4.AdaptiveQueueManager(5, 50, full_queue=12)
    sizes = [queue.get_batch_size(depth) for depth in range(20)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (5, 50)
    with pytest.raises(ConfigurationError):
        queue.get_batch_size(-1)


def test_depths_and_shots_are_those_of_the_guide():
    optimizer = v3_5.AdaptiveCircuitOptimizer(
        initial_depth=4, min_depth=2, adaptation_schedule="linear"
    )
    assert [optimizer.get_depth_for_epoch(epoch, 10) for epoch in range(10)] == [
        int(np.ceil(4 - 2 * epoch / 10 - 1e-12)) for epoch in range(10)
    ]
    short = optimizer.optimize_circuit(
        {
            "qubits": 2,
            "circuit": [
                *({"gate": "rx", "target": 0, "rotation": a} for a in (0.1, 0.2)),
                {"gate": "rz", "target": 1, "rotation": 1e-9},
                {"gate": "cnot", "control": 0, "target": 1},
                {"gate": "cnot", "control": 1, "target": 0},
            ],
        },
        target_depth=2,
    )
    assert short["circuit"][0]["rotation"] == pytest.approx(0.3)
    assert len(short["circuit"]) == 2
    allocator = v3_5.AdaptiveShotAllocator(min_shots=500, max_shots=2000, base_shots=1000)
    shots = [allocator.get_shots_for_batch(epoch, 10, []) for epoch in (0, 5, 9)]
    assert shots == [500, 1000, 2000]
    wild = [np.array([0.1, 0.0]), np.array([3.0, 4.0])]
    assert allocator.get_shots_for_batch(5, 10, recent_gradients=wild) == 1500
    assert allocator.get_shots_for_batch(9, 10, [0.5, 0.5]) == 1500


def test_gradients_agree_with_finite_differences():
    circuit = qs.UnifiedCircuit(2).add_gate("RY", 0, "a").add_gate("CX", [0, 1])
    circuit = circuit.add_gate("RX", 1, "2*b").add_gate("RY", 1, "a")

    def loss(z):
        return z[0] * z[1] + z[1] ** 2

    def value(a, b):
        made = unitary(circuit.bind({"a": a, "b": b}))[:, 0]
        p = abs(made) ** 2
        return loss([p @ [1, 1, -1, -1], p @ [1, -1, 1, -1]])

    at, eps = {"a": 0.4, "b": -0.3}, 1e-5
    wanted = [
        (value(0.4 + eps, -0.3) - value(0.4 - eps, -0.3)) / (2 * eps),
        (value(0.4, -0.3 + eps) - value(0.4, -0.3 - eps)) / (2 * eps),
    ]
    exact = v4_0.ParameterShiftGradient(qs.backends.get("native"))
    found = asyncio.run(exact.compute(circuit=circuit, loss_fn=loss, parameters=at))
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.testing.assert_allclose(exact.estimate_gradient(circuit, loss, [0.4, -0.3]), found)
    rough = v3_5.SPSAGradientEstimator("native", directions=4000, step=0.01)
    np.testing.assert_allclose(rough.estimate_gradient(circuit, loss, at, seed=1), wanted, atol=0.2)
    natural = v3_5.NaturalGradientEstimator("native", regularization=0.01)
    found = natural.estimate_gradient(circuit, loss, at)
    states = [unitary(circuit.bind({"a": 0.4 + d, "b": -0.3 + e}))[:, 0] for d, e in
              [(0, 0), (eps, 0), (-eps, 0), (0, eps), (0, -eps)]]  # fmt: skip
    slopes = [(states[1] - states[2]) / (2 * eps), (states[3] - states[4]) / (2 * eps)]
    metric = [
        [(np.vdot(p, q) - np.vdot(p, states[0]) * np.vdot(states[0], q)).real for q in slopes]
        for p in slopes
    ]
    expected = np.linalg.solve(np.array(metric) + 0.01 * np.eye(2), wanted)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    with pytest.raises(InputError, match="'a', 'b'"):
        exact.estimate_gradient(circuit, loss, {"a": 0.4})


@pytest.mark.parametrize("method", ["angle", "amplitude", "basis"])
def test_the_encoder_makes_the_state_of_the_layer(method):
    row = [1.0, 0.0, 1.0] if method == "basis" else [0.3, -0.7, 0.5]
    state = unitary(v3_5.DataEncoder(3, method).encode(row))[:, 0]
    layer = qs.layers.QuantumLayer(
        circuit=qs.UnifiedCircuit(3).add_gate("RX", 0, "w"), encoding=method,
        theta_initializer="zeros", observables=["ZII", "IZI", "IIZ", "XXI"],
    )  # fmt: skip
    found = layer(np.array([row], "float32"))[0]
    p = abs(state.reshape(2, 2, 2)) ** 2
    wanted = [p[0].sum() - p[1].sum(), p[:, 0].sum() - p[:, 1].sum()]
    np.testing.assert_allclose(found[:2], wanted, atol=1e-5)
    with pytest.raises(InputError):
        v3_5.DataEncoder(1, method).encode([1.0] * 3)


def test_the_layer_is_saved_and_loaded(tmp_path):
    layer = v3_5.HardwareEfficientQuantumLayer(n_qubits=3, depth=2, entanglement="full")
    model = keras.Sequential([keras.Input((3,)), layer])
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(model(x), again(x))
    plain = qs.layers.QuantumLayer(3, depth=2, entanglement="full")
    plain.build((None, 3))
    plain.set_weights(layer.get_weights())
    np.testing.assert_allclose(plain(x), model(x), atol=1e-6)


@pytest.mark.slow
def test_a_model_is_converted_with_its_weights(tmp_path):
    config = v3_5.TrainingConfig(epochs=1, n_qubits=3, gradient_method="parameter_shift")
    old = QuantumModel(input_dim=3, n_qubits=3, output_dim=2, backend="native")
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    trainer = v3_5.QuantumTrainer(config, backend="native")
    asyncio.run(trainer.train(old, (x, (x[:, 0] > 0).astype(int)), verbose=0))
    new = v3_5.convert_from_v3_5(old)
    np.testing.assert_array_equal(new.predict(x, verbose=0), old.predict(x))
    for one, other in zip(new.get_weights(), old.keras_model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    new.save(tmp_path / "new.keras")
    again = keras.models.load_model(tmp_path / "new.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), old.predict(x))
    with pytest.raises(ConfigurationError, match="no model of version"):
        v3_5.convert_from_v3_5("model")


def test_results_do_not_depend_on_the_order_of_structures():
    flip = {"qubits": 1, "circuit": [{"gate": "x", "target": 0}]}
    found = run([turn(np.pi), flip, turn(0.0)], qs.backends.get("native"), shots=7)
    assert [each["counts"] for each in found] == [{"1100": 7}, {"1": 7}, {"0000": 7}]
    for wrong in ("x", {"qubits": 1}, {"qubits": 1, "circuit": [{"gate": "warp", "target": 0}]}):
        with pytest.raises(QstoreError):
            run([wrong], qs.backends.get("native"))
