"""The circuit, the data and the loss that every framework of the comparison computes.

The circuit encodes feature `q` of a sample as RX on qubit `q`, then applies `depth` layers of RY
and RZ on each qubit followed by a linear chain of CNOTs. The loss is the sum, over the batch and
the qubits, of the squared expectation of Z; a *gradient step* computes the loss's derivative by
all angles of the layers for the whole batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SEED = 20260101
# Small enough to keep theta where it is, present so that no compiler can hoist the step out of
# the loop: each step's theta depends on the gradient of the step before.
LEARNING_RATE = 1e-5


@dataclass(frozen=True)
class GateCall:
    """One gate of the circuit: `slot` numbers the feature (rx) or the angle (ry, rz) it takes."""

    name: Literal["rx", "ry", "rz", "cx"]
    targets: tuple[int, ...]
    slot: int = -1


@dataclass(frozen=True)
class Workload:
    """One row of the comparison.

    Args:
        n_qubits: qubits, and features per sample.
        depth: layers of RY, RZ and CNOTs.
        batch: samples per gradient step.
    """

    n_qubits: int
    depth: int
    batch: int

    @classmethod
    def parse(cls, text: str) -> Workload:
        """Reads `"6,4,256"`."""
        n_qubits, depth, batch = (int(field) for field in text.split(","))
        return cls(n_qubits, depth, batch)

    @property
    def key(self) -> str:
        """The name used in file names and on the command line, e.g. `6,4,256`."""
        return f"{self.n_qubits},{self.depth},{self.batch}"

    @property
    def n_theta(self) -> int:
        """Trained angles of the circuit."""
        return 2 * self.n_qubits * self.depth

    def gates(self) -> Iterator[GateCall]:
        """The circuit in time order; angles are numbered in the order in which they appear."""
        for qubit in range(self.n_qubits):
            yield GateCall("rx", (qubit,), qubit)
        slot = 0
        for _ in range(self.depth):
            for qubit in range(self.n_qubits):
                yield GateCall("ry", (qubit,), slot)
                yield GateCall("rz", (qubit,), slot + 1)
                slot += 2
            for qubit in range(self.n_qubits - 1):
                yield GateCall("cx", (qubit, qubit + 1))

    def data(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features [batch, n_qubits] and angles [n_theta] in radians, the same for everyone."""
        import numpy as np

        rng = np.random.default_rng(SEED)
        inputs = rng.random((self.batch, self.n_qubits)) * np.pi
        theta = rng.random(self.n_theta) * 2 * np.pi
        return inputs.astype(np.float32), theta.astype(np.float32)


WORKLOADS = (
    Workload(6, 4, 256),
    Workload(10, 4, 32),
    Workload(16, 4, 8),
    Workload(20, 4, 2),
)
