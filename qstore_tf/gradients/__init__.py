"""How programs are differentiated: one interface, one file per family of methods."""

from qstore_tf.gradients.adjoint import Adjoint as Adjoint
from qstore_tf.gradients.base import GradientMethod as GradientMethod
from qstore_tf.gradients.registry import METHODS as METHODS
from qstore_tf.gradients.registry import get as get
from qstore_tf.gradients.shift import FiniteDifference as FiniteDifference
from qstore_tf.gradients.shift import ParameterShift as ParameterShift
