"""Shorter circuits with the same unitary, or nearly the same and a report of what that costs."""

from qstore_tf.circuits.optimizing.passes import optimize as optimize
from qstore_tf.circuits.optimizing.shortening import Shortened as Shortened
from qstore_tf.circuits.optimizing.shortening import ShorteningReport as ShorteningReport
from qstore_tf.circuits.optimizing.shortening import shorten as shorten
