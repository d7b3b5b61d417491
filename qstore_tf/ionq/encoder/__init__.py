"""Amplitude encoding with half the entanglers, or fewer, of the exact one: angles solved for.

`Pattern` says which gates, `solve` finds their angles for given vectors, and `jacobian` how the
angles change with the vectors.
"""

from qstore_tf.ionq.encoder.pattern import Pattern as Pattern
from qstore_tf.ionq.encoder.solving import Solution as Solution
from qstore_tf.ionq.encoder.solving import jacobian as jacobian
from qstore_tf.ionq.encoder.solving import solve as solve
