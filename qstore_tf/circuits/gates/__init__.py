"""The gate table, by families of gates."""

from qstore_tf.circuits.gates.row import CirqPower as CirqPower
from qstore_tf.circuits.gates.row import Gate as Gate
from qstore_tf.circuits.gates.table import BASIS as BASIS
from qstore_tf.circuits.gates.table import GATES as GATES
from qstore_tf.circuits.gates.table import decompose as decompose
from qstore_tf.circuits.gates.table import lookup as lookup
