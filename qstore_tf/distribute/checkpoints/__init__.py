"""Checkpoints: their files, a directory of them, and the state of a training that they hold."""

from qstore_tf.distribute.checkpoints.files import Checkpoint as Checkpoint
from qstore_tf.distribute.checkpoints.store import CheckpointStore as CheckpointStore
