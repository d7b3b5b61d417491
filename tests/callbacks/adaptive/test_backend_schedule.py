"""BackendSchedule in real trainings, and all three callbacks together."""

from typing import Any

import numpy as np
import pytest
from tensorflow import keras

from qstore_tf import backends
from qstore_tf.backends.sampled import Sampled
from qstore_tf.callbacks import AdaptiveDepth, AdaptiveShots, BackendSchedule
from qstore_tf.errors import ConfigurationError
from qstore_tf.layers import AmplitudeEncoding, ExpectationValue, QuantumLayer
from qstore_tf.layers.inspection import active_depth, set_backend
from tests.callbacks.adaptive.helpers import (
    Each,
    Interrupts,
    Tracing,
    X,
    Y,
    first_column,
    fit,
    model_of,
    small,
)


def test_each_epoch_and_phase_runs_on_its_backend() -> None:
    own, later, validates, serves = (Tracing() for _ in range(4))
    layer = QuantumLayer(2, backend=own)
    model = model_of(layer, optimizer="sgd")
    counts: list[tuple[int, int]] = []
    own.gates.clear()

    class Counts(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            counts.append((len(own.gates), len(later.gates)))

    schedule = BackendSchedule({2: later}, validation=validates, production=serves)
    fit(model, schedule, Counts(), epochs=4, validation_data=(X, Y))
    assert counts[0][0] == counts[1][0] == counts[3][0] > 0
    assert counts[1][1] == 0 < counts[2][1]
    assert validates.gates and not serves.gates
    model.predict(X, verbose=0)
    model.evaluate(X, Y, verbose=0)
    assert serves.gates and len(own.gates) == counts[0][0]
    assert layer.get_config()["backend"]["name"] == "tracing"
    set_backend(layer, None)
    assert layer.run_options.resolved is own


def test_an_evaluation_by_itself_does_not_run_on_the_backend_of_validation() -> None:
    validates = Tracing()
    model = model_of(QuantumLayer(2))
    schedule = BackendSchedule(validation=validates)
    fit(model, schedule, epochs=1)
    assert not validates.gates
    model.evaluate(X, Y, verbose=0, callbacks=[schedule])
    assert not validates.gates
    fit(model, schedule, epochs=1, validation_data=(X, Y))
    assert validates.gates


def test_shots_for_the_end_of_an_exact_training() -> None:
    layer = small(seed=1)
    model = first_column(layer)
    drawn = Sampled(backends.get("native"), 4)
    files = len(layer.weights)
    fit(model, BackendSchedule({1: drawn}, validation=drawn), epochs=2, validation_data=(X, Y))
    assert len(layer.weights) == files and layer.run_options.shots is None
    counter = layer.switches.counter.numpy()
    assert counter[1] == 3 + 2 * 3  # the steps of the second epoch, and those of two validations


def test_after_an_exception_the_own_backend_runs() -> None:
    own, other = Tracing(), Tracing()
    model = model_of(QuantumLayer(2, backend=own))
    with pytest.raises(KeyboardInterrupt):
        fit(model, BackendSchedule(other, production="tensorflow"), Interrupts(2))
    other.gates.clear()
    model.predict(X, verbose=0)
    fit(model, epochs=1)
    assert own.gates and not other.gates


def test_another_training_does_not_run_on_the_backend_of_production() -> None:
    own, serves = Tracing(), Tracing()
    model = model_of(QuantumLayer(2, backend=own))
    schedule = BackendSchedule(production=serves)
    fit(model, schedule, epochs=1)
    model.evaluate(X, Y, verbose=0)
    assert own.gates and serves.gates
    own.gates.clear()
    serves.gates.clear()
    fit(model, schedule, epochs=1, validation_data=(X, Y))
    assert own.gates and not serves.gates
    model.predict(X, verbose=0)
    assert serves.gates


def test_a_reader_without_a_backend_follows_the_layers_before_it() -> None:
    other = Tracing()
    reader = ExpectationValue("Z")
    model = model_of(AmplitudeEncoding(2), QuantumLayer(2), reader)
    fit(model, BackendSchedule(other), epochs=1)
    assert other.gates and reader.run_options.backend == "auto"


@pytest.mark.slow
def test_all_three_together() -> None:
    first, later = Tracing(), Tracing()
    layer = QuantumLayer(2, 2, backend=first, shots=9)
    model = model_of(layer, keras.layers.Dense(1))
    watch = Each(lambda: (layer.run_options.shots, active_depth(layer)))
    history = fit(
        model,
        AdaptiveShots(8, 8, 8),
        AdaptiveDepth(direction="up", schedule="step"),
        BackendSchedule({3: later}, validation="tensorflow"),
        watch,
        epochs=4,
        validation_data=(X, Y),
    )
    assert history["depth"] == [1, 1, 2, 2]
    assert history["shots"] == [8.0] * 4 and set(watch.seen) == {(9, 2)}
    assert set(first.shots) == set(later.shots) == {8}
    assert min(first.gates) == 2 + 5 and min(later.gates) == 2 + 2 * 5
    model.predict(X, verbose=0)
    assert first.shots[-1] == 9


@pytest.mark.parametrize(
    ("arguments", "layer", "options", "message"),
    [
        ({}, {}, {}, "no backend"),
        ({"training": {-1: "native"}}, {}, {}, "epochs from 0"),
        ({"training": "nativ"}, {}, {}, "Did you mean 'native'"),
        ({"training": {3: "ionq_simulator"}}, {"gradient": "adjoint"}, {}, "adjoint"),
        ({"validation": "nativ"}, {}, {}, "Did you mean 'native'"),
        ({"training": "native"}, {"backend": "tensorflow"}, {"jit_compile": True}, "XLA"),
    ],
)
def test_obvious_mistakes(arguments: Any, layer: Any, options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        fit(model_of(QuantumLayer(2, **layer), **options), BackendSchedule(**arguments))


def test_a_validation_needs_no_gradient() -> None:
    drawn = Sampled(backends.get("native"), 4)
    model = model_of(QuantumLayer(2, gradient="adjoint"))
    history = fit(model, BackendSchedule(validation=drawn), epochs=1, validation_data=(X, Y))
    assert np.isfinite(history["val_loss"][0])
    with pytest.raises(ConfigurationError, match="adjoint"):
        fit(model, BackendSchedule(drawn), epochs=1)


def test_a_model_without_circuits_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="no quantum layer"):
        fit(model_of(keras.layers.Dense(1)), BackendSchedule("native"))
