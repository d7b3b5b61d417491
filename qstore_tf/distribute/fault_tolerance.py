"""`FaultTolerance`: training that survives the failure of workers with the same result."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import Any

from tensorflow import keras

from qstore_tf.distribute.checkpoints import Checkpoint, CheckpointStore, training_state
from qstore_tf.distribute.group import alone, difference, termination
from qstore_tf.distribute.keras import fitting, fixes
from qstore_tf.distribute.launch import ExitCode
from qstore_tf.distribute.session import current_session
from qstore_tf.errors import CheckpointError, ConfigurationError, WorkerMismatchError, describe

_log = logging.getLogger("qstore_tf")


class FaultTolerance(keras.callbacks.Callback):
    """Saves the whole state of the training, and resumes it when the script is restarted.

    The chief writes, all workers read: `directory` must be the same shared directory on all. A
    checkpoint holds the weights, the optimizer, seeds, metrics, the epoch and step, the history
    and the state of the other callbacks; on resuming, the data continues with the next batch.
    A training that was killed at any time and restarted ends with the weights of an uninterrupted
    one, bit for bit if the steps are deterministic.

    On SIGTERM all workers finish the same step, save, and exit with code 75.

    Args:
        directory: Where checkpoints are kept. Use a new directory for a new training.
        every_steps: The number of steps between checkpoints within an epoch; None saves only
            after each epoch.
        keep: The number of checkpoints that are kept.
        verbose: 1 prints where the training resumes, 0 only warnings.

    Raises:
        ConfigurationError: A wrong argument, a directory that is not writable, or a checkpoint of
            a different model; the last two when `fit` begins.
        CheckpointError: A worker cannot read the checkpoint that the chief has found.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> x, y = np.zeros([8, 2], "float32"), np.ones([8, 1], "float32")
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> directory = tempfile.mkdtemp()
        >>> for epochs in (1, 3):  # as if the script were restarted
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
        is_integer = isinstance(every_steps, int) and not isinstance(every_steps, bool)
        if every_steps is not None and not (is_integer and every_steps >= 1):
            raise ConfigurationError(
                describe(
                    "every_steps must be a positive integer",
                    expected="an integer >= 1, or None for checkpoints after each epoch only",
                    received=every_steps,
                )
            )
        fixes.apply()
        fitting.watch()
        self._store = CheckpointStore(directory, keep=keep)
        self._every_steps = every_steps
        self._verbose = verbose
        self._workers = current_session().workers or alone(fixes.global_seed() or 0)
        self._previous_handler: Any = None
        self._resumed: Checkpoint | None = None
        self._position = training_state.START
        self._over = self._due = self._stops = False
        self._first: int | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Resumes from the newest checkpoint, if there is one."""
        self._workers = current_session().workers or self._workers
        self._check_workers()
        training_state.require_built(self.model)
        self._resumed, self._first = self._read_newest(), None
        self._position = training_state.START
        self._over = self._due = self._stops = False
        if self._resumed is not None:
            self._position, self._over = training_state.restore(self.model, self._resumed)
            self._first = self._resumed.state["first"]
            self._report()
            if self._position.executions:
                fitting.build_metrics(self.model)
        training_state.begin_at(self.model, self._position, over=self._over)
        fitting.replay(self._position.epoch - (self._first or 0), self._position.executions)
        self._handle_sigterm()

    def on_train_begun(self) -> None:
        """Restores the state of the other callbacks, which have cleared it by now."""
        if self._resumed is not None:
            training_state.restore_callbacks(self._resumed, fitting.callbacks())

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Saves the result of the epoch before, or restores the metrics of an interrupted epoch."""
        if self._resumed is not None and epoch == self._position.epoch:
            # Not earlier: Keras clears the metrics before each epoch.
            training_state.restore_metrics(self.model, self._resumed)
            return
        self._resumed = None  # only the validation of the epoch before was left to do
        if self._first is None:
            self._first = epoch
        # Not at the end of the epoch before: callbacks after this one act on that end too.
        self._due = self._due or epoch != self._position.epoch
        self._position = training_state.Position(epoch, 0, 0)
        self._save_or_stop()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Saves if a checkpoint is due, and stops if the workers have agreed to."""
        if self._resumed is not None:
            # A second time: schedules have changed the learning rate again for this epoch.
            if self._position.executions:
                training_state.restore(self.model, self._resumed)
            self._resumed = None
        # Not at the end of the step before, which may be the last one of the epoch.
        self._save_or_stop()

    def on_test_begin(self, logs: Any = None) -> None:
        """Saves before a validation, which may take longer than the grace period of SIGTERM."""
        if self._validates():
            self._due = True
            self._save_or_stop()

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Stops during a validation, which is then repeated from its beginning."""
        if self._validates():
            self._workers.completed += 1
            self._stops = self._workers.stopping.completed(self._workers.completed)
            if self._stops:
                self._due = False
                self._save_or_stop()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Counts the steps, and decides whether to save or to stop before the next one."""
        before, workers = self._position, self._workers
        self._position = training_state.Position(before.epoch, before.executions + 1, batch + 1)
        every = self._every_steps
        self._due = every is not None and (batch + 1) // every > before.steps // every
        workers.completed += 1
        self._stops = workers.stopping.completed(workers.completed)
        self._due = self._due or self._stops

    def on_train_end(self, logs: Any = None) -> None:
        """Saves, and restores the handler of SIGTERM."""
        if self._resumed is None:
            self._over = self._over or bool(self.model.stop_training)
            self._position = training_state.Position(self._position.epoch + 1, 0, 0)
            self._save()
        training_state.begin_at(self.model, None)
        if self._previous_handler is not None:
            signal.signal(signal.SIGTERM, self._previous_handler)
            self._previous_handler = None

    def _validates(self) -> bool:
        return fitting.is_running() and self._resumed is None and self._position.executions > 0

    def _save_or_stop(self) -> None:
        if self._due:
            self._save()
        self._due = False
        if self._stops:
            self._workers.group.finish()
            print("qstore_tf: stopped by SIGTERM; restart the script to resume", file=sys.stderr)
            termination.exit_with(ExitCode.STOPPED)

    def _save(self) -> None:
        # Reading a metric sums it over the workers, so all of them must read.
        step, arrays, state = training_state.collect(
            self.model, self._position, self._over, fitting.callbacks()
        )
        state |= {"seed": self._workers.seed, "first": self._first or 0}
        if not self._workers.group.cluster.is_chief:
            return
        try:
            self._store.save(step, arrays, state)
        except CheckpointError as error:
            _log.warning("Training continues without this checkpoint. %s", error)

    def _read_newest(self) -> Checkpoint | None:
        """The newest checkpoint that the chief finds, read by this worker."""
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

    def _check_workers(self) -> None:
        group, problem = self._workers.group, None
        if group.cluster.is_chief:
            try:
                self._store.require_writable()
            except CheckpointError as error:
                problem = str(error)
        answers = group.exchange("checkpoints", {"problem": problem, "every": self._every_steps})
        if answers[0]["problem"] is not None:
            raise ConfigurationError(answers[0]["problem"])
        options = {index: {"every_steps": answer["every"]} for index, answer in enumerate(answers)}
        different = difference(group.cluster, options)
        if different:
            raise WorkerMismatchError(different)

    def _handle_sigterm(self) -> None:
        """Makes SIGTERM a request to all workers to stop."""
        if threading.current_thread() is not threading.main_thread():
            return
        before = signal.getsignal(signal.SIGTERM)

        def handle(number: int, frame: Any) -> None:
            if fitting.is_running():
                # Sending takes a lock, for which a signal handler must not wait.
                threading.Thread(target=self._workers.stopping.ask, daemon=True).start()
            else:  # `fit` was left by an exception
                signal.signal(signal.SIGTERM, before or signal.SIG_DFL)
                signal.raise_signal(signal.SIGTERM)

        self._previous_handler = before
        signal.signal(signal.SIGTERM, handle)

    def _report(self) -> None:
        assert self._resumed is not None
        position, step = self._position, self._resumed.step
        if position.steps:
            where = f"step {position.steps} of epoch {position.epoch + 1}"
        else:
            where = "its end" if self._over else f"epoch {position.epoch + 1}"
        if self._verbose and self._workers.group.cluster.is_chief:
            directory = self._store.directory
            steps = f"{step} step{'s' * (step != 1)}"
            print(
                f"FaultTolerance: training of {steps} in '{directory}' goes on from {where}",
                flush=True,
            )
        if self._over or position.epoch >= self.params.get("epochs", position.epoch + 1):
            _log.warning(
                "Nothing is left to train: the training in '%s' is complete. Pass more epochs to "
                "fit, or start a new training in a new directory.",
                self._store.directory,
            )
        seed = self._resumed.state["seed"]
        if seed != self._workers.seed:
            _log.warning(
                "The training in '%s' began with seed %s, now it is %s: from here on, random "
                "numbers and shuffles differ from those of an uninterrupted training.",
                self._store.directory,
                seed,
                self._workers.seed,
            )
