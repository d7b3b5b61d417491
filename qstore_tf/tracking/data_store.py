"""`TrainingDataStore`: batches for a training from a namespace, as it was at one commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from qstore_tf.errors import ConfigurationError, ItemError, NotFoundError, describe
from qstore_tf.store.catalog import items, namespaces
from qstore_tf.store.database import QuantumDatabase
from qstore_tf.store.items.reading import read_items
from qstore_tf.store.records import BatchResult, Item
from qstore_tf.tracking import sampling
from qstore_tf.tracking.records import DataVersion

Array = NDArray[Any]
_PAGE = 2000  # items read at a time


class TrainingDataset(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of vectors and labels, drawn by weights; see `TrainingDataStore.dataset`.

    `model.fit(dataset.tf_data())` trains on it, and so does `model.fit(dataset, shuffle=False)`;
    without `shuffle=False`, Keras shuffles the batches of an epoch by itself, and differently in
    each worker. Batches have their full size always.

    Epochs are counted as they are read to their ends. `callbacks=[dataset.follow()]` takes Keras's
    count instead: a training that goes on with `initial_epoch=` then goes on with its data too.

    Attributes:
        data: The namespace and commit that it was read at; pass it to `ModelRegistry.register`.
        epoch: The epoch that is drawn next.
        classes: The labels that 0, 1, ... stand for, where labels are strings; else None.
        ids: The item of each row [N]; an item with vectors of several contexts has several rows.
        vectors: [N, d], float32 or complex64.
        labels: [N], int64 or float32; None without labels.
        weights: [N], float64: what the rows are drawn by.
    """

    def __init__(
        self,
        data: DataVersion,
        ids: Sequence[str],
        vectors: Array,
        labels: Array | None,
        classes: Sequence[str] | None,
        weights: Array,
        batch_size: int,
        seed: int,
        shard: tuple[int, int],
    ) -> None:
        super().__init__()
        self.data, self.ids, self.classes, self.epoch = data, ids, classes, 0
        self.vectors, self.labels, self.weights = vectors, labels, weights
        self._batch_size, self._seed = batch_size, seed
        self._index, self._count = sampling.check_shard(shard, batch_size)
        self._steps = -(-len(weights) // batch_size)
        self._drawn: tuple[int, Array] | None = None
        self._is_within = self._is_read = False  # within an epoch of Keras; whether to its end

    def __len__(self) -> int:
        """How many batches an epoch has: at least as many draws as there are rows."""
        return self._steps

    def __getitem__(self, step: int) -> Any:
        """This worker's part of a batch of the epoch at hand: (x, y), or (x,) without labels."""
        if not -self._steps <= step < self._steps:
            raise IndexError(f"There is no batch {step} of {self._steps}")
        if step == self._steps - 1:
            self._is_read = True
        return self._batch(self.epoch, step % self._steps)

    def on_epoch_begin(self) -> None:
        """Called by Keras."""
        self._is_within, self._is_read = True, False

    def on_epoch_end(self) -> None:
        """Called by Keras, also before a training begins and when it has only looked at shapes."""
        if self._is_within and self._is_read:
            self.epoch += 1
        self._is_within = False

    def follow(self) -> keras.callbacks.Callback:
        """A callback that sets `epoch` to the one that Keras is in."""
        return keras.callbacks.LambdaCallback(
            on_epoch_begin=lambda epoch, logs: setattr(self, "epoch", epoch)
        )

    def rows(self, epoch: int, step: int) -> Array:
        """The rows of this worker's part of a batch, as positions in `ids`."""
        found = self._drawn  # looked at once: Keras may read from several threads
        if found is None or found[0] != epoch:
            draws = self._steps * self._batch_size
            found = (epoch, sampling.order(self.weights, draws, self._seed, epoch))
            self._drawn = found
        batch = found[1][step * self._batch_size : (step + 1) * self._batch_size]
        return sampling.share(batch, self._index, self._count)

    def tf_data(self) -> tf.data.Dataset:
        """The same batches as a `tf.data.Dataset`, each pass over which is one epoch."""
        size = self._batch_size // self._count
        arrays = [self.vectors] if self.labels is None else [self.vectors, self.labels]
        specs = tuple(
            tf.TensorSpec((size, *array.shape[1:]), tf.as_dtype(array.dtype)) for array in arrays
        )

        def one_pass() -> Iterator[Any]:
            epoch = self.epoch
            for step in range(self._steps):
                if step == self._steps - 1:
                    self.epoch = epoch + 1
                yield self._batch(epoch, step)

        options = tf.data.Options()
        # It is divided already.
        options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
        made = tf.data.Dataset.from_generator(one_pass, output_signature=specs)
        counted = made.apply(tf.data.experimental.assert_cardinality(self._steps))
        return counted.with_options(options)

    def _batch(self, epoch: int, step: int) -> Any:
        rows = self.rows(epoch, step)
        if self.labels is None:
            return (self.vectors[rows],)
        return self.vectors[rows], self.labels[rows]


class TrainingDataStore:
    """Training data in a quantum database: vectors, with labels in their metadata.

    Args:
        database: The database.
        label: The key of the labels in the metadata: numbers, bools or strings.

    Example:
        >>> import qstore_tf as qs
        >>> store = TrainingDataStore(qs.store.QuantumDatabase())
        >>> _ = store.add("digits", ["a", "b"], [[1.0, 0.0], [0.0, 1.0]], ["zero", "one"])
        >>> dataset = store.dataset("digits", batch_size=2, seed=7)
        >>> x, y = dataset[0]
        >>> x.shape, sorted(y.tolist()), dataset.classes
        ((2, 2), [0, 1], ['one', 'zero'])
    """

    def __init__(self, database: QuantumDatabase, label: str = "label") -> None:
        self._database = database
        self._label = label

    def add(
        self,
        namespace: str,
        ids: Sequence[str],
        vectors: Any,
        labels: Sequence[Any] | None = None,
        *,
        contexts: Sequence[Any] | None = None,
        coherence_time: Sequence[float | None] | float | None = None,
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
    ) -> BatchResult:
        """Stores examples in one commit. Rows that cannot be stored are left out, and named.

        Args:
            namespace: Where to.
            ids: B names; items that are there are replaced.
            vectors: [B, d].
            labels: [B]; None for examples without.
            contexts: Of each, as in `QuantumDatabase.insert`.
            coherence_time: tau in ms of each, or one number for all.
            metadata: More of each.

        Returns:
            How many were stored, and the others with their errors.

        Raises:
            ItemError: Labels and ids do not fit each other; nothing is stored.
        """
        more = [dict(row or {}) for row in metadata or [None] * len(ids)]
        if labels is not None:
            given = np.asarray(labels)
            if given.shape != (len(ids),) or len(more) != len(ids):
                raise ItemError(
                    describe(
                        "Labels and ids do not fit each other",
                        expected=f"one label for each of {len(ids)} items",
                        received=given.shape,
                    )
                )
            for row, label in zip(more, given.tolist(), strict=True):
                row[self._label] = label
        return self._database.upsert_many(
            ids, vectors, contexts, coherence_time, more, namespace=namespace
        )

    def dataset(
        self,
        namespace: str,
        context: str | None = None,
        batch_size: int = 32,
        seed: int = 0,
        *,
        shard: tuple[int, int] = (0, 1),
        decay: bool = True,
        at_ms: float | None = None,
        labels: bool = True,
    ) -> TrainingDataset:
        """Reads a namespace as it stands now; what happens to it later changes nothing.

        Rows are drawn in proportion to p_c eta: the weight of the context, and the coherence. A row
        of equal weight among N comes about once an epoch. Batches are a function of the data, the
        seed, the epoch and the moment of the coherence; workers that read the same commit draw the
        same ones, whatever their number, and each gets its part of every batch.

        Args:
            namespace: The namespace.
            context: Only items that have it, in it; None: all, items with vectors in several
                contexts once for each.
            batch_size: Of all workers together.
            seed: At least 0.
            shard: (index, count) of this worker.
            decay: Whether eta counts.
            at_ms: The moment of eta, in ms of the database's clock; None: now. Workers whose data
                decay pass the same one.
            labels: Whether there are labels.

        Raises:
            NotFoundError: There is no such namespace, or nothing in it to draw.
            ItemError: An item has no label, or labels are of several kinds.
            ConfigurationError: The batches cannot be divided so.
        """
        for name, value, least in (("batch_size", batch_size, 1), ("seed", seed, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise ConfigurationError(
                    describe(
                        f"{name} cannot be used",
                        expected=f"an integer of at least {least}",
                        received=value,
                    )
                )
        sampling.check_shard(shard, batch_size)
        found, commit = self._read(namespace, at_ms)
        rows = [
            (item, vector, share * (item.coherence if decay else 1.0))
            for item in found
            for vector, share in _parts(item, context)
        ]
        rows = [row for row in rows if row[2] > 0]
        if not rows:
            raise NotFoundError(
                describe(
                    f"There is nothing to draw from in namespace {namespace!r}"
                    + (f" in context {context!r}" if context else "")
                )
            )
        values, classes = self._labels([row[0] for row in rows]) if labels else (None, None)
        return TrainingDataset(
            DataVersion(namespace, commit),
            [item.id for item, _, _ in rows],
            np.stack([vector for _, vector, _ in rows]),
            values,
            classes,
            np.array([weight for _, _, weight in rows]),
            batch_size,
            seed,
            shard,
        )

    def _read(self, namespace: str, at_ms: float | None) -> tuple[list[Item], int]:
        """All items of a namespace by their ids, and the commit that they were read at."""
        found: list[Item] = []
        with self._database._catalog.read() as reader:
            space = namespaces.get(reader, namespace)
            now = self._database._sources.now() if at_ms is None else at_ms
            token: str | None = None
            while True:
                keys, token = items.list_keys(reader, space, "", token, _PAGE, False)
                found += [i for i in read_items(reader, space, keys, now) if i is not None]
                if token is None:
                    return found, reader.number

    def _labels(self, rows: Sequence[Item]) -> tuple[Array, list[str] | None]:
        found = [item.metadata.get(self._label) for item in rows]
        kinds = {_kind(value) for value in found}
        if kinds == {str}:
            classes, numbers = np.unique(np.array(found), return_inverse=True)
            return numbers.astype(np.int64), classes.tolist()
        if kinds == {int}:
            return np.array(found, np.int64), None
        if kinds and kinds <= {int, float}:
            return np.array(found, np.float32), None
        wrong = next(
            (item for item, value in zip(rows, found, strict=True) if _kind(value) is None), rows[0]
        )
        raise ItemError(
            describe(
                "The labels cannot be used",
                expected=f"in the metadata of each item, under {self._label!r}, a number, or of "
                "all a string",
                received=f"item {wrong.id!r} with {wrong.metadata.get(self._label)!r}",
                hint="Pass label= to TrainingDataStore, or labels=False for data without.",
            )
        )


def _kind(value: Any) -> type | None:
    if isinstance(value, (bool, int)):
        return int
    return type(value) if isinstance(value, (float, str)) else None


def _parts(item: Item, context: str | None) -> Iterator[tuple[Array, float]]:
    """An item's vectors with their weights; contexts in which it has its own vector are one."""
    chosen = [c for c in item.contexts if context is None or c.name == context]
    if not item.contexts and context is None:
        assert item.vector is not None
        yield item.vector, 1.0
    shared = sum(c.weight for c in chosen if c.vector is None)
    if shared and item.vector is not None:
        yield item.vector, shared
    for one in chosen:
        if one.vector is not None:
            yield one.vector, one.weight
