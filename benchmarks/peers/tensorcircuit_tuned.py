"""TensorCircuit-NG on JAX with the readout written by hand for speed.

XLA computes a sum per qubit slowly on large states, forwards and backwards. Here the probabilities
are summed once over each half of the qubits, and two small matrix products with signs do the rest.
"""

from __future__ import annotations

from typing import Any

from benchmarks.measure import Peer, main
from benchmarks.peers import tensorcircuit
from benchmarks.workload import Workload


def by_halves(probabilities: Any, n_qubits: int) -> Any:
    """All <Z> from the marginals of the first and of the second half of the qubits."""
    import jax.numpy as jnp
    import numpy as np

    def signs(qubits: int) -> Any:
        bits = np.arange(2**qubits)[:, None] >> (qubits - 1 - np.arange(qubits)) & 1
        return jnp.asarray(1 - 2 * bits, jnp.float32)

    first = n_qubits // 2
    second = n_qubits - first
    table = probabilities.reshape(2**first, 2**second)
    return jnp.concatenate([table.sum(1) @ signs(first), table.sum(0) @ signs(second)])


def build(workload: Workload, threads: int) -> Peer:
    """The workload of `tensorcircuit` with the faster readout."""
    return tensorcircuit.build(workload, threads, by_halves)


if __name__ == "__main__":
    main("tensorcircuit_tuned", build)
