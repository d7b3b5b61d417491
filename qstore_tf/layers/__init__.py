"""Keras layers made of quantum circuits."""

from qstore_tf.layers.amplitude_encoding import AmplitudeEncoding as AmplitudeEncoding
from qstore_tf.layers.angle_encoding import AngleEncoding as AngleEncoding
from qstore_tf.layers.expectation_value import ExpectationValue as ExpectationValue
from qstore_tf.layers.quantum_layer import QuantumLayer as QuantumLayer

__all__ = ["AmplitudeEncoding", "AngleEncoding", "ExpectationValue", "QuantumLayer"]
