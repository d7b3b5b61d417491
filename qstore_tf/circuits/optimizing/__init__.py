"""Shorter circuits with the same unitary."""

from qstore_tf.circuits.optimizing.optimize import optimize as optimize
