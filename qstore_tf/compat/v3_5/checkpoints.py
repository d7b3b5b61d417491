"""`CheckpointManager` of version 3.5: the checkpoints of `qs.distribute.FaultTolerance`."""

from __future__ import annotations

import os

from qstore_tf.distribute import FaultTolerance
from qstore_tf.distribute.checkpoints import CheckpointStore


class CheckpointManager:
    """Keeps the state of trainings in a folder; a training that is started again goes on from it.

    Args:
        directory: The folder.
        keep: How many checkpoints are kept.

    Example:
        >>> import tempfile
        >>> CheckpointManager(tempfile.mkdtemp()).steps()
        []
    """

    def __init__(self, directory: str | os.PathLike[str], keep: int = 3) -> None:
        self.directory, self.keep = os.fspath(directory), keep

    def callback(self, every_steps: int | None = None) -> FaultTolerance:
        """Returns the callback that saves, and resumes: for `fit`, or `QuantumTrainer.train`.

        Args:
            every_steps: Steps between checkpoints; None: after each epoch.
        """
        return FaultTolerance(self.directory, every_steps=every_steps, keep=self.keep)

    def steps(self) -> list[int]:
        """Returns the steps of the training at which there is a checkpoint, in order."""
        return CheckpointStore(self.directory, keep=self.keep).steps()
