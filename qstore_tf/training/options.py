"""What the user asked `qstore train` for, checked before TensorFlow is imported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

from qstore_tf import limits
from qstore_tf.circuits.ansatz import entangling_pairs, get_ansatz
from qstore_tf.circuits.encodings import ENCODINGS
from qstore_tf.circuits.observables import parse_observables
from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.training.data import check_source

MAX_QUBITS = 28

# By data set: an epoch over Fashion-MNIST is 42 times one over digits.
_EPOCHS = {"digits": 40, "fashion_mnist": 4}
_EPOCHS_OF_A_FILE = 20


@dataclass(frozen=True)
class CircuitOptions:
    """The circuit of one quantum layer, as `qstore train` and `qstore draw` share it."""

    qubits: int = 6
    depth: int = 10
    entanglement: str = "circular"
    encoding: str = "amplitude"
    ansatz: str = "hardware_efficient"

    def check(self) -> None:
        """Raises `ConfigurationError` for the first option that cannot be used."""
        _check_range("--qubits", self.qubits, 1, MAX_QUBITS)
        _check_range("--depth", self.depth, 0, 1000)
        entangling_pairs(self.entanglement, self.qubits)
        get_ansatz(self.ansatz)
        if self.encoding not in ENCODINGS:
            raise ConfigurationError(
                describe(
                    "Unknown encoding",
                    expected=f"one of {', '.join(ENCODINGS)}",
                    received=self.encoding,
                    hint=did_you_mean(self.encoding, ENCODINGS),
                )
            )


@dataclass(frozen=True)
class TrainOptions:
    """Everything that decides a training run.

    Attributes:
        data: `digits`, `fashion_mnist` or a file.
        circuit: the quantum layer's circuit.
        observables: `z`, `zz`, `z+zz`, or Pauli strings, separated by commas.
        backend: name of the backend.
        gradient: name of the gradient method.
        pca: number of principal components, `None` for as many features as fit.
        epochs: passes over the training data, `None` for the data set's default.
        batch_size: samples per step.
        learning_rate: Adam's learning rate in the first step; falls to 0 along a cosine.
        seed: decides the split, the first weights and the order of the samples.
        log_dir: TensorBoard's folder, `None` for one below the model folder.
        model_dir: where the model and the pictures go, `None` for one below `runs/`.
        verbose: Keras's progress bar (1), a line an epoch (2) or nothing (0).
    """

    data: str = "digits"
    circuit: CircuitOptions = CircuitOptions()
    observables: str = "z+zz"
    backend: str = "auto"
    gradient: str = "auto"
    pca: int | None = None
    epochs: int | None = None
    batch_size: int = 32
    learning_rate: float = 0.05
    seed: int = 0
    log_dir: str | None = None
    model_dir: str | None = None
    verbose: int = 1

    def check(self) -> None:
        """Raises `ConfigurationError` for the first option that cannot be used."""
        check_packages()
        check_source(self.data)
        self.circuit.check()
        observable_strings(self.observables, self.circuit.qubits)
        _check_range("--batch", self.batch_size, 1, 1_000_000)
        _check_range("--seed", self.seed, 0, 2**31 - 1)
        if self.epochs is not None:
            _check_range("--epochs", self.epochs, 1, 100_000)
        if not 0.0 < self.learning_rate <= 10.0:
            raise ConfigurationError(
                describe(
                    "--learning-rate is out of range",
                    expected="a number above 0, at most 10",
                    received=self.learning_rate,
                )
            )
        for option, folder in (("--model-dir", self.model_dir), ("--log-dir", self.log_dir)):
            if folder is not None and Path(folder).exists() and not Path(folder).is_dir():
                raise ConfigurationError(
                    describe(f"{option} names a file", expected="a folder", received=folder)
                )

    @property
    def resolved_epochs(self) -> int:
        """The number of epochs, the data set's default where none was given."""
        if self.epochs is not None:
            return self.epochs
        return _EPOCHS.get(self.data, _EPOCHS_OF_A_FILE)

    def folders(self, now: datetime) -> tuple[Path, Path]:
        """The model folder and TensorBoard's folder of a run that starts now."""
        run = f"{Path(self.data).stem}-{now:%Y%m%d-%H%M%S}"
        model = Path(self.model_dir) if self.model_dir else Path("runs") / run
        logs = Path(self.log_dir) if self.log_dir else model / "logs"
        return model, logs


def observable_strings(option: str, n_qubits: int) -> list[str]:
    """Turns the value of `--observables` into one Pauli string per observable.

    Args:
        option: parts joined by commas: `z` (Z on each qubit), `zz` (Z Z on each pair of qubits),
            `z+zz` (both), or a Pauli string or sum such as `XXIIII` or `0.5 X0 Y1 + Z2`.
        n_qubits: number of qubits.

    Raises:
        ConfigurationError: if there is nothing to measure.
        ObservableError: if a Pauli string cannot be read or does not fit the qubits.

    >>> observable_strings("z+zz", 3)
    ['ZII', 'IZI', 'IIZ', 'ZZI', 'ZIZ', 'IZZ']
    """
    limits.QUBITS.check(n_qubits, "A circuit")
    pairs = n_qubits * (n_qubits - 1) // 2 if "zz" in option.lower() else 0
    # Each is written out with a letter for each qubit.
    limits.CELLS.check((n_qubits + pairs) * n_qubits, "--observables")
    strings: list[str] = []
    for part in filter(None, (part.strip() for part in option.split(","))):
        names = [name.strip().lower() for name in part.split("+")]
        # On two qubits the Pauli string ZZ and the shorthand mean the same.
        if set(names) <= {"z", "zz"}:
            for name in names:
                strings += _all_z(n_qubits) if name == "z" else _all_zz(n_qubits)
        else:
            strings.append(part.upper())
    if not strings:
        raise ConfigurationError(
            describe(
                "There is nothing to measure",
                expected="z, zz, z+zz or Pauli strings separated by commas"
                + (" (zz needs two qubits)" if n_qubits < 2 else ""),
                received=option,
                hint="Use --observables z.",
            )
        )
    for string in strings:
        parse_observables([string], n_qubits)
    return strings


def _all_z(n_qubits: int) -> list[str]:
    return [_z_string(n_qubits, (q,)) for q in range(n_qubits)]


def _all_zz(n_qubits: int) -> list[str]:
    return [_z_string(n_qubits, (a, b)) for a in range(n_qubits) for b in range(a + 1, n_qubits)]


def _z_string(n_qubits: int, qubits: tuple[int, ...]) -> str:
    return "".join("Z" if q in qubits else "I" for q in range(n_qubits))


def check_packages() -> None:
    """Raises `ConfigurationError` if a package that only training needs is not installed."""
    needed = {"sklearn": "scikit-learn", "tensorboard": "tensorboard", "matplotlib": "matplotlib"}
    missing = [package for module, package in needed.items() if find_spec(module) is None]
    if missing:
        raise ConfigurationError(
            describe(
                f"Training needs packages that are not installed: {', '.join(missing)}",
                hint=f"Install them with: pip install {' '.join(missing)}",
            )
        )


def _check_range(option: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise ConfigurationError(
            describe(
                f"{option} is out of range",
                expected=f"a whole number from {low} to {high}",
                received=value,
            )
        )
