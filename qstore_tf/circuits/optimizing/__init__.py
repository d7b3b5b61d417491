"""Shorter circuits with the same unitary."""

from qstore_tf.circuits.optimizing.passes import optimize as optimize
