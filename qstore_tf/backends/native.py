"""The backend on the native C++ ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from qstore_tf.backends.base import Batch, BatchBackend, Capabilities
from qstore_tf.checks import check_threads
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.ops import library, native


class Native(BatchBackend):
    """Simulates in the C++ op library: vectorized, multi-threaded, on the CPU.

    Args:
        num_threads: Threads for one call; 0 means all cores the process may use, or what the
            environment variable QSTORE_NUM_THREADS says. Results are the same, bit for bit, as
            long as the number stays the same.

    Raises:
        LibraryError: The op library is not built or cannot be loaded.
        ConfigurationError: `num_threads` is not an integer >= 0.
    """

    name = "native"
    capabilities = Capabilities(
        state_vector=True, exact=True, adjoint=True, dtypes=("float32", "float64"), xla=False
    )

    def __init__(self, num_threads: int = 0) -> None:
        """Loads the library and keeps the number of threads."""
        threads = check_threads(num_threads)
        library.load()
        self.num_threads = threads

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same backend again."""
        return {"num_threads": self.num_threads}

    def _expectation(self, batch: Batch, observables: Sequence[PauliSum], seed: Any) -> tf.Tensor:
        return native.expectation(
            batch.program, observables, *batch.values, num_threads=self.num_threads
        )

    def _state_vector(self, batch: Batch) -> tf.Tensor:
        return native.state_vector(batch.program, *batch.values, num_threads=self.num_threads)

    def _probabilities(self, batch: Batch) -> tf.Tensor:
        return native.probabilities(batch.program, *batch.values, num_threads=self.num_threads)

    def _sample(self, batch: Batch, shots: int, seed: Any) -> tf.Tensor:
        return native.sample(
            batch.program, *batch.values, shots=shots, seed=seed, num_threads=self.num_threads
        )
