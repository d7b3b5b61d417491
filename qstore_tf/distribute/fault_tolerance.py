"""`FaultTolerance`: training that ends as it would have, whatever dies on the way."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import Any

from tensorflow import keras

from qstore_tf.distribute.checkpoints import training_state
from qstore_tf.distribute.checkpoints.store import Checkpoint, CheckpointStore
from qstore_tf.distribute.group import termination
from qstore_tf.distribute.group.meeting import difference
from qstore_tf.distribute.keras import fitting, fixes
from qstore_tf.distribute.launch.exit_codes import ExitCode
from qstore_tf.distribute.strategy import current, workers_or_alone
from qstore_tf.errors import CheckpointError, ConfigurationError, WorkerMismatchError, describe

_log = logging.getLogger("qstore_tf")


class FaultTolerance(keras.callbacks.Callback):
    """Saves the whole state of the training, and goes on from it when the script is started again.

    The chief writes, all workers read: `directory` must be the same shared directory on all. A
    checkpoint holds weights, optimizer, seeds, metrics, the epoch and step, the history and the
    state of the other callbacks; the data is brought to the batch that comes next. Training that
    was killed at any time and started again ends with the weights it would have had, bit for bit
    where the steps are deterministic.

    SIGTERM lets all workers finish the same step, saves, and ends them with exit code 75.

    Args:
        directory: Where checkpoints are kept. Start a new training in a new directory.
        every_steps: Saves every so many steps too; None only after each epoch.
        keep: How many checkpoints are kept.
        verbose: 1 prints where training goes on from, 0 nothing but warnings.

    Raises:
        ConfigurationError: A wrong argument, a directory that cannot be written, or a
            checkpoint of another model; the last two when `fit` begins.
        CheckpointError: A worker cannot read the checkpoint that the chief has found.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> x, y = np.zeros([8, 2], "float32"), np.ones([8, 1], "float32")
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> directory = tempfile.mkdtemp()
        >>> for epochs in (1, 3):  # as if the script were started again
        ...     tolerant = [FaultTolerance(directory)]
        ...     fit = model.fit(x, y, epochs=epochs, verbose=0, callbacks=tolerant)
        ... # doctest: +ELLIPSIS
        FaultTolerance: training of 1 step in '...' goes on from epoch 2
        >>> fit.epoch
        [0, 1, 2]
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        every_steps: int | None = None,
        keep: int = 3,
        verbose: int = 1,
    ) -> None:
        super().__init__()
        wrong = isinstance(every_steps, bool) or not isinstance(every_steps, int)
        if every_steps is not None and (wrong or every_steps < 1):
            raise ConfigurationError(
                describe(
                    "every_steps is no number of steps",
                    expected="an integer >= 1, or None for checkpoints after each epoch only",
                    received=every_steps,
                )
            )
        fixes.apply()
        fitting.watch()
        self._store = CheckpointStore(directory, keep=keep)
        self._every_steps = every_steps
        self._verbose = verbose
        self._workers = workers_or_alone()
        self._handler: Any = None
        self._resumed: Checkpoint | None = None
        self._position = training_state.START
        self._over = self._due = self._stops = False
        self._first: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Goes on from the newest checkpoint, if there is one."""
        self._workers = current() or self._workers
        self._require_alike()
        training_state.require_built(self.model)
        self._resumed, self._first = self._agreed(), None
        self._position = training_state.START
        self._over = self._due = self._stops = False
        if self._resumed is not None:
            self._position, self._over = training_state.restore(self.model, self._resumed)
            self._first = self._resumed.state["first"]
            self._tell()
            if self._position.executions:
                fitting.build_metrics(self.model)
        training_state.begin_at(self.model, self._position, over=self._over)
        fitting.replay(self._position.epoch - (self._first or 0), self._position.executions)
        self._listen()

    def on_train_begun(self) -> None:
        """Gives the other callbacks their state back, after they have cleared it."""
        if self._resumed is not None:
            training_state.restore_callbacks(self._resumed, fitting.callbacks())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Saves what the epoch before came to; or gives the metrics of a torn epoch back."""
        if self._resumed is not None and epoch == self._position.epoch:
            # Only here: Keras clears the metrics before each epoch.
            training_state.restore_metrics(self.model, self._resumed)
            return
        self._resumed = None  # an epoch of which only the validation was left
        if self._first is None:
            self._first = epoch
        # Not when the epoch before ends: callbacks after this one have yet to see its end.
        self._due = self._due or epoch != self._position.epoch
        self._position = training_state.Position(epoch, 0, 0)
        self._save_or_stop()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Saves where it is time to, and stops where that was agreed."""
        if self._resumed is not None:
            # Once more: schedules of the learning rate have acted on this epoch a second time.
            if self._position.executions:
                training_state.restore(self.model, self._resumed)
            self._resumed = None
        # Not when the step before ends: it might be the last one of the epoch.
        self._save_or_stop()

    def on_test_begin(self, logs: Any = None) -> None:
        """Saves before a validation, which may take longer than SIGTERM leaves time for."""
        if self._validates():
            self._due = True
            self._save_or_stop()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops within a validation, of which nothing is kept."""
        if self._validates():
            self._workers.completed += 1
            self._stops = self._workers.stopping.completed(self._workers.completed)
            if self._stops:
                self._due = False
                self._save_or_stop()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts, and finds out whether to save or to stop."""
        before, workers = self._position, self._workers
        self._position = training_state.Position(before.epoch, before.executions + 1, batch + 1)
        every = self._every_steps
        self._due = every is not None and (batch + 1) // every > before.steps // every
        workers.completed += 1
        self._stops = workers.stopping.completed(workers.completed)
        self._due = self._due or self._stops

    def on_train_end(self, logs: Any = None) -> None:
        """Saves, and leaves signals as they were."""
        if self._resumed is None:
            self._over = self._over or bool(self.model.stop_training)
            self._position = training_state.Position(self._position.epoch + 1, 0, 0)
            self._save()
        training_state.begin_at(self.model, None)
        if self._handler is not None:
            signal.signal(signal.SIGTERM, self._handler)
            self._handler = None

    def _validates(self) -> bool:
        return fitting.is_running() and self._resumed is None and self._position.executions > 0

    def _save_or_stop(self) -> None:
        if self._due:
            self._save()
        self._due = False
        if self._stops:
            self._workers.group.finish()
            print("qstore_tf: stopped by SIGTERM; start again to go on", file=sys.stderr)
            termination.stop_here(ExitCode.STOPPED)

    def _save(self) -> None:
        # Metrics are summed over the workers as they are read: all of them read.
        step, arrays, state = training_state.collect(
            self.model, self._position, self._over, fitting.callbacks()
        )
        state |= {"seed": self._workers.seed, "first": self._first or 0}
        if not self._workers.group.cluster.is_chief:
            return
        try:
            self._store.save(step, arrays, state)
        except CheckpointError as error:
            _log.warning("Training goes on without this checkpoint. %s", error)

    def _agreed(self) -> Checkpoint | None:
        """The newest checkpoint that the chief finds, as read by this worker."""
        group = self._workers.group
        found = self._store.newest() if group.cluster.is_chief else None
        step = group.exchange("checkpoint", None if found is None else found.step)[0]
        if step is None or group.cluster.is_chief:
            problems = group.exchange("reading", None)
        else:
            try:
                found, problem = self._store.load(step), None
            except CheckpointError as error:
                problem = str(error)
            problems = group.exchange("reading", problem)
        for index, problem in enumerate(problems):
            if problem is not None:
                raise CheckpointError(
                    describe(
                        f"Worker {index} cannot read the checkpoint that the chief has found",
                        expected=f"'{self._store.directory}' to be one directory that all "
                        "workers share",
                        received=problem,
                        hint="Mount the same volume on every worker",
                    )
                )
        return found

    def _require_alike(self) -> None:
        group, problem = self._workers.group, None
        if group.cluster.is_chief:
            try:
                self._store.require_writable()
            except CheckpointError as error:
                problem = str(error)
        everyone = group.exchange("checkpoints", {"problem": problem, "every": self._every_steps})
        if everyone[0]["problem"] is not None:
            raise ConfigurationError(everyone[0]["problem"])
        every = {index: {"every_steps": of_one["every"]} for index, of_one in enumerate(everyone)}
        different = difference(group.cluster, every)
        if different:
            raise WorkerMismatchError(different)

    def _listen(self) -> None:
        """Has SIGTERM ask all workers to stop."""
        if threading.current_thread() is not threading.main_thread():
            return
        before = signal.getsignal(signal.SIGTERM)

        def handle(number: int, frame: Any) -> None:
            if fitting.is_running():
                # A handler must not wait for locks; the thread may.
                threading.Thread(target=self._workers.stopping.ask, daemon=True).start()
            else:  # `fit` was left by an exception
                signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
                signal.raise_signal(signal.SIGTERM)

        self._handler = before
        signal.signal(signal.SIGTERM, handle)

    def _tell(self) -> None:
        assert self._resumed is not None
        position, step = self._position, self._resumed.step
        if position.steps:
            where = f"step {position.steps} of epoch {position.epoch + 1}"
        else:
            where = "its end" if self._over else f"epoch {position.epoch + 1}"
        if self._verbose and self._workers.group.cluster.is_chief:
            directory = self._store.directory
            print(
                f"FaultTolerance: training of {step} step{'s' * (step != 1)} in '{directory}'",
                end="",
            )
            print(f" goes on from {where}", flush=True)
        if self._over or position.epoch >= self.params.get("epochs", position.epoch + 1):
            _log.warning(
                "Nothing is left to train: the training in '%s' is complete. Ask for more epochs, "
                "or begin a new training in a new directory.",
                self._store.directory,
            )
        seed = self._resumed.state["seed"]
        if seed != self._workers.seed:
            _log.warning(
                "The training in '%s' began with seed %s, now it is %s: what is drawn and shuffled "
                "from here on is not what it would have been.",
                self._store.directory,
                seed,
                self._workers.seed,
            )
