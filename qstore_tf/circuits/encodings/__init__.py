"""Encodings: circuits that load classical numbers into qubits, and the numbers they take."""

from qstore_tf.circuits.encodings.amplitudes import amplitude_angles as amplitude_angles
from qstore_tf.circuits.encodings.amplitudes import normalized_amplitudes as normalized_amplitudes
from qstore_tf.circuits.encodings.circuits import ENCODINGS as ENCODINGS
from qstore_tf.circuits.encodings.circuits import amplitude_encoding as amplitude_encoding
from qstore_tf.circuits.encodings.circuits import angle_encoding as angle_encoding
from qstore_tf.circuits.encodings.circuits import basis_encoding as basis_encoding
from qstore_tf.circuits.encodings.circuits import get_encoding as get_encoding
