"""Circuits, gates, observables and compiled programs; no TensorFlow."""

from qstore_tf.circuits.circuit import Circuit as Circuit
from qstore_tf.circuits.compiling import compile_circuit as compile_circuit
from qstore_tf.circuits.gates import BASIS as BASIS
from qstore_tf.circuits.gates import GATES as GATES
from qstore_tf.circuits.gates import Gate as Gate
from qstore_tf.circuits.gates import decompose as decompose
from qstore_tf.circuits.gates import lookup as lookup
from qstore_tf.circuits.observables import PauliString as PauliString
from qstore_tf.circuits.observables import PauliSum as PauliSum
from qstore_tf.circuits.observables import observables_text as observables_text
from qstore_tf.circuits.observables import parse_observables as parse_observables
from qstore_tf.circuits.operation import Operation as Operation
from qstore_tf.circuits.primitives import Angle as Angle
from qstore_tf.circuits.primitives import Flip as Flip
from qstore_tf.circuits.primitives import Phase as Phase
from qstore_tf.circuits.primitives import Rot as Rot
from qstore_tf.circuits.primitives import Swap as Swap
from qstore_tf.circuits.primitives import Unitary as Unitary
from qstore_tf.circuits.program import Program as Program
from qstore_tf.circuits.symbols import Affine as Affine
from qstore_tf.circuits.unified import UnifiedCircuit as UnifiedCircuit
