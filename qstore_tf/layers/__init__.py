"""Keras layers made of quantum circuits."""

from qstore_tf.layers.amplitude_encoding import AmplitudeEncoding as AmplitudeEncoding
from qstore_tf.layers.angle_encoding import AngleEncoding as AngleEncoding
from qstore_tf.layers.expectation_value import ExpectationValue as ExpectationValue
from qstore_tf.layers.probabilities import Probabilities as Probabilities
from qstore_tf.layers.quantum_layer import QuantumLayer as QuantumLayer
from qstore_tf.layers.sample import Sample as Sample
from qstore_tf.layers.state_vector import StateVector as StateVector
from qstore_tf.layers.unitary import Unitary as Unitary

__all__ = [
    "AmplitudeEncoding",
    "AngleEncoding",
    "ExpectationValue",
    "Probabilities",
    "QuantumLayer",
    "Sample",
    "StateVector",
    "Unitary",
]
