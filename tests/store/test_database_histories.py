"""Random histories of the embedded database equal those of a dictionary."""

from hypothesis import settings

from qstore_tf.store.database import QuantumDatabase
from qstore_tf.testing.database_machine import DatabaseMachine


class EmbeddedMachine(DatabaseMachine):
    open = staticmethod(QuantumDatabase)


TestEmbedded = EmbeddedMachine.TestCase
TestEmbedded.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)
