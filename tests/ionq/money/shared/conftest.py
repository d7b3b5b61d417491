"""A local IonQ for workers that share an account."""

from qstore_tf.testing.ionq import start_ionq_emulator  # noqa: F401
