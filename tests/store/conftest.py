"""A local IonQ for queries by shots."""

from qstore_tf.testing.ionq import ionq_emulator as ionq_emulator
from qstore_tf.testing.ionq import start_ionq_emulator as start_ionq_emulator
