"""What a training on IonQ's machines will cost, known before it starts.

One step is taken with nothing sent: the backends of the model count the circuits that they would
send. The model is as before afterwards. No framework is imported here: the model is asked for what
every Keras model has.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from qstore_tf.errors import ConfigurationError, InputError, describe
from qstore_tf.ionq.money.estimating import Estimate, estimate_table
from qstore_tf.ionq.money.one_budget import backends_of, one_budget
from qstore_tf.ionq.prices import PriceTable, price_table
from qstore_tf.ionq.rehearsal import Rehearsal
from qstore_tf.ionq.sending import Sender


@dataclass(frozen=True)
class TrainingEstimate:
    """What `estimate` found; printed as a table.

    Attributes:
        step: One step of training, or of prediction where the model is not compiled.
        epoch: One epoch, with its validation.
        run: All epochs.
    """

    step: Estimate
    epoch: Estimate
    run: Estimate

    def __str__(self) -> str:
        return estimate_table({"step": self.step, "epoch": self.epoch, "run": self.run})


def estimate(
    model: Any,
    dataset: Any,
    epochs: int = 1,
    *,
    batch_size: int = 32,
    validation_data: Any = None,
    prices: PriceTable | str | None = None,
) -> TrainingEstimate:
    """Returns what training a model would send to IonQ's service, and the most that it costs.

    Every step counts as one of full size, so that nothing is left out where the last batch of an
    epoch is smaller. Of the backends of a Router or Pool the dearest counts, as if it ran all, and
    as if there were no budget.

    Args:
        model: A Keras model with quantum layers on a backend "ionq", compiled for training. One
            that is not compiled is estimated for `predict`.
        dataset: What `fit` gets: `(x, y)` in arrays, or a dataset of batches with a known length.
        epochs: Number of epochs.
        batch_size: Rows of a step, where the dataset is in arrays.
        validation_data: As `dataset`; evaluated once each epoch.
        prices: A PriceTable, or the name of a provider with published prices, such as "azure".
            None: the table of the backend, else the service is asked.

    Raises:
        ConfigurationError: No layer of the model sends anything to IonQ, the target has no
            published price, or two routers of the model have different budgets.
        InputError: The dataset is empty, or does not say how many batches it has.
        PriceError: The service gives no usable price.

    Example: see docs/ionq.md.
    """
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            expected = "an integer of at least 1"
            raise InputError(describe(f"Unusable {name}", expected=expected, received=value))
    if not isinstance(prices, PriceTable | str | None):
        expected = "a PriceTable, the name of a provider, or None"
        raise ConfigurationError(describe("Unusable prices", expected=expected, received=prices))
    one_budget(model)
    senders = _senders(model)
    steps, batch = _first(dataset, batch_size)
    with _rehearsing(senders, prices) as rehearsals, _as_before(model):
        _step(model, batch)
    step = _total(rehearsals)
    epoch = steps * step
    if validation_data is not None:
        steps, batch = _first(validation_data, batch_size)
        with _rehearsing(senders, prices) as rehearsals, _as_before(model):
            model.predict_on_batch(batch[0])
        epoch = epoch + steps * _total(rehearsals)
    return TrainingEstimate(step, epoch, epochs * epoch)


def _senders(model: Any) -> list[Sender]:
    """What the model's layers send with, each once."""
    found: dict[int, Sender] = {}
    for backend in backends_of(model):
        sender = getattr(backend, "sender", None)
        if isinstance(sender, Sender):
            found[id(sender)] = sender
    if not found:
        raise ConfigurationError(
            describe(
                "No layer of this model sends anything to IonQ",
                expected="quantum layers with backend='ionq_simulator' or backend=IonQ(...)",
                received=[layer.name for layer in model._flatten_layers()],
            )
        )
    return list(found.values())


def _first(dataset: Any, batch_size: int) -> tuple[int, tuple[Any, ...]]:
    """The number of steps of an epoch, and the first batch."""
    if isinstance(dataset, tuple | list) and not hasattr(dataset[0], "element_spec"):
        rows = len(dataset[0])
        batch = tuple(np.asarray(part)[:batch_size] for part in dataset)
        steps = -(-rows // batch_size)
    elif hasattr(dataset, "shape"):
        steps, batch = -(-len(dataset) // batch_size), (np.asarray(dataset)[:batch_size],)
    else:
        steps, batch = _length(dataset), _elements(dataset)
    if not steps:
        raise InputError(describe("The dataset is empty", expected="at least one row"))
    return steps, batch


def _length(dataset: Any) -> int:
    try:
        return len(dataset)
    except TypeError as error:
        raise InputError(
            describe(
                f"The dataset does not say how many batches it has ({error})",
                expected="arrays, or a dataset with a length",
                hint="Give it one: dataset.apply(tf.data.experimental.assert_cardinality(steps))",
            )
        ) from None


def _elements(dataset: Iterable[Any]) -> tuple[Any, ...]:
    first = next(iter(dataset), ())
    return tuple(first) if isinstance(first, tuple | list) else (first,)


def _step(model: Any, batch: tuple[Any, ...]) -> None:
    if getattr(model, "compiled", False) and len(batch) > 1:
        model.train_on_batch(*batch[:3])
    else:
        model.predict_on_batch(batch[0])


@contextlib.contextmanager
def _rehearsing(
    senders: Iterable[Sender], prices: PriceTable | str | None
) -> Iterator[list[Rehearsal]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(sender.rehearsing(_table(sender, prices))) for sender in senders]


def _table(sender: Sender, prices: PriceTable | str | None) -> PriceTable | None:
    return price_table(prices, sender.target) if isinstance(prices, str) else prices


@contextlib.contextmanager
def _as_before(model: Any) -> Iterator[None]:
    """Takes back what a step changes: weights, random states, metrics and the optimizer's own."""
    optimizer = getattr(model, "optimizer", None)
    if optimizer is not None and not optimizer.built:
        optimizer.build(model.trainable_variables)
    kept = [
        (variable, variable.numpy())
        for owner in (model, optimizer)
        if owner is not None
        for variable in owner.variables
        if not str(variable.dtype).startswith("string")
    ]
    try:
        yield
    finally:
        for variable, value in kept:
            variable.assign(value)
        model.reset_metrics()


def _total(rehearsals: Iterable[Rehearsal]) -> Estimate:
    found = [rehearsal.total() for rehearsal in rehearsals]
    return sum(found[1:], start=found[0])
