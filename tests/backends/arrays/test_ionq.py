"""The backend on IonQ's service, against a local IonQ: the numbers of the simulators, sent once."""

import copy
import json
from collections.abc import Iterator
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.backends import arrays
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables, reference
from qstore_tf.errors import BudgetExceededError, ConfigurationError, InputError
from qstore_tf.execution import build_expectation
from qstore_tf.ionq import TARGETS, Target
from qstore_tf.ionq.emulator.running import Emulator
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.layers import AngleEncoding, QuantumLayer, Sample
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_observables, random_program


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture(autouse=True)
def service(emulator: Emulator, monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("IONQ_API_URL", emulator.url)
    monkeypatch.setenv("IONQ_API_KEY", "a-key")
    monkeypatch.setenv("QSTORE_IONQ_JOURNAL", str(tmp_path / "journal.sqlite"))


def a_run(case: int, rows: int = 3):
    rng = np.random.default_rng([daily_seed(), case])
    n_qubits = int(rng.integers(1, 5))
    program = random_program(rng, n_qubits, 12)
    inputs = rng.normal(size=(rows, program.n_inputs))
    theta = rng.normal(size=program.n_theta)
    return program, random_observables(rng, n_qubits, 3), inputs, theta, rng


@pytest.mark.parametrize("case", range(6))
def test_the_ideal_simulator_gives_exact_expectations(case: int) -> None:
    program, observables, inputs, theta, _ = a_run(case)
    backend = arrays.get("ionq")
    found = backend.expectation(arrays.as_batch(program, inputs, theta), observables)
    wanted = reference.expectation(program, observables, inputs, theta)
    np.testing.assert_allclose(found, wanted, atol=1e-8)


@pytest.mark.parametrize("target", ["simulator", "qpu.forte-1", "qpu.aria-1"])
def test_estimates_from_shots_scatter_around_the_exact_expectations(target: str) -> None:
    shots, rows = 1000, 16
    program, observables, inputs, theta, _ = a_run(7, rows)
    batch = arrays.as_batch(program, inputs, theta)
    backend = arrays.get("ionq", target=target, shots=shots)
    found = backend.expectation(batch, observables, [1, 2])
    wanted = reference.expectation(program, observables, inputs, theta)
    weights = [sum(abs(t.coefficient) for t in o.terms if t.paulis) for o in observables]
    assert np.all(np.abs(found - wanted) < 6 * np.array(weights) / np.sqrt(shots) + 5e-3)
    if target == "simulator":  # machines take no seed
        again = backend.expectation(batch, observables, [1, 2])
        np.testing.assert_array_equal(found, again)
        assert not np.array_equal(found, backend.expectation(batch, observables, [1, 3]))


@pytest.mark.parametrize("method", ["parameter_shift", "hadamard_test", "finite_difference"])
def test_gradients_are_those_of_the_native_backend_in_one_submission(
    method: str, emulator: Emulator
) -> None:
    rng = np.random.default_rng(daily_seed())
    circuit = UnifiedCircuit(3)
    for qubit in range(3):
        circuit.add_gate("RX", qubit, f"2 * x{qubit}").add_gate("RY", qubit, f"a{qubit % 2}")
        circuit.add_gate("CRZ", [qubit, (qubit + 1) % 3], "a2")
    program = compile_circuit(circuit, inputs=["x0", "x1", "x2"])
    observables = parse_observables(["Z0", "X1 Y2 + 0.5 Z0"], 3)
    inputs, theta = rng.normal(size=(2, 3)), rng.normal(size=3)

    def gradients(backend: str):
        function = build_expectation(program, observables, backend, method)
        given = tf.constant(inputs), tf.constant(theta)
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(function(*given) ** 2)
        before = len(emulator.jobs())
        found = tape.gradient(loss, given)
        return found, len(emulator.jobs()) - before

    found, jobs = gradients("ionq_simulator")
    wanted, _ = gradients("tensorflow")
    tolerance = 1e-4 if method == "finite_difference" else 1e-6
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)
    assert jobs == 1


def a_model(backend, **options) -> keras.Model:
    keras.utils.set_random_seed(3)
    layer = QuantumLayer(
        n_qubits=3, depth=1, encoding="angle", observables=["Z0", "X1 X2"], backend=backend,
        gradient="parameter_shift", **options,
    )  # fmt: skip
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), layer])
    model.compile("adam", "mse")
    return model


@pytest.mark.slow
def test_fit_moves_the_loss_as_on_the_native_backend_and_models_come_back(tmp_path) -> None:
    rng = np.random.default_rng(daily_seed())
    x = rng.normal(size=(8, 3)).astype("float32")
    y = rng.normal(size=(8, 2)).astype("float32")
    losses = {}
    for name in ("tensorflow", "ionq_simulator"):
        model = a_model(name)
        losses[name] = model.fit(x, y, batch_size=4, epochs=2, verbose=0, shuffle=False).history
    np.testing.assert_allclose(losses["ionq_simulator"]["loss"], losses["tensorflow"]["loss"], 1e-4)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)


def test_a_graph_sends_each_run_just_once(emulator: Emulator) -> None:
    backend = backends.get("ionq_simulator")
    program, observables, inputs, theta, _ = a_run(9)

    @tf.function
    def twice(x: tf.Tensor) -> tf.Tensor:
        first = backend.expectation(program, observables, x, theta)
        return first + backend.expectation(program, observables, x, theta)

    before = len(emulator.jobs())
    twice(tf.constant(inputs))
    assert len(emulator.jobs()) == before + 2


@pytest.mark.slow
def test_amplitudes_are_prepared_by_gates_and_get_gradients() -> None:
    x = np.array([[0.3, -0.2, 0.5, 0.7]], "float32")
    found = {}
    for name in ("tensorflow", "ionq_simulator"):
        keras.utils.set_random_seed(1)
        layer = QuantumLayer(2, depth=1, encoding="amplitude", observables="Z", backend=name,
                             gradient="parameter_shift")  # fmt: skip
        given = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(layer(given))
        found[name] = [loss, *tape.gradient(loss, [given, *layer.trainable_variables])]
    for one, other in zip(*found.values(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_samples_have_the_probabilities_of_the_circuit() -> None:
    program, _, inputs, theta, _ = a_run(10)
    batch = arrays.as_batch(program, inputs, theta)
    drawn = arrays.get("ionq").sample(batch, 4000, [5, 6])
    for row, state in zip(drawn, reference.state_vector(program, inputs, theta), strict=True):
        chances = np.abs(state) ** 2
        shares = np.bincount(row, minlength=len(chances)) / 4000
        assert np.all(np.abs(shares - chances) < 6 * np.sqrt(chances / 4000) + 1e-9)


def test_the_layer_that_samples_runs_too() -> None:
    layers = [keras.Input((2,)), AngleEncoding(2, backend="ionq_simulator")]
    model = keras.Sequential([*layers, Sample(shots=7)])
    assert model.predict(np.zeros((3, 2)), verbose=0).shape[:2] == (3, 7)


def test_rows_that_are_not_finite_are_nan_and_are_not_sent(emulator: Emulator) -> None:
    program = random_program(3, 2, 6, n_inputs=1, n_theta=1)
    observables = random_observables(3, 2, 2)
    inputs, theta = np.array([[0.1], [np.nan], [0.3]]), [0.2]
    backend = arrays.get("ionq")
    found = backend.expectation(arrays.as_batch(program, inputs, theta), observables)
    assert np.isnan(found[1]).all()
    wanted = reference.expectation(program, observables, inputs[[0, 2]], theta)
    np.testing.assert_allclose(found[[0, 2]], wanted, atol=1e-8)
    before = len(emulator.jobs())
    nothing = arrays.as_batch(program, inputs[1:2], theta)
    assert np.isnan(backend.expectation(nothing, observables)).all()
    assert len(emulator.jobs()) == before
    with pytest.raises(InputError, match="finite"):
        backend.sample(nothing, 10, [1, 2])


@pytest.mark.parametrize("inside", [False, True], ids=["eagerly", "in fit"])
def test_a_budget_stops_before_anything_is_sent(inside: bool, emulator: Emulator) -> None:
    backend = backends.get("ionq", target="qpu.forte-1", shots=100, budget=Budget(shots=50))
    model = a_model(backend)
    before = len(emulator.jobs())
    x, y = np.zeros((2, 3)), np.zeros((2, 2))
    if inside:
        with pytest.raises(Exception, match="the budget has left"):
            model.fit(x, y, verbose=0)
    else:
        with pytest.raises(BudgetExceededError, match="the budget has left"):
            model(x)
    assert len(emulator.jobs()) == before


@pytest.mark.slow
def test_a_budget_may_name_where_to_go_on(caplog: pytest.LogCaptureFixture) -> None:
    budget = Budget(shots=50, on_exceed="fallback", fallback="tensorflow")
    backend = backends.get("ionq", target="qpu.forte-1", shots=100, budget=budget)
    x = np.random.default_rng(0).normal(size=(2, 3))
    for _ in range(2):
        found = a_model(backend).predict(x, verbose=0)
    np.testing.assert_allclose(found, a_model("tensorflow").predict(x, verbose=0), atol=1e-6)
    assert backend.telemetry()["fallbacks"] == 2
    assert sum("as the budget says" in record.message for record in caplog.records) == 1


def test_it_is_made_again_from_its_configuration_without_any_key() -> None:
    backend = backends.get("ionq", target="simulator", noise="aria-1", api_key="very-secret",
                           budget=Budget(usd=2), debiasing=False)  # fmt: skip
    config = backend.get_config()
    held = [repr(config), repr(backend), repr(vars(backend.arrays)), repr(vars(backend.sender))]
    assert "secret" not in "".join(held)
    assert copy.deepcopy(backend.arrays) is backend.arrays
    assert backends.get("ionq", **config).get_config() == config


@pytest.mark.parametrize(
    "target",
    [
        replace(TARGETS["forte-1"], signed_zz=False),
        Target(name="mine", api_name="qpu.mine", n_qubits=3, entangler="MS"),
    ],
    ids=["changed", "own"],
)
def test_targets_that_no_name_tells_come_back_too(target: Target) -> None:
    config = json.loads(json.dumps(backends.get("ionq", target=target).get_config()))
    assert backends.get("ionq", **config).target == target


@pytest.mark.parametrize(
    "options, message",
    [
        ({"target": "qpu.unknown"}, "no such target"),
        ({"noise": "ariel"}, "no such noise model.*aria-1"),
        ({"target": "qpu.forte-1", "noise": "aria-1"}, "Noise models are the simulator's"),
        ({"shots": 0}, "shots"),
        ({"shots": 2_000_000}, "1,000,000"),
        ({"shots": 100, "debiasing": True}, "500"),
        ({"debiasing": "no"}, "True or False"),
        ({"aggregation": "mean"}, "voting"),
        ({"budget": 100}, r"Budget\(usd=100\)"),
        ({"tracker": "x"}, "CostTracker"),
        ({"transport": "pigeon"}, "transport"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"url": "http://example.com"}, "plain http"),
    ],
)
def test_wrong_options_are_refused_when_it_is_made(options, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        backends.get("ionq", **options)


def test_a_circuit_that_is_too_large_says_so() -> None:
    program = random_program(1, 30, 5)
    with pytest.raises(ConfigurationError, match="too many qubits"):
        backends.get("ionq_simulator").check(program)
    with pytest.raises(ConfigurationError, match=r"start in \|0...0>"):
        backends.get("ionq").check(random_program(1, 2, 5, has_initial=True))


def test_without_a_key_it_says_where_to_put_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("IONQ_API_KEY")
    with pytest.raises(ConfigurationError, match="IONQ_API_KEY"):
        a_model("ionq_simulator")(np.zeros((1, 3)))
