"""IonQ's noise models: depolarizing after every gate, by the figures that IonQ publishes.

After a gate on k qubits each of the 4^k - 1 Pauli errors on them has the probability r / 4^k: with
K0 = sqrt(1 - 3 r1 / 4) I and Ki = sqrt(r1 / 4) sigma_i for one qubit, K00 = sqrt(1 - 15 r2 / 16)
and Kij = sqrt(r2 / 16) sigma_i sigma_j for two. Other words for it: the qubits are replaced by
noise with probability r.

The models are of native gates. Circuits of other gates are compiled first, by our own compiler, to
the entangler of the model's machine; the service has its own compiler, whose circuits may have
more or fewer gates.
"""

from __future__ import annotations

from dataclasses import dataclass

from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.ionq.targets import TARGETS

# For these the service has noise models, without published figures. The errors that IonQ publishes
# for both Forte machines are the same, so that one serves for the other; Harmony has retired.
_SAME_AS = {"forte-enterprise-1": "forte-1"}
UNPUBLISHED = ("harmony", "harmony-1", "harmony-2")


@dataclass(frozen=True)
class Noise:
    """A noise model.

    Attributes:
        name: The machine that it is of.
        r1: Depolarization of a one-qubit gate, see above.
        r2: Depolarization of a two-qubit gate.

    Raises:
        ConfigurationError: A figure is not in [0, 1].

    Example:
        >>> noise_model("qpu.aria-1")
        Noise(name='aria-1', r1=0.0005, r2=0.0133)
        >>> noise_model("ideal") is None
        True
    """

    name: str
    r1: float
    r2: float

    def __post_init__(self) -> None:
        for field in ("r1", "r2"):
            value = getattr(self, field)
            if not isinstance(value, int | float) or not 0 <= value <= 1:
                raise ConfigurationError(
                    describe(
                        f"A noise model has an unusable {field}",
                        expected="a number in [0, 1]",
                        received=value,
                    )
                )

    def rate(self, n_qubits: int) -> float:
        """The depolarization of a gate on so many qubits, 1 or 2."""
        return self.r1 if n_qubits == 1 else self.r2


MODELS: dict[str, Noise | None] = {"ideal": None} | {
    name: Noise(name, *rates)
    for name, target in TARGETS.items()
    if (rates := TARGETS[_SAME_AS.get(name, name)].depolarizing) is not None
}


def noise_model(name: str | Noise | None) -> Noise | None:
    """Returns the noise model of a name; None for "ideal".

    Args:
        name: As in the API, "ideal", "aria-1", "qpu.forte-1" and so on; a model, or None, comes
            back as it is.

    Raises:
        ConfigurationError: There is none of this name, or its figures are not published.
    """
    if name is None or isinstance(name, Noise):
        return name
    word = name[:100].casefold().removeprefix("qpu.") if isinstance(name, str) else ""
    if word in MODELS:
        return MODELS[word]
    if word in UNPUBLISHED:
        raise ConfigurationError(
            describe(
                f"The figures of the noise model {word!r} are not published",
                expected=f"one of {', '.join(MODELS)}",
                received=name,
            )
        )
    raise ConfigurationError(
        describe("There is no such noise model", received=name, hint=did_you_mean(word, MODELS))
    )
