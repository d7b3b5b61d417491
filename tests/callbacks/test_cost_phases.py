"""Marks of what jobs are for: they end with the call they belong to, also where it fails."""

import contextlib
import gc
import sys
import threading
import weakref

import numpy as np
import pytest
from tensorflow import keras

from qstore_tf.callbacks import CostPhases
from qstore_tf.ionq.money.phases import PHASES, Phases

X, Y = np.zeros((6, 2), "float32"), np.zeros((6, 1), "float32")


class Watch(keras.callbacks.Callback):
    """Notes the phase at every batch, and fails where it is told to."""

    def __init__(self, fails_at=None):
        super().__init__()
        self.seen, self.fails_at = [], fails_at

    def _note(self, where):
        self.seen.append(PHASES.current)
        if where == self.fails_at:
            raise ZeroDivisionError(where)

    def on_train_batch_begin(self, batch, logs=None):
        self._note("train")

    def on_test_batch_begin(self, batch, logs=None):
        self._note("test")

    def on_predict_batch_begin(self, batch, logs=None):
        self._note("predict")


@pytest.fixture
def model():
    made = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    made.compile("sgd", "mse")
    yield made
    assert PHASES.current is None


def calls(model, callbacks):
    given = {"verbose": 0, "batch_size": 2, "callbacks": callbacks}
    return {
        "train": lambda: model.fit(X, Y, **given),
        "test": lambda: model.evaluate(X, Y, **given),
        "predict": lambda: model.predict(X, **given),
    }


def test_each_call_is_marked_and_its_end_too(model):
    watch = Watch()
    for call in calls(model, [CostPhases(), watch]).values():
        call()
        assert PHASES.current is None
    assert watch.seen == ["train"] * 3 + ["validation"] * 3 + ["predict"] * 3


def test_validation_stands_inside_of_training(model):
    watch = Watch()
    model.fit(
        X[:4], Y[:4], validation_data=(X[4:], Y[4:]), epochs=2, verbose=0, batch_size=2,
        callbacks=[CostPhases(), watch],
    )  # fmt: skip
    assert watch.seen == ["train", "train", "validation"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("where", ["train", "test", "predict"])
def test_an_error_ends_the_mark(model, where):
    phases, watch = CostPhases(), Watch(where)
    call = calls(model, [phases, watch])[where]
    with pytest.raises(ZeroDivisionError) as caught:
        call()
    assert PHASES.current is None and caught.value.__traceback__ is not None
    bare = Watch()
    model.fit(X, Y, verbose=0, callbacks=[bare])  # the callback is not among these
    model.predict(X, verbose=0, callbacks=[bare])
    assert bare.seen == [None, None]
    watch.fails_at = None
    call()  # and the same callback marks again
    assert watch.seen[-1] == {"test": "validation"}.get(where, where)


def test_an_error_in_the_model_and_in_validation_ends_the_mark(model):
    with pytest.raises(Exception, match=r"(?i)shape|incompatible|dimension"):
        model.fit(np.zeros((4, 3)), np.zeros((4, 1)), verbose=0, callbacks=[CostPhases()])
    assert PHASES.current is None
    callbacks = [CostPhases(), Watch("test")]
    with pytest.raises(ZeroDivisionError):
        model.fit(X, Y, validation_data=(X, Y), verbose=0, callbacks=callbacks)
    assert PHASES.current is None


def test_training_goes_on_after_an_evaluation_that_failed_inside_of_it(model):
    phases, seen = CostPhases(), []

    class Evaluates(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            with pytest.raises(ZeroDivisionError):
                model.evaluate(X, Y, verbose=0, callbacks=[phases, Watch("test")])
            seen.append(PHASES.current)

    watch = Watch()
    model.fit(X, Y, verbose=0, batch_size=6, callbacks=[phases, Evaluates(), watch])
    assert seen == ["train"] and watch.seen == ["train"]


def test_jobs_of_other_threads_are_marked_while_fit_lasts(model):
    seen, looked, done = [], threading.Event(), threading.Event()

    class Looks(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            thread = threading.Thread(target=lambda: seen.append(PHASES.current))
            thread.start()
            thread.join()

    model.fit(X, Y, verbose=0, batch_size=6, callbacks=[CostPhases(), Looks()])
    assert seen == ["train"]

    class Waits(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            looked.set()
            assert done.wait(20)

    fit = threading.Thread(
        target=lambda: model.fit(X, Y, verbose=0, batch_size=6, callbacks=[CostPhases(), Waits()])
    )
    fit.start()
    assert looked.wait(20) and PHASES.current == "train"
    done.set()
    fit.join()
    assert PHASES.current is None


def test_a_loop_by_hand_begins_and_ends_it():
    phases = CostPhases()

    def begin():
        phases.on_train_begin()

    begin()
    assert PHASES.current == "train"  # it is bound to no call of Keras
    phases.on_test_begin()
    assert PHASES.current == "validation"
    phases.on_test_end()
    phases.on_train_end()
    phases.on_train_end()
    assert PHASES.current is None


class Data:
    pass


def test_what_a_call_that_has_failed_held_is_let_go_of():
    phases = Phases()

    def fit():
        data = Data()
        held.append(weakref.ref(data))
        phases.begin("train", sys._getframe())
        assert phases.current == "train"
        raise ZeroDivisionError

    held = []
    with contextlib.suppress(ZeroDivisionError):
        fit()
    assert phases.current is None
    gc.collect()
    assert held[0]() is None
