"""The backend on the native C++ ops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from qstore_tf.backends.base import Backend, Capabilities
from qstore_tf.backends.batch import check_threads
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.ops import library, native


class Native(Backend):
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

    def expectation(
        self,
        program: Program,
        observables: Sequence[PauliSum],
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        seed: Any = None,
    ) -> tf.Tensor:
        """Returns expectations [B, K]; see `Backend.expectation`."""
        return native.expectation(
            program, observables, inputs, theta, initial_state, num_threads=self.num_threads
        )

    def state_vector(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        """Returns states [B, 2^n]; see `Backend.state_vector`."""
        return native.state_vector(
            program, inputs, theta, initial_state, num_threads=self.num_threads
        )

    def probabilities(
        self, program: Program, inputs: Any, theta: Any, initial_state: Any = None
    ) -> tf.Tensor:
        """Returns probabilities [B, 2^n]; see `Backend.probabilities`."""
        return native.probabilities(
            program, inputs, theta, initial_state, num_threads=self.num_threads
        )

    def sample(
        self,
        program: Program,
        inputs: Any,
        theta: Any,
        initial_state: Any = None,
        *,
        shots: int,
        seed: Any,
    ) -> tf.Tensor:
        """Returns samples int64 [B, shots]; see `Backend.sample`."""
        return native.sample(
            program,
            inputs,
            theta,
            initial_state,
            shots=shots,
            seed=seed,
            num_threads=self.num_threads,
        )
