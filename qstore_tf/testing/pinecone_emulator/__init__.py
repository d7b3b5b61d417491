"""Pinecone's wire on a port of this machine, with its limits, its delays and its bad days.

It keeps the API versions 2025-10 and 2026-07 for indexes of dense vectors: indexes, namespaces,
upsert, query, fetch, update, delete, list and statistics. Scores are exact.
"""

from qstore_tf.testing.pinecone_emulator.faults import Fault
from qstore_tf.testing.pinecone_emulator.running import PineconeEmulator
from qstore_tf.testing.pinecone_emulator.settings import Settings

__all__ = ["Fault", "PineconeEmulator", "Settings"]
