"""IonQ: circuits in native gates of its machines, their prices and their wire format."""

from qstore_tf.ionq.compiling import Compiled, compile
from qstore_tf.ionq.targets import TARGETS, Target

__all__ = ["TARGETS", "Compiled", "Target", "compile"]
