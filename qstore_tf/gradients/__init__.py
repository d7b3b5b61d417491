"""How programs are differentiated: one interface, one file per family of methods."""

from qstore_tf.gradients.adaptive import Adaptive as Adaptive
from qstore_tf.gradients.adjoint import Adjoint as Adjoint
from qstore_tf.gradients.base import GradientMethod as GradientMethod
from qstore_tf.gradients.finite_difference import FiniteDifference as FiniteDifference
from qstore_tf.gradients.hadamard import HadamardTest as HadamardTest
from qstore_tf.gradients.metric import fubini_study as fubini_study
from qstore_tf.gradients.metric import quantum_fisher as quantum_fisher
from qstore_tf.gradients.registry import METHODS as METHODS
from qstore_tf.gradients.registry import get as get
from qstore_tf.gradients.shift import ParameterShift as ParameterShift
from qstore_tf.gradients.spsa import SPSA as SPSA
from qstore_tf.shifts import Unrolled as Unrolled
from qstore_tf.shifts import promote as promote
from qstore_tf.shifts import shift_rule as shift_rule
from qstore_tf.shifts import unroll as unroll
