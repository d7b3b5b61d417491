"""Derivatives as further runs of a program, in plain numbers; no framework.

Rules say at which shifted angles to run and how the results add up, tables put all runs of a step
into rows of one batch, and an unrolled program has each angle as an input of its own.
`qstore_tf.gradients` runs them in TensorFlow.
"""

from qstore_tf.shifts.hadamard import hadamard_tests as hadamard_tests
from qstore_tf.shifts.hadamard import with_extra_qubit as with_extra_qubit
from qstore_tf.shifts.metric import APPROXIMATIONS as APPROXIMATIONS
from qstore_tf.shifts.metric import check_approximation as check_approximation
from qstore_tf.shifts.metric import kept_elements as kept_elements
from qstore_tf.shifts.metric import overlap_plan as overlap_plan
from qstore_tf.shifts.rules import Rule as Rule
from qstore_tf.shifts.rules import difference_rule as difference_rule
from qstore_tf.shifts.rules import shift_rule as shift_rule
from qstore_tf.shifts.signal_to_noise import signal_to_noise as signal_to_noise
from qstore_tf.shifts.signal_to_noise import window_for as window_for
from qstore_tf.shifts.tables import shift_table as shift_table
from qstore_tf.shifts.tables import state_table as state_table
from qstore_tf.shifts.unrolled import Unrolled as Unrolled
from qstore_tf.shifts.unrolled import promote as promote
from qstore_tf.shifts.unrolled import there_and_back as there_and_back
from qstore_tf.shifts.unrolled import unroll as unroll
