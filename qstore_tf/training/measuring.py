"""How long each phase of a training takes on each backend: a Keras callback and what it notes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tensorflow import keras

PHASES = ("train", "validation", "predict")


@dataclass
class Stretch:
    """What was done in one phase on one backend, all times together.

    Attributes:
        phase: "train", "validation" or "predict".
        backend: What the training calls the backend.
        steps: Batches.
        rows: Rows of all batches.
        circuits: Circuits that these rows asked for: one for each row and each measurement of the
            model. Those of gradients come with them and are not counted here.
        seconds: Time taken, that of callbacks between the steps included.
        first_step_seconds: The part of `seconds` until the first step of each call was done, in
            which graphs are made.
    """

    phase: str
    backend: str
    steps: int = 0
    rows: int = 0
    circuits: int = 0
    seconds: float = 0.0
    first_step_seconds: float = 0.0


@dataclass
class Notes:
    """The stretches of a training, and its time as a whole.

    Attributes:
        stretches: One for each phase and backend, in the order in which they began.
        seconds: Time of all calls of fit, evaluate and predict, from beginning to end.
    """

    stretches: list[Stretch] = field(default_factory=list)
    seconds: float = 0.0

    def of(self, phase: str, backend: str) -> Stretch:
        """Returns the stretch of a phase on a backend; a new one where there is none."""
        for each in self.stretches:
            if (each.phase, each.backend) == (phase, backend):
                return each
        self.stretches.append(Stretch(phase, backend))
        return self.stretches[-1]


@dataclass(frozen=True)
class Batches:
    """How many rows the batches of one phase have.

    Attributes:
        size: Rows of a full batch.
        total: Rows of all batches, the last of which may be smaller; None: not known, each batch
            counts as full.
    """

    size: int
    total: int | None = None

    def rows(self, steps: int) -> int:
        """Returns the rows of the first steps.

        Example:
            >>> Batches(4, 10).rows(2), Batches(4, 10).rows(3), Batches(4).rows(3)
            (8, 10, 12)
        """
        rows = steps * self.size
        return rows if self.total is None else min(rows, self.total)


class PhaseClock(keras.callbacks.Callback):
    """Notes steps, rows and seconds of each phase and backend.

    Args:
        notes: Where to.
        backend: Tells the name of the backend that a phase runs on.
        batches: Of the phases, by name.
        measurements: Circuits for each row.
        clock: Seconds.

    Example:
        >>> now = iter([0.0, 1.0, 3.0, 4.0, 4.5, 5.0])
        >>> clock = PhaseClock(
        ...     Notes(), lambda phase: "native", {"train": Batches(8, 12)}, clock=lambda: next(now)
        ... )
        >>> clock.on_epoch_begin(0)
        >>> clock.on_train_batch_end(0)
        >>> clock.on_train_batch_end(1)
        >>> clock.on_epoch_end(0)
        >>> clock.notes.stretches[0].rows, clock.notes.stretches[0].seconds
        (12, 3.0)
    """

    def __init__(
        self,
        notes: Notes,
        backend: Callable[[str], str],
        batches: Mapping[str, Batches],
        measurements: int = 1,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__()
        self.notes = notes
        self._backend, self._batches, self._clock = backend, batches, clock
        self._measurements = measurements
        self._running: list[_Running] = []
        self._seen: set[str] = set()

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Times a whole call of `fit`, `evaluate` or `predict`, however it ends."""
        begun = self._clock()
        try:
            yield
        finally:
            while self._running:  # an error left them open
                self._end()
            self.notes.seconds += self._clock() - begun

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """A stretch of training begins."""
        self._begin("train")

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Notes the first step: an epoch that was interrupted goes on in its midst."""
        if self._running and self._running[-1].skipped is None:
            self._running[-1].skipped = batch

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """One more step, or several that ran at once."""
        self._step(batch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """It ends."""
        self._end()

    def on_test_begin(self, logs: Any = None) -> None:
        """A validation begins, within an epoch or alone; training stands still meanwhile."""
        self._begin("validation")

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """One more step."""
        self._step(batch)

    def on_test_end(self, logs: Any = None) -> None:
        """It ends, and training goes on."""
        self._end()

    def on_predict_begin(self, logs: Any = None) -> None:
        """A prediction begins."""
        self._begin("predict")

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """One more step."""
        self._step(batch)

    def on_predict_end(self, logs: Any = None) -> None:
        """It ends."""
        self._end()

    def _begin(self, phase: str) -> None:
        now = self._clock()
        if self._running:
            self._running[-1].pause(now)
        self._running.append(_Running(phase, now))

    def _step(self, batch: int) -> None:
        if not self._running:
            return
        running = self._running[-1]
        running.last = batch + 1
        if running.phase not in self._seen:
            self._seen.add(running.phase)
            running.first = running.passed(self._clock())

    def _end(self) -> None:
        if not self._running:
            return
        now, running = self._clock(), self._running.pop()
        if self._running:
            self._running[-1].resume(now)
        stretch = self.notes.of(running.phase, self._backend(running.phase))
        batches = self._batches.get(running.phase, Batches(0))
        skipped = min(running.skipped or 0, running.last)
        rows = batches.rows(running.last) - batches.rows(skipped)
        stretch.steps += running.last - skipped
        stretch.rows += rows
        stretch.circuits += rows * self._measurements
        stretch.seconds += running.passed(now)
        stretch.first_step_seconds += running.first


class _Running:
    """A phase under way."""

    def __init__(self, phase: str, now: float) -> None:
        self.phase, self.last, self.first = phase, 0, 0.0
        self.skipped: int | None = None
        self._seconds, self._since = 0.0, now
        self._stands = False

    def pause(self, now: float) -> None:
        self._seconds, self._stands = self.passed(now), True

    def resume(self, now: float) -> None:
        self._since, self._stands = now, False

    def passed(self, now: float) -> float:
        return self._seconds if self._stands else self._seconds + now - self._since
