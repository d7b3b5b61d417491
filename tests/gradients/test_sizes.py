"""Options of any size are taken or refused at once, with what to do; many directions just run."""

import inspect
import time
import tracemalloc

import numpy as np
import pytest
from tensorflow import keras

from qstore_tf import gradients, optimizers
from qstore_tf.errors import ConfigurationError
from qstore_tf.gradients import METHODS, SPSA, shift_rule
from qstore_tf.layers import QuantumLayer
from qstore_tf.limits import DIRECTIONS, FREQUENCIES, REUSE_STEPS, WINDOW
from qstore_tf.optimizers.base import QuantumOptimizer
from qstore_tf.testing.daily import daily_seed, todays

OPTIMIZERS = [
    found
    for found in vars(optimizers).values()
    if isinstance(found, type) and issubclass(found, QuantumOptimizer)
]
SIZES = (10**3, 10**6, 10**9, 10**18, 10**19, 10**400, -(10**18), 1e300, float("inf"))


def numeric_options(kind):
    for name, option in inspect.signature(kind).parameters.items():
        number = isinstance(option.default, (int, float)) and not isinstance(option.default, bool)
        if number or name in ("window", "learning_rate"):
            yield name


KINDS = [*METHODS.values(), *OPTIMIZERS]


@pytest.mark.parametrize("kind", todays(KINDS), ids=lambda kind: kind.__name__)
def test_every_number_is_taken_or_refused_at_once(kind):
    for name in numeric_options(kind):
        for size in SIZES:
            tracemalloc.start()
            begin = time.process_time()
            try:
                repr(kind(**{name: size}).get_config())
            except ConfigurationError as error:
                assert name in str(error)
            taken = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert time.process_time() - begin < 2 and taken < 2e8, (name, size)


def test_what_is_above_a_limit_says_how_to_raise_it(monkeypatch):
    for make, limit in (
        (lambda n: SPSA(directions=n).directions, DIRECTIONS),
        (lambda n: optimizers.SPSA(directions=n).directions, DIRECTIONS),
        (lambda n: gradients.Adaptive(window=n).window, WINDOW),
        (lambda n: optimizers.QuantumNaturalGradient(reuse_steps=n).reuse_steps, REUSE_STEPS),
        (lambda n: len(shift_rule(tuple(range(1, n + 1)))) // 2, FREQUENCIES),
    ):
        most = int(np.random.default_rng(daily_seed()).integers(2, 20))
        monkeypatch.setenv(limit.variable, str(most))
        assert make(most) == most
        with pytest.raises(ConfigurationError, match=rf"at most {most}\..*{limit.variable}"):
            make(most + 1)


# A system of 200 equations takes half a second.
COUNTS = [2, 200, 60, 201, 3000, 10**5, 10, 202, 199]


@pytest.mark.parametrize("count", todays(COUNTS))
def test_shift_rules_of_many_frequencies_are_right_or_refused_at_once(count):
    rng = np.random.default_rng([daily_seed(), count])
    for frequencies in (
        tuple(range(1, count + 1)),
        tuple(np.arange(1, count + 1) + rng.uniform(0, 0.05, count)),
    ):
        begin = time.process_time()
        try:
            shifts, weights = np.array(shift_rule(frequencies)).T
        except ConfigurationError as error:
            assert count > FREQUENCIES.most and FREQUENCIES.variable in str(error)
        else:
            assert count <= FREQUENCIES.most
            waves = np.sin(np.outer(frequencies, shifts)) @ weights
            np.testing.assert_allclose(waves, frequencies, rtol=1e-6)
        assert time.process_time() - begin < 4  # of all threads together


@pytest.mark.parametrize("kind", todays([optimizers.SPSA, optimizers.QNSPSA], parts=2))
def test_a_graph_does_not_grow_with_the_directions(kind):
    rows = np.zeros((1, 2), "float32")
    model = optimizers.Sequential([keras.Input((2,)), QuantumLayer(2, 1)])
    model.compile(kind(1e-3, directions=1000), "mse")
    begin = time.process_time()
    model.fit(rows, rows, verbose=0)
    assert time.process_time() - begin < 60
