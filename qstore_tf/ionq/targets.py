"""IonQ's machines: qubits, native entangler, errors and gate times, with their sources.

    target               qubits  entangler  1q / 2q error        1q / 2q time   price tables
    aria-1, aria-2           25  MS         5e-4 / 4e-3          135 / 600 us   see `prices`
    forte-1                  36  ZZ         2.0e-4 / 4.64e-3     not published
    forte-enterprise-1       36  ZZ         2.0e-4 / 4.64e-3     not published
    simulator                29  ZZ or MS   0                    -

Aria's errors are one minus the average fidelities of the page of IonQ at Azure Quantum
(learn.microsoft.com/azure/quantum/provider-ionq, which also has its times and 99.61 % for state
preparation and measurement), one figure for both machines; the one of two-qubit gates includes
state preparation and measurement. Forte's are the median errors that IonQ publishes for Forte
machines; times, and an error of state preparation and measurement, are not published. Where a
figure is not published it is None: nothing is guessed.

IonQ's service lists `forte-1`, `forte-enterprise-1` and `simulator` (October 2026). Aria is kept
because Azure sells it and the service simulates its noise.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from qstore_tf.errors import CircuitError, ConfigurationError, describe, did_you_mean

ENTANGLERS = ("ZZ", "MS")
PULSES = ("GPi", "GPi2")  # the one-qubit gates, the same on every machine


@dataclass(frozen=True, kw_only=True)
class Target:
    """A machine or simulator that takes IonQ's native gates.

    Use `dataclasses.replace` for another choice, such as `replace(target, signed_zz=False)`.

    Attributes:
        name: The name without prefix, such as "forte-1".
        api_name: The name in IonQ's API, such as "qpu.forte-1".
        n_qubits: Number of qubits; every pair can be entangled.
        entangler: The two-qubit gate that circuits are compiled to, "ZZ" or "MS".
        accepts: The two-qubit gates that a circuit may contain; () means the entangler alone.
        error_1q: Error of a one-qubit gate, a probability; None: not published.
        error_2q: Error of a two-qubit gate; None: not published.
        error_spam: Error of state preparation and measurement of a qubit; None: not published.
        time_1q_us: Duration of a one-qubit gate in microseconds; None: not published.
        time_2q_us: Duration of a two-qubit gate in microseconds; None: not published.
        depolarizing: `(r1, r2)` of the noise model that IonQ's simulator has for this machine:
            after a gate on k qubits each of the 4^k - 1 Pauli errors with probability r / 4^k.
            None: not published.
        signed_zz: Whether ZZ may have angles in (-0.5, 0.5] turns and not in [0, 0.25] alone. No
            range is published for ZZ; IonQ's own client for Qiskit sends the wide one, and the
            narrow one is that of MS.

    Raises:
        ConfigurationError: A value makes no sense; the message names it.

    Example:
        >>> mine = Target(name="mine", api_name="qpu.mine", n_qubits=4, entangler="MS")
        >>> mine.native_gates
        ('GPi', 'GPi2', 'MS')
    """

    name: str
    api_name: str
    n_qubits: int
    entangler: str
    accepts: tuple[str, ...] = ()
    error_1q: float | None = None
    error_2q: float | None = None
    error_spam: float | None = None
    time_1q_us: float | None = None
    time_2q_us: float | None = None
    depolarizing: tuple[float, float] | None = None
    signed_zz: bool = True

    def __post_init__(self) -> None:
        for attribute in ("name", "api_name"):
            value = getattr(self, attribute)
            if not isinstance(value, str) or not value:
                self._refuse(attribute, "text", value)
        if type(self.n_qubits) is not int or self.n_qubits < 1:
            self._refuse("n_qubits", "an integer of at least 1", self.n_qubits)
        if self.entangler not in ENTANGLERS:
            self._refuse("entangler", " or ".join(map(repr, ENTANGLERS)), self.entangler)
        accepts = tuple(self.accepts) or (self.entangler,)
        if self.entangler not in accepts or not set(accepts) <= set(ENTANGLERS):
            self._refuse("accepts", f"{self.entangler!r}, alone or with the other", self.accepts)
        object.__setattr__(self, "accepts", accepts)
        if self.depolarizing is not None:
            object.__setattr__(self, "depolarizing", tuple(self.depolarizing))  # JSON has lists
        for attribute in ("error_1q", "error_2q", "error_spam"):
            value = getattr(self, attribute)
            if value is not None and not (_is_number(value) and 0 <= value < 1):
                self._refuse(attribute, "a probability in [0, 1), or None", value)
        for attribute in ("time_1q_us", "time_2q_us"):
            value = getattr(self, attribute)
            if value is not None and not (_is_number(value) and 0 < value < math.inf):
                self._refuse(attribute, "a number of microseconds, or None", value)

    def _refuse(self, attribute: str, expected: str, received: object) -> None:
        raise ConfigurationError(
            describe(f"A target has an unusable {attribute}", expected=expected, received=received)
        )

    @property
    def native_gates(self) -> tuple[str, ...]:
        """Names, in the gate table, of the gates that the target takes."""
        return (*PULSES, *self.accepts)

    def check(self, n_qubits: int, gates: Iterable[str]) -> None:
        """Raises `CircuitError` where a circuit does not fit the target.

        Args:
            n_qubits: The circuit's number of qubits.
            gates: The names of its gates, in the gate table.

        Example:
            >>> lookup("forte-1").check(2, ["GPi2", "ZZ"])
        """
        if n_qubits > self.n_qubits:
            raise CircuitError(
                describe(
                    f"The circuit has too many qubits for {self.name}",
                    expected=f"at most {self.n_qubits}",
                    received=n_qubits,
                )
            )
        for position, gate in enumerate(gates):
            if gate not in self.native_gates:
                raise CircuitError(
                    describe(
                        f"Gate {gate!r} at position {position} is no native gate of {self.name}",
                        expected=", ".join(self.native_gates),
                        received=gate,
                        hint="Compile the circuit for this target",
                    )
                )

    def estimated_fidelity(self, n_1q: int, n_2q: int, n_measured: int = 0) -> float | None:
        """Returns a rough estimate of how often a circuit runs without any error.

        The product of one minus the errors: errors are taken as independent, idling costs
        nothing, and every two-qubit gate counts as a full one.

        Args:
            n_1q: Number of one-qubit gates.
            n_2q: Number of two-qubit gates.
            n_measured: Number of qubits whose preparation and measurement count too.

        Returns:
            A probability; None where an error that is needed is not published.

        Example:
            >>> round(lookup("forte-1").estimated_fidelity(65, 20), 3)
            0.899
            >>> lookup("forte-1").estimated_fidelity(65, 20, n_measured=6) is None
            True
        """
        fidelity = 1.0
        for count, error in (
            (n_1q, self.error_1q),
            (n_2q, self.error_2q),
            (n_measured, self.error_spam),
        ):
            if not count:
                continue
            if error is None:
                return None
            fidelity *= (1 - error) ** count
        return fidelity


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _aria(number: int, depolarizing: tuple[float, float]) -> Target:
    return Target(
        name=f"aria-{number}",
        api_name=f"qpu.aria-{number}",
        n_qubits=25,
        entangler="MS",
        error_1q=0.0005,
        error_2q=0.004,
        error_spam=0.0039,
        time_1q_us=135.0,
        time_2q_us=600.0,
        depolarizing=depolarizing,
    )


def _forte(name: str, depolarizing: tuple[float, float] | None) -> Target:
    return Target(
        name=name,
        api_name=f"qpu.{name}",
        n_qubits=36,
        entangler="ZZ",
        error_1q=0.00020,
        error_2q=0.00464,
        depolarizing=depolarizing,
    )


TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        _aria(1, (0.0005, 0.0133)),
        _aria(2, (0.000657333, 0.01856)),
        _forte("forte-1", (0.000266667, 0.004949333)),
        # The service has a noise model of this name, whose figures are not published.
        _forte("forte-enterprise-1", None),
        # Ideal unless a noise model is asked for. It takes the native gates of every machine, so
        # that circuits of either kind can be tried; ZZ first, because that is what today's have.
        Target(
            name="simulator",
            api_name="simulator",
            n_qubits=29,
            entangler="ZZ",
            accepts=ENTANGLERS,
            error_1q=0.0,
            error_2q=0.0,
            error_spam=0.0,
        ),
    )
}
_BY_API_NAME = {target.api_name: target for target in TARGETS.values()}


def lookup(target: str | Target) -> Target:
    """Returns the target of a name.

    Args:
        target: "forte-1", "qpu.forte-1" and the like, in any case, or a `Target`, which comes
            back as it is.

    Raises:
        ConfigurationError: There is no such target; the message lists those there are.

    Example:
        >>> lookup("qpu.aria-1").entangler
        'MS'
    """
    if isinstance(target, Target):
        return target
    name = target[:100].strip().casefold() if isinstance(target, str) else ""
    found = TARGETS.get(name) or _BY_API_NAME.get(name)
    if found is None:
        raise ConfigurationError(
            describe(
                "There is no such target of IonQ's",
                expected="the name of a target, with or without 'qpu.', or a Target",
                received=target,
                hint=did_you_mean(name, TARGETS, _BY_API_NAME),
            )
        )
    return found


# The noise models of the service's simulator (its OpenAPI document, October 2026), and the native
# entangler of the machine that each is of; None: the simulator's own.
NOISE_MODELS: dict[str, str | None] = {
    "ideal": None,
    **{name: machine.entangler for name, machine in TARGETS.items() if name != "simulator"},
    **dict.fromkeys(("harmony", "harmony-1", "harmony-2"), "MS"),
}


def check_noise(noise: str | None, target: Target) -> str | None:
    """Returns the name of a noise model, or None where none is named.

    Raises:
        ConfigurationError: There is no such model, or the target is a machine, which has its own
            noise.

    Example:
        >>> check_noise("aria-1", lookup("simulator"))
        'aria-1'
    """
    if noise is None:
        return None
    if noise not in NOISE_MODELS:
        raise ConfigurationError(
            describe(
                "There is no such noise model of IonQ's simulator",
                expected="the name of a noise model",
                received=noise,
                hint=did_you_mean(str(noise)[:100], NOISE_MODELS),
            )
        )
    if target.name != "simulator":
        raise ConfigurationError(
            describe(
                f"Noise models are the simulator's; {target.name} is a machine",
                expected="noise=None",
                received=noise,
                hint=f"To simulate it: target='simulator', noise={target.name!r}",
            )
        )
    return noise
