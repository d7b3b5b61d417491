"""The Pool with real threads and real simulators: order, seeds, failures, gradients, layers."""

import logging
import random
import threading
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.backends.arrays.base import ArrayBackend, as_batch
from qstore_tf.backends.arrays.ionq import IonQ
from qstore_tf.backends.base import Capabilities
from qstore_tf.backends.sampled import Sampled
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables, reference
from qstore_tf.errors import BackendError, ConfigurationError, InputError, ShareError
from qstore_tf.execution import build_expectation
from qstore_tf.layers import QuantumLayer
from qstore_tf.routing import Pool
from qstore_tf.routing.blocks import BLOCKS, block_rows, block_seed, of_blocks
from qstore_tf.routing.speeds import Size
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.random_circuits import random_observables, random_program

SIMPLE = compile_circuit(
    UnifiedCircuit(2).add_gate("RY", 0, "x").add_gate("CX", [0, 1]).add_gate("RX", 1, "a"),
    inputs=["x"],
)
Z = tuple(parse_observables(["Z", "Z"], 2))


class Exact(ArrayBackend):
    """A backend of plain NumPy that may fail, wait, and notes what it is given.

    Args:
        fails: Called before each run; raises where it is to fail.
        seconds: How long each row takes.
    """

    name = "exact"
    capabilities = Capabilities(
        state_vector=False, exact=True, adjoint=False, dtypes=("float32", "float64"), samples=False
    )

    def __init__(self, fails=lambda: None, seconds=0.0, refuses=False):
        self.fails, self.seconds, self.refuses = fails, seconds, refuses
        self.seen, self.lock = [], threading.Lock()

    def check(self, program):
        if self.refuses:
            raise ConfigurationError("too many gates for me")

    def expectation(self, batch, observables, seed=None):
        with self.lock:
            self.seen.append(batch.inputs[:, 0].copy())
        time.sleep(self.seconds * len(batch.inputs))
        self.fails()
        found = reference.expectation(batch.program, observables, batch.inputs, batch.theta)
        return np.asarray(found).astype(batch.inputs.dtype)


def simple(rows=24, seed=0):
    inputs = np.random.default_rng([daily_seed(), seed]).uniform(-3, 3, (rows, 1))
    return as_batch(SIMPLE, inputs, [0.3])


def right(batch, observables=Z):
    return reference.expectation(batch.program, observables, batch.inputs, batch.theta)


def with_speeds(pool, speeds):
    """Makes the pool believe that its members are so fast."""
    by_name = dict(zip([member.name for member in pool.members], speeds, strict=True))
    pool._speed = lambda member, *_: by_name[member.name]
    return pool


@pytest.mark.parametrize("case", range(4))
def test_results_are_those_of_one_backend_in_order(case):
    rng = np.random.default_rng([daily_seed(), case])
    program = random_program(rng, 3, 12)
    observables = tuple(random_observables(rng, 3, 2))
    batch = as_batch(
        program,
        rng.normal(size=(int(rng.integers(1, 40)), program.n_inputs)),
        rng.normal(size=program.n_theta),
    )
    pool = with_speeds(Pool(["native", "tensorflow", Exact()]), rng.uniform(0, 3, 3))
    np.testing.assert_allclose(
        pool.expectation(batch, observables), right(batch, observables), atol=1e-10
    )


def test_states_probabilities_samples_and_gradients_are_those_of_one_backend():
    rng = np.random.default_rng([daily_seed(), 9])
    program = random_program(rng, 3, 15)
    observables = tuple(random_observables(rng, 3, 2))
    batch = as_batch(
        program, rng.normal(size=(17, program.n_inputs)), rng.normal(size=program.n_theta)
    )
    one, many = Pool(["native"]), Pool(["native", "tensorflow", "native"])
    assert many.capabilities.adjoint and many.capabilities.state_vector
    np.testing.assert_allclose(many.state_vector(batch), one.state_vector(batch), atol=1e-10)
    np.testing.assert_allclose(many.probabilities(batch), one.probabilities(batch), atol=1e-10)
    upstream = rng.normal(size=(17, 2))
    states = rng.normal(size=(17, 8)) + 1j * rng.normal(size=(17, 8))
    for method, given in (("pull_expectation", (observables, upstream)), ("pull_state", (states,))):
        found, wanted = (getattr(pool, method)(batch, *given) for pool in (many, one))
        np.testing.assert_allclose(found.inputs, wanted.inputs, atol=1e-8)
        np.testing.assert_allclose(found.theta, wanted.theta, atol=1e-8)


@pytest.mark.parametrize("name", ["native", "tensorflow", "qsim"])
def test_the_partition_changes_nothing_that_is_drawn(name):
    rng = np.random.default_rng([daily_seed(), 3])
    batch = simple(int(rng.integers(25, 70)))
    batch = as_batch(SIMPLE, batch.inputs.astype(np.float32), batch.theta)
    alone = Pool([name])
    wanted = alone.with_shots(40).expectation(batch, Z, [5, 7])
    drawn = alone.sample(batch, 11, [5, 7])
    assert not np.array_equal(wanted, alone.with_shots(40).expectation(batch, Z, [5, 8]))
    for members in (2, 3):
        for _ in range(3):
            pool = with_speeds(Pool([name] * members), rng.exponential(1, members))
            estimates = with_speeds(pool.with_shots(40), rng.exponential(1, members))
            np.testing.assert_array_equal(estimates.expectation(batch, Z, [5, 7]), wanted)
            np.testing.assert_array_equal(pool.sample(batch, 11, [5, 7]), drawn)


def test_what_is_drawn_scatters_around_the_exact_values():
    batch, shots = simple(48), 400
    found = Pool(["native", "native"]).with_shots(shots).expectation(batch, Z, [1, 2])
    errors = (found - right(batch)) * np.sqrt(shots)
    assert np.abs(errors).max() < 6 and 0.4 < errors.std() < 1.1
    assert len({tuple(row) for row in found}) > 24  # not one seed for all blocks


def test_blocks_depend_on_the_batch_alone_and_have_seeds_of_their_own():
    for count in (1, 2, 23, 24, 25, 1000):
        size = block_rows(count)
        blocks = list(of_blocks(np.arange(count), size, count))
        assert len(blocks) <= BLOCKS
        assert np.concatenate([rows for _, rows, _ in blocks]).tolist() == list(range(count))
    seeds = [tuple(block_seed([3, 4], number)) for number in range(BLOCKS)]
    assert len(set(seeds)) == BLOCKS and {second for _, second in seeds} == {4}
    assert block_seed([-1, -2], 5).tolist()[1] == -2


class Flaky:
    """Fails now and then, with errors of all kinds."""

    kinds = (BackendError, RuntimeError, MemoryError, OSError, BackendError)

    def __init__(self, seed, often):
        self.rng, self.often, self.lock = random.Random(seed), often, threading.Lock()

    def __call__(self):
        with self.lock:
            if self.rng.random() < self.often:
                raise self.rng.choice(self.kinds)("simulated")


def test_failures_lose_and_double_nothing_with_real_threads(caplog):
    caplog.set_level(logging.CRITICAL, "qstore_tf")
    moved = failed = 0
    for number in range(60):
        rng = random.Random(f"{daily_seed()} {number}")
        members = [
            Exact(Flaky(rng.random(), rng.choice([0.0, 0.4, 0.9])), rng.choice([0, 1e-4]))
            for _ in range(rng.randint(1, 4))
        ]
        pool = with_speeds(Pool(members), [rng.expovariate(1) for _ in members])
        batch = simple(rng.randint(1, 30), number)
        for _ in range(3):
            try:
                np.testing.assert_allclose(pool.expectation(batch, Z), right(batch), atol=1e-10)
            except ShareError as error:
                failed += 1
                assert set(error.errors) == {member.name for member in pool.members}
                done = [] if error.kept is None else error.kept.done.tolist()
                assert sorted([*done, *error.rows]) == list(range(len(batch.inputs)))
        moved += pool.telemetry()["moved"]
    assert moved > 50 and failed > 5


def test_an_error_says_what_each_has_said_and_names_no_row_that_is_done():
    def no():
        raise BackendError("out of order")

    pool = with_speeds(Pool([Exact(no), Exact(no)]), [1.0, 1.0])
    with pytest.raises(
        ShareError, match="24 of 24 rows: exact: out of order; exact_2: out"
    ) as caught:
        pool.expectation(simple(), Z)
    assert caught.value.rows == tuple(range(24)) and not caught.value.perhaps_paid


def test_an_error_of_the_caller_is_raised_as_it_is_and_runs_nothing_again():
    def wrong():
        raise InputError("no such angle")

    good = Exact()
    with pytest.raises(InputError, match="no such angle"):
        with_speeds(Pool([Exact(wrong), good]), [1.0, 1.0]).expectation(simple(), Z)
    assert len(good.seen) <= 1


def test_who_fails_is_left_alone_for_a_while_and_said_once(caplog):
    broken = [True]

    def no():
        if broken[0]:
            raise BackendError("out of order")

    sick, well = Exact(no), Exact()
    pool = with_speeds(Pool([sick, well]), [1.0, 1.0])
    breaker = pool.members[0].breaker
    breaker._breaker._first_s = 0.3
    for _ in range(5):
        pool.expectation(simple(), Z)
    assert len(sick.seen) == 3 and breaker.state == "open" and breaker.trips == 1
    assert len([r for r in caplog.records if "of a pool has failed" in r.getMessage()]) == 1
    assert pool.telemetry()["moved"] == 36
    broken[0] = False
    time.sleep(0.35)
    pool.expectation(simple(), Z)
    assert len(sick.seen) == 4 and breaker.state == "closed"


def test_where_all_are_to_be_left_alone_they_are_tried_all_the_same():
    pool = Pool([Exact(), Exact()])
    for member in pool.members:
        for _ in range(3):
            member.breaker.failed(RuntimeError("no"))
        assert member.breaker.state == "open"
    np.testing.assert_allclose(pool.expectation(simple(), Z), right(simple()), atol=1e-10)


def test_shares_follow_the_measured_throughput():
    fast, slow = Exact(seconds=0.001), Exact(seconds=0.004)
    pool = Pool([fast, slow])
    for _ in range(8):
        pool.expectation(simple(50), Z)
    assert 1.8 < len(fast.seen[-1]) / len(slow.seen[-1]) < 8
    done = pool.statistics()
    assert done["exact"]["circuits"] + done["exact_2"]["circuits"] == 400
    assert done["exact"]["share"] + done["exact_2"]["share"] == pytest.approx(1)
    assert done["exact"]["circuits_per_second"] > done["exact_2"]["circuits_per_second"] > 0
    told = pool.telemetry()
    assert told["batches"] == 8 and told["shares_exact"] == 8 and told["failures_exact"] == 0
    assert all(isinstance(number, float) for number in told.values())


def test_what_a_call_of_one_row_would_take_does_not_count_for_larger_shares():
    pool = Pool(["native", "qsim"])
    size = Size.of(SIMPLE, "forward", None, 32)
    for member, seconds in zip(pool.members, (1e-4, 1e-3), strict=True):
        for _ in range(3):
            member.speeds.note(member.name, size, 32, seconds, member.kind)
    pool.expectation(simple(64), Z)
    assert pool.statistics()["native"]["circuits"] == 58  # 64 x 10 / 11


def test_an_estimate_counts_all_rows_on_the_dearest():
    where = {"url": "http://localhost:1", "api_key": "a-key", "prices": "azure"}
    machine = backends.get("ionq", target="qpu.forte-1", shots=100, **where)
    pool = Pool(["native", machine]).with_shots(100)
    with machine.sender.rehearsing() as rehearsal:
        found = pool.expectation(simple(7), Z, [1, 2])
        assert pool.sample(simple(7), 100, [1, 2]).shape == (7, 100)
    assert found.shape == (7, 2)
    assert rehearsal.total().circuits == 14 and rehearsal.total().price.amount > 0


def test_members_that_cannot_run_a_program_get_nothing_of_it():
    small, able = Exact(refuses=True), Exact()
    pool = Pool([small, able])
    pool.check(SIMPLE)
    np.testing.assert_allclose(pool.expectation(simple(), Z), right(simple()), atol=1e-10)
    assert not small.seen
    with pytest.raises(ConfigurationError, match="exact: too many gates for me"):
        Pool([Exact(refuses=True)]).check(SIMPLE)


def test_bad_input_is_refused():
    with pytest.raises(ConfigurationError, match="at least one"):
        Pool([])
    with pytest.raises(ConfigurationError, match="One backend was given twice"):
        one = Exact()
        Pool([one, one])
    only64 = Exact()
    only64.capabilities = Capabilities(False, True, False, dtypes=("float64",))
    with pytest.raises(ConfigurationError, match="no dtype in common"):
        Pool([only64, "qsim"])
    with pytest.raises(ConfigurationError, match="shots"):
        Pool(["native"]).with_shots(0)
    paid = Pool([IonQ("qpu.forte-1"), "native"])
    with pytest.raises(ConfigurationError, match="in a Pool has backends that cost money"):
        Pool([paid, "qsim"])


def test_no_row_and_rows_that_are_not_finite():
    pool = with_speeds(Pool(["native", "native"]), [1.0, 1.0])
    assert pool.expectation(simple(0), Z).shape == (0, 2)
    inputs = simple(6).inputs.copy()
    inputs[4] = np.nan
    found = pool.expectation(as_batch(SIMPLE, inputs, [0.3]), Z)
    assert np.isnan(found).any(axis=1).tolist() == [False] * 4 + [True, False]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "method"),
    [
        (["native", "tensorflow"], "adjoint"),
        (["native", "qsim"], "parameter_shift"),
    ],
)
def test_gradients_in_a_graph_are_those_of_one_backend(names, method):
    inputs = tf.constant(simple(10).inputs, tf.float32)
    theta = tf.constant([0.3])
    gradients = []
    for backend in (Pool(names), "native"):
        function = build_expectation(SIMPLE, Z, backend, method)

        @tf.function
        def step(inputs, theta, function=function):
            with tf.GradientTape() as tape:
                tape.watch([inputs, theta])
                loss = tf.reduce_sum(function(inputs, theta) ** 2)
            return tape.gradient(loss, [inputs, theta])

        gradients.append(step(inputs, theta))
    for found, wanted in zip(*gradients, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)


def digits(rows=64):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 2)).astype(np.float32)
    return x, (x[:, :1] * x[:, 1:] > 0).astype(np.float32)


def a_model(backend, **options):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.layers.Input((2,)),
            QuantumLayer(2, depth=1, backend=backend, **options),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def test_fit_on_native_and_qsim_is_that_on_native(tmp_path):
    x, y = digits()
    losses = []
    for backend in (Pool(["native", "qsim"]), "native"):
        model = a_model(backend, gradient="parameter_shift")
        model.compile("adam", "binary_crossentropy")
        losses.append(model.fit(x, y, epochs=2, verbose=0, shuffle=False).history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)


def test_a_model_with_a_pool_is_saved_and_loaded(tmp_path):
    x, _ = digits(8)
    model = a_model(Pool(["native", "tensorflow"]))
    model.save(tmp_path / "m.keras")
    loaded = keras.models.load_model(tmp_path / "m.keras")
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    arrays = loaded.layers[0].run_options.resolved.arrays
    assert isinstance(arrays, Pool) and [m.name for m in arrays.members] == ["native", "tensorflow"]


def test_a_pool_is_made_by_name_and_shares_its_views():
    pool = backends.get("pool", backends=["native", {"name": "qsim", "options": {}}]).arrays
    assert repr(pool).startswith("Pool(backends=[{'name': 'native'")
    view = pool.with_shots(10)
    assert view is pool.with_shots(10) and view.shots == 10 and not view.capabilities.exact
    assert isinstance(view.members[0].backend, Sampled)
    view.expectation(as_batch(SIMPLE, np.zeros((3, 1), np.float32), [0.3]), Z, [1, 2])
    assert pool.telemetry()["batches"] == 1
