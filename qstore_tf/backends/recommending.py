"""Which backend, gradient method and shots go with a kind of work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qstore_tf.backends.automatic import explain
from qstore_tf.errors import ConfigurationError, describe, did_you_mean

_SHOTS = 1000


@dataclass(frozen=True)
class Recommendation:
    """Options of a layer, and why these.

    Attributes:
        backend: Name of the backend.
        gradient: Name of the gradient method.
        shots: Shots, None for exact expectations.
        reason: A few sentences.
    """

    backend: str
    gradient: str
    shots: int | None
    reason: str

    @property
    def options(self) -> dict[str, Any]:
        """The keyword arguments of a layer: `QuantumLayer(..., **recommendation.options)`."""
        return {"backend": self.backend, "gradient": self.gradient, "shots": self.shots}


@dataclass(frozen=True)
class _Kind:
    reason: str
    gradient: bool = True
    sampled: bool = False


# By the name of the kind of work.
KINDS = {
    "development": _Kind(
        "Exact expectations and gradients: what goes wrong is not hidden by noise, and runs repeat."
    ),
    "training": _Kind(
        "Exact expectations with adjoint gradients, which cost about two more sweeps however "
        "many parameters there are."
    ),
    "validation": _Kind(
        "Expectations from shots, with the noise that counting brings on hardware; what devices "
        "do wrong besides is not simulated. No backend reaches hardware in this version.",
        sampled=True,
    ),
    "production": _Kind(
        "Exact expectations of a trained model, with nothing drawn, so that the same input "
        "gives the same answer. No backend reaches hardware in this version.",
        gradient=False,
    ),
    "research": _Kind(
        "Exact expectations and gradients to compare with; add dtype='float64' to the layer "
        "where rounding matters, and give shots where their noise is the question."
    ),
}


def recommend(
    workload: str = "training",
    *,
    n_qubits: int | None = None,
    depth: int | None = None,
    batch: int | None = None,
    shots: int | None = None,
    dtype: str = "float32",
) -> Recommendation:
    """Recommends backend, gradient method and shots for a kind of work on this machine.

    The backend is the one of `backend="auto"`. Expectations are exact but for "validation",
    which draws 1000 shots, and wherever `shots` are given. All simulators return the same
    numbers, so that a model may be trained with one recommendation and run with another.

    Args:
        workload: "development" (write and debug a model), "training", "validation" (see what
            shots do to a trained model), "production" (predict with it) or "research".
        n_qubits: Number of qubits, where it is known.
        depth: Layers of the trained circuit.
        batch: Samples in a call.
        shots: Shots, where the number is given.
        dtype: "float32" or "float64".

    Raises:
        ConfigurationError: The workload is unknown, or a number is not an integer >= 1.
        MemoryLimitError: This number of qubits does not fit into memory on any backend.

    Example:
        >>> recommend("validation", n_qubits=4).options["shots"]
        1000
    """
    kind = KINDS.get(workload) if isinstance(workload, str) else None
    if kind is None:
        raise ConfigurationError(
            describe(f"There is no workload {workload!r}", hint=did_you_mean(str(workload), KINDS))
        )
    if kind.sampled and shots is None:
        shots = _SHOTS
    choice = explain(
        n_qubits=n_qubits,
        depth=depth,
        batch=batch,
        shots=shots,
        gradient=kind.gradient,
        dtype=dtype,
    )
    reasons = [kind.reason if kind.sampled or shots is None else "Expectations from shots."]
    if shots is not None:
        reasons.append(
            "parameter_shift estimates gradients without bias; gradient='spsa' needs two runs "
            "per step and direction however many parameters there are."
        )
    gradient = "adjoint" if shots is None else "parameter_shift"
    return Recommendation(choice.backend, gradient, shots, " ".join([*reasons, choice.reason]))
