"""The backend with gates that the service compiles: the same numbers, sent once, and the price."""

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import cirq_ionq
import keras
import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends, ionq
from qstore_tf.backends import arrays
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables, reference
from qstore_tf.errors import (
    BudgetExceededError,
    ConfigurationError,
    ConversionError,
    DryRunError,
    InputError,
    PriceError,
)
from qstore_tf.execution import build_expectation
from qstore_tf.ionq.emulator.reading import read
from qstore_tf.ionq.emulator.running import Emulator
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.prices import PriceTable, cost, price_table
from qstore_tf.ionq.qis_writing import QisGate, QisTemplate
from qstore_tf.ionq.service import Executor, Server, Work, versions
from qstore_tf.ionq.service.planning import fingerprint, parts, sizes
from qstore_tf.ionq.service.versions import Options
from qstore_tf.ionq.writing import MAX_BYTES, MAX_GATES, NativeTemplate
from qstore_tf.layers import QuantumLayer
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


def a_run(case: int, rows: int = 3, most: int = 4, n_gates: int = 12):
    rng = np.random.default_rng([daily_seed(), case, 5])
    n_qubits = int(rng.integers(1, most + 1))
    program = random_program(rng, n_qubits, n_gates, n_inputs=2, n_theta=3)
    inputs, theta = rng.normal(size=(rows, 2)), rng.normal(size=3)
    return program, random_observables(rng, n_qubits, 2), inputs, theta


def last_inputs(emulator: Emulator, count: int = 1) -> list[dict]:
    found = [json.loads(request.body) for request in emulator.requests("submit")[-count:]]
    return [body.get("input", body.get("body")) for body in found]


@pytest.mark.slow
@pytest.mark.parametrize("case", range(6))
def test_expectations_are_those_of_native_gates_and_of_the_simulator(
    case: int, emulator: Emulator
) -> None:
    program, observables, inputs, theta = a_run(case)
    batch = arrays.as_batch(program, inputs, theta)
    wanted = reference.expectation(program, observables, inputs, theta)
    for gateset in ("native", "qis"):
        before = len(emulator.jobs())
        found = arrays.get("ionq", gateset=gateset).expectation(batch, observables)
        np.testing.assert_allclose(found, wanted, atol=1e-6)
        # All rows and all bases in one submission.
        assert len(emulator.jobs()) <= before + 1
        if len(emulator.jobs()) > before:
            assert last_inputs(emulator)[0]["gateset"] == gateset


@pytest.mark.slow
@pytest.mark.parametrize("case", range(3))
@pytest.mark.parametrize("method", ["parameter_shift", "hadamard_test"])
def test_gradients_are_those_of_native_gates_and_of_the_simulator(
    method: str, case: int, emulator: Emulator
) -> None:
    program, observables, inputs, theta = a_run(10 + case, rows=2, most=3, n_gates=8)

    def gradients(backend) -> list[np.ndarray]:
        function = build_expectation(program, observables, backend, method)
        given = tf.constant(inputs), tf.constant(theta)
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(function(*given) ** 2)
        return [loss, *tape.gradient(loss, given)]

    wanted = gradients("tensorflow")
    for gateset in ("native", "qis"):
        before = len(emulator.jobs())
        found = gradients(backends.get("ionq", gateset=gateset))
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=1e-6)
        assert len(emulator.jobs()) <= before + 2  # forward, and all shifted circuits


def a_program():
    circuit = UnifiedCircuit(3).add_gate("H", 0)
    for qubit in range(3):
        circuit.add_gate("RX", qubit, f"2 * x{qubit}").add_gate("RY", qubit, f"a{qubit}")
        circuit.add_gate("CRZ", [qubit, (qubit + 1) % 3], "a3")
    program = compile_circuit(circuit, inputs=["x0", "x1", "x2"])
    rng = np.random.default_rng(daily_seed())
    observables = tuple(parse_observables(["Z0", "X1 Y2 + 0.5 Z0", "Y0 Y1"], 3))
    return program, observables, rng.normal(size=(16, 3)), rng.normal(size=4)


@pytest.mark.parametrize(
    "options",
    [{"target": "simulator"}, {"target": "qpu.forte-1"}, {"target": "qpu.aria-1"}],
    ids=lambda options: options["target"],
)
def test_estimates_from_shots_scatter_around_the_exact_expectations(options: dict) -> None:
    program, observables, inputs, theta = a_program()
    backend = arrays.get("ionq", shots=1000, gateset="qis", **options)
    found = backend.expectation(arrays.as_batch(program, inputs, theta), observables, [1, 2])
    wanted = reference.expectation(program, observables, inputs, theta)
    assert np.all(np.abs(found - wanted) < 6 * np.array([1, 1.5, 1]) / np.sqrt(1000) + 5e-3)


def test_samples_have_the_probabilities_of_the_circuit() -> None:
    program, _, inputs, theta = a_program()
    batch = arrays.as_batch(program, inputs[:3], theta)
    drawn = arrays.get("ionq", gateset="qis").sample(batch, 4000, [5, 6])
    states = reference.state_vector(program, inputs[:3], theta)
    for row, state in zip(drawn, states, strict=True):
        chances = np.abs(state) ** 2
        shares = np.bincount(row, minlength=8) / 4000
        assert np.all(np.abs(shares - chances) < 6 * np.sqrt(chances / 4000) + 1e-9)


def a_model(backend, gradient="parameter_shift") -> keras.Model:
    keras.utils.set_random_seed(3)
    layer = QuantumLayer(
        n_qubits=3, depth=1, encoding="angle", observables=["Z0", "X1 X2"], backend=backend,
        gradient=gradient,
    )  # fmt: skip
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), layer])
    model.compile("adam", "mse")
    return model


@pytest.mark.slow
@pytest.mark.parametrize("gradient", ["parameter_shift", "spsa"])
def test_fit_moves_the_loss_as_on_the_native_backend_and_models_come_back(
    gradient: str, emulator: Emulator, tmp_path
) -> None:
    rng = np.random.default_rng(daily_seed())
    x = rng.normal(size=(8, 3)).astype("float32")
    y = rng.normal(size=(8, 2)).astype("float32")
    qis = backends.get("ionq_simulator", gateset="qis")
    losses = []
    for backend in ("tensorflow", qis):
        before = len(emulator.jobs())
        model = a_model(backend, gradient)
        losses.append(model.fit(x, y, batch_size=4, epochs=2, verbose=0, shuffle=False).history)
    np.testing.assert_allclose(losses[1]["loss"], losses[0]["loss"], 1e-4)
    assert len(emulator.jobs()) == before + 2 * 2 * 2  # epochs, steps, forward and gradient
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.layers[-1].run_options.resolved.get_config()["gateset"] == "qis"
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    assert last_inputs(emulator)[0]["gateset"] == "qis"


def test_amplitudes_are_prepared_by_gates_too() -> None:
    x = np.array([[0.3, -0.2, 0.5, 0.7]], "float32")
    found = []
    for backend in ("tensorflow", backends.get("ionq", gateset="qis")):
        keras.utils.set_random_seed(1)
        layer = QuantumLayer(2, depth=1, encoding="amplitude", observables="Z", backend=backend,
                             gradient="parameter_shift")  # fmt: skip
        given = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(given)
            loss = tf.reduce_sum(layer(given))
        found.append([loss, *tape.gradient(loss, [given, *layer.trainable_variables])])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("version", ["v0.3", "v0.4"])
def test_both_versions_of_the_api_take_them(version: str, emulator: Emulator) -> None:
    program, observables, inputs, theta = a_program()
    batch = arrays.as_batch(program, inputs[:2], theta)
    backend = arrays.get("ionq", gateset="qis", url=f"{emulator.host}/{version}")
    wanted = reference.expectation(program, observables, inputs[:2], theta)
    before = len(emulator.jobs())
    np.testing.assert_allclose(backend.expectation(batch, observables), wanted, atol=1e-6)
    sent = len(emulator.jobs()) - before
    # The clients of v0.3 send circuits one by one: here two rows in two bases.
    assert sent == (1 if version == "v0.4" else 4)
    assert all(part["gateset"] == "qis" for part in last_inputs(emulator, sent))


def test_the_client_of_cirq_ionq_takes_them(emulator: Emulator) -> None:
    assert cirq_ionq.__version__ >= "1.7"
    program, observables, inputs, theta = a_program()
    wanted = reference.expectation(program, observables, inputs, theta)
    backend = arrays.get("ionq", gateset="qis", transport="cirq")
    for rows in (3, 1):
        batch = arrays.as_batch(program, inputs[:rows], theta)
        for some in (observables, observables[:1]):
            found = backend.expectation(batch, some)
            np.testing.assert_allclose(found, wanted[:rows, : len(some)], atol=1e-6)
    request = emulator.requests("submit")[-1]
    assert request.user_agent.startswith("cirq")
    assert json.loads(request.body)["input"]["gateset"] == "qis"


def test_noise_and_mitigation_are_asked_for_as_with_native_gates(emulator: Emulator) -> None:
    circuit = UnifiedCircuit(3)
    for layer in range(6):
        for qubit in range(3):
            circuit.add_gate("RZZ", [qubit, (qubit + 1) % 3], f"a{layer}{qubit}")
            circuit.add_gate("RX", qubit, f"b{layer}{qubit}")
    program = compile_circuit(circuit)
    observables = tuple(parse_observables(["Z0", "Z1", "Z2"], 3))
    inputs, theta = np.zeros((1, 0)), np.random.default_rng(0).uniform(0, 0.2, program.n_theta)
    batch = arrays.as_batch(program, inputs, theta)
    exact = reference.expectation(program, observables, inputs, theta)
    found = {}
    for gateset in ("native", "qis"):
        backend = arrays.get("ionq", shots=20_000, gateset=gateset, noise="aria-1")
        found[gateset] = backend.expectation(batch, observables, [3, 4])
        assert json.loads(emulator.requests("submit")[-1].body)["noise"]["model"] == "aria-1"
        # 18 entanglers with an error of 1.33 % each, of which some reach each qubit.
        assert np.all((0.6 * exact < found[gateset]) & (found[gateset] < 0.95 * exact))
    np.testing.assert_allclose(found["qis"], found["native"], atol=0.1)
    machine = arrays.get("ionq", target="qpu.forte-1", shots=500, gateset="qis", debiasing=True)
    machine.expectation(batch, observables)
    body = json.loads(emulator.requests("submit")[-1].body)
    assert body["settings"] == {"error_mitigation": {"debiasing": True}}


def test_it_is_made_again_from_its_configuration() -> None:
    backend = backends.get("ionq", target="qpu.forte-1", gateset="qis")
    config = json.loads(json.dumps(backend.get_config()))
    assert config["gateset"] == "qis"
    assert backends.get("ionq", **config).get_config() == config
    assert backends.get("ionq").get_config()["gateset"] == "native"
    older = {name: value for name, value in config.items() if name != "gateset"}
    assert backends.get("ionq", **older).get_config()["gateset"] == "native"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"gateset": "qsi"}, "Unknown gateset.*'native' or 'qis'.*'qsi'"),
        ({"gateset": None}, "Unknown gateset.*'native' or 'qis'"),
        ({"gateset": ["qis"]}, "Unknown gateset"),
        (
            {"gateset": "qis", "optimization_level": 1},
            "optimization_level would.*3}.*: 1}",
        ),
        ({"gateset": "qis", "max_partial": 0.1}, "gateset='native'"),
        ({"gateset": "qis", "approximation": 0.1}, "compiled by the service"),
    ],
)
def test_wrong_options_are_refused_when_it_is_made(options, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        backends.get("ionq", **options)


def test_circuits_that_do_not_fit_say_so() -> None:
    backend = backends.get("ionq_simulator", gateset="qis")
    with pytest.raises(ConfigurationError, match="too many qubits"):
        backend.check(random_program(1, 30, 5))
    with pytest.raises(ConfigurationError, match=r"start in \|0...0>"):
        backend.check(random_program(1, 2, 5, has_initial=True))
    backend.check(a_program()[0])


# Jobs


def some_work(n_gates: int, rows: int) -> Work:
    template = QisTemplate(2, (QisGate("zz", (0, 1)), QisGate("rx", (0,), (1,))) * n_gates)
    values = np.full((rows, 2 * n_gates), 1.2345678901234567e-105)
    return Work(template, values, 0, 2 * n_gates)


@pytest.mark.slow
def test_jobs_keep_within_the_limits_of_the_service() -> None:
    rng = np.random.default_rng(daily_seed())
    for _ in range(3):
        kinds = rng.choice([1, 30, 400], rng.integers(1, 4))
        work = [some_work(int(n), int(rng.integers(0, 300))) for n in kinds]
        most = rng.choice([None, 7, 100])
        made = parts(work, sizes(work, "v0.4", most))
        assert sum(part.n_circuits for part in made) == sum(map(len, work))
        for part in made:
            assert part.n_circuits <= (most or 5000)
            assert sum(w.n_gates * (end - begin) for w, begin, end in part.pieces) <= MAX_GATES
            text = part.body("v0.4", Options(), "t").text("v0.4")
            assert len(text) <= MAX_BYTES
            document = json.loads(text)["input"]
            assert document["gateset"] == "qis"
            circuits = document.get("circuits", [document])
            assert len(circuits) == part.n_circuits
    with pytest.raises(ConversionError, match="too many gates"):
        sizes([some_work(MAX_GATES, 1)], "v0.4", None)


def test_a_batch_beyond_the_limits_comes_in_several_jobs(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, observables, inputs, theta = a_program()
    most = 5
    monkeypatch.setitem(
        versions.VERSIONS, "v0.4", replace(versions.VERSIONS["v0.4"], max_circuits=most)
    )
    backend = arrays.get("ionq", gateset="qis")
    before = len(emulator.jobs())
    found = backend.expectation(arrays.as_batch(program, inputs, theta), observables)
    np.testing.assert_allclose(
        found, reference.expectation(program, observables, inputs, theta), atol=1e-6
    )
    assert len(emulator.jobs()) - before == -(-2 * 16 // most)  # two bases of 16 rows


def test_gate_sets_are_not_mixed_and_not_confused(emulator: Emulator, tmp_path) -> None:
    native = Work(NativeTemplate(1, (("GPi", (0,)),)), np.zeros((1, 1)), 1, 0)
    qis = Work(QisTemplate(1, (QisGate("rx", (0,)),)), np.zeros((1, 1)), 1, 0)
    executor = Executor(Server(emulator.url, "a-key"), journal=tmp_path / "j")
    with pytest.raises(InputError, match="different gate sets.*'native', 'qis'"):
        executor.run([native, qis])
    assert fingerprint("s", Options(), [native]) != fingerprint("s", Options(), [qis])
    with pytest.raises(InputError, match="QisTemplate"):
        Work("rx", np.zeros((1, 1)), 1, 0)  # type: ignore[arg-type]


# Money

X = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
Y = np.zeros((8, 2), "float32")


def a_machine(**options):
    return backends.get("ionq", target="qpu.forte-1", shots=100, gateset="qis", **options)


@pytest.mark.slow
def test_a_budget_of_money_wants_prices_by_the_gates_that_are_sent(emulator: Emulator) -> None:
    before = len(emulator.jobs())
    with pytest.raises(PriceError, match="compiles them itself.*PriceTable"):
        a_model(a_machine(budget=Budget(usd=10**6)))(X[:2])
    assert len(emulator.jobs()) == before
    with pytest.raises(BudgetExceededError, match="the budget has left"):
        a_model(a_machine(budget=Budget(usd=10), prices="azure"))(X[:2])
    assert len(emulator.jobs()) == before
    budget = Budget(usd=10**6)
    a_model(a_machine(budget=budget, prices="azure"))(X[:2])
    # The local IonQ bills as Azure's page says: by the gates that are submitted.
    assert budget.spent.money == by_azures_table(emulator) > 0
    a_model(a_machine(budget=Budget(shots=10**6)))(X[:2])
    mine = PriceTable(provider="mine", targets=("forte-1",), per_circuit=1, per_shot="0.01")
    a_model(a_machine(budget=Budget(usd=10**6), prices=mine))(X[:2])
    a_model(backends.get("ionq_simulator", gateset="qis", budget=Budget(usd=1)))(X[:2])


def by_azures_table(emulator: Emulator):
    """What the last job costs by Azure's table."""
    total = Decimal(0)
    for group in read(last_inputs(emulator)[0]).groups:
        n_1q, n_2q = group.gate_counts
        each = cost(price_table("azure", "forte-1"), n_1q, n_2q, 100, False)
        total += len(group.values) * each
    return total


@pytest.mark.slow
def test_an_estimate_says_what_it_counts(emulator: Emulator) -> None:
    model = a_model(a_machine())
    before = len(emulator.jobs())
    rough = ionq.estimate(model, (X, Y), batch_size=4)
    assert not rough.step.is_bound and not rough.run.is_bound
    assert f"about {rough.step.price}" in str(rough)
    bound = ionq.estimate(model, (X, Y), batch_size=4, prices="azure")
    assert bound.run.is_bound and "about" not in str(bound)
    assert bound.run.gates_2q == rough.run.gates_2q > 0
    braket = ionq.estimate(model, (X, Y), batch_size=4, prices="braket")
    assert braket.run.is_bound
    native = a_model(backends.get("ionq", target="qpu.forte-1", shots=100))
    assert ionq.estimate(native, (X, Y), batch_size=4).run.is_bound
    free = a_model(backends.get("ionq_simulator", gateset="qis"))
    assert ionq.estimate(free, (X, Y), batch_size=4).run.is_bound
    assert len(emulator.jobs()) == before


def test_a_dry_run_tells_the_price(emulator: Emulator) -> None:
    with pytest.raises(DryRunError, match="would cost") as caught:
        program, observables, inputs, theta = a_program()
        backend = arrays.get("ionq", target="qpu.forte-1", shots=100, gateset="qis", dry_run=True)
        backend.expectation(arrays.as_batch(program, inputs[:1], theta), observables)
    assert caught.value.price.endswith("USD")
