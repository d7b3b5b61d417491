"""Adaptive training beside fixed settings: accuracy, circuits, shots, gates and time.

Two tasks, both through `model.compile` and `model.fit`, with gradients by parameter shift from
shots:

* `digits`: scikit-learn's digits 0 to 3, 4 principal components scaled to [-pi/2, pi/2], a
  QuantumLayer of 4 qubits and depth 3 (24 angles) and Dense(4); 240 images, batches of 16,
  15 epochs of Adam at 0.05. Measured: the share of 480 other images that is classified rightly.
* `ising`: the ground state of the transverse-field Ising model on an open chain of 5 qubits,
  H = - sum Z_i Z_(i+1) - sum X_i, by the hardware-efficient ansatz of depth 4 (40 angles) from
  |0...0>; 150 steps of Adam at 0.1. Measured: how far the energy is above that of the ground state,
  as a share of its size.

The final weights are judged by exact expectation values at full depth, so that the noise of
judging is not in the table. Circuits, shots and gates are what the backend was asked for in
training, measurements of the gradient's noise included: a circuit is one row of one group of
observables, a gate is one gate of one shot.

Every setting trains from the same starts and on the same shuffles, one for each seed, so that
differences are taken seed by seed: mean and standard error of the difference to the reference,
which is the first row. The goal of a setting that adapts: the mean difference is no worse than one
standard error, with at least 25 % fewer shots or 30 % fewer gates. Fixed settings that are
as cheap stand beside them: what these reach as well is not owed to adapting.

Times leave out the first seed, in which TensorFlow traces the steps.

    python benchmarks/adaptive.py            # both, some ten minutes on one core
    python benchmarks/adaptive.py ising --seeds 3
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks import machine

RESULTS = Path(__file__).parent / "results" / "adaptive.md"
FEWER_SHOTS, FEWER_GATES = 0.25, 0.30


@dataclass(frozen=True)
class Setting:
    """What is compared: callbacks, and the fixed shots and depth that they start from."""

    name: str
    shots: int
    depth: int
    callbacks: Callable[[], list[Any]] = list
    adapts: bool = False


@dataclass(frozen=True)
class Outcome:
    """Of one setting and one seed."""

    result: float
    circuits: int
    shots: int
    gates: int
    seconds: float


@dataclass(frozen=True)
class Task:
    """A task: how its models are made and trained, and what comes out.

    Attributes:
        name: Its name.
        measure: What the result is.
        better: 1 where more is better, -1 where less is.
        settings: What is compared; the first is the reference.
        run: Trains one setting from one seed.
    """

    name: str
    measure: str
    better: int
    settings: Sequence[Setting]
    run: Callable[[Setting, int], Outcome]


def counted() -> Any:
    """The native backend, with what it was asked for counted as it runs."""
    import tensorflow as tf

    from qstore_tf import backends
    from qstore_tf.backends.base import BatchBackend

    class Counted(BatchBackend):
        name = "counted"

        def __init__(self) -> None:
            self.inner = backends.get("native")
            self.capabilities = self.inner.capabilities
            self.reset()

        def reset(self) -> None:
            self.circuits = self.shots = self.gates = 0

        def __eq__(self, other: object) -> bool:
            return self is other

        def __hash__(self) -> int:
            return id(self)

        def _expectation(self, batch: Any, observables: Any, seed: Any) -> Any:
            return self.inner.expectation(batch.program, observables, *batch.values, seed=seed)

        def _sample(self, batch: Any, shots: int, seed: Any) -> Any:
            n_gates = len(batch.program.gates)

            def count(rows: np.ndarray) -> np.ndarray:
                self.circuits += int(rows)
                self.shots += int(rows) * shots
                self.gates += int(rows) * shots * n_gates
                return rows

            rows = tf.numpy_function(count, [tf.shape(batch.inputs)[0]], tf.int32, stateful=True)
            with tf.control_dependencies([rows]):
                values = [tf.identity(value) for value in batch.values if value is not None]
            return self.inner.sample(batch.program, *values, shots=shots, seed=seed)

    return Counted()


class Trainee:
    """A model that is trained again and again from new starts; its traced steps are kept."""

    def __init__(self, model: Any, layer: Any, backend: Any) -> None:
        self.model, self.layer, self.backend = model, layer, backend

    def train(self, setting: Setting, seed: int, **data: Any) -> dict[str, float]:
        from tensorflow import keras

        generator = np.random.default_rng(seed)
        keras.utils.set_random_seed(seed)
        for weight in self.model.weights:
            if weight.name == "seed_and_calls":
                weight.assign([seed, 0])
            else:
                weight.assign(generator.uniform(-0.7, 0.7, weight.shape))
        optimizer = self.model.optimizer
        optimizer.build(self.model.trainable_variables)
        for variable in optimizer.variables:
            if "learning_rate" not in variable.name:
                variable.assign(np.zeros(variable.shape))
        self.backend.reset()
        begun = time.perf_counter()
        self.model.fit(callbacks=setting.callbacks(), verbose=0, **data)
        return {
            "seconds": time.perf_counter() - begun,
            "circuits": self.backend.circuits,
            "shots": self.backend.shots,
            "gates": self.backend.gates,
        }


def shots_and_depths(shots: Sequence[int], depth: int) -> list[Setting]:
    """The settings of a task, from the fewest to the most shots and the full depth."""
    from qstore_tf.callbacks import AdaptiveDepth, AdaptiveShots

    fewest, fewer, base, most = shots

    def by_progress() -> list[Any]:
        return [AdaptiveShots(base // 2, base, most)]

    def by_noise(ratio: float, every: int = 20) -> Callable[[], list[Any]]:
        return lambda: [AdaptiveShots(fewest, base, most, rule="snr", snr=ratio, every=every)]

    def by_depth(schedule: str, direction: str) -> Callable[[], list[Any]]:
        return lambda: [AdaptiveDepth(schedule=schedule, direction=direction)]

    adaptive = [
        Setting("shots by progress (v3.5)", most, depth, by_progress, True),
        Setting("shots by noise, snr 1", most, depth, by_noise(1.0), True),
        Setting("shots by noise, snr 2", most, depth, by_noise(2.0), True),
        *(
            Setting(
                f"depth {direction}, {schedule}", most, depth, by_depth(schedule, direction), True
            )
            for direction in ("down", "up")
            for schedule in ("linear", "step")
        ),
        Setting(
            "shots by progress, depth up, linear",
            most,
            depth,
            lambda: [*by_progress(), *by_depth("linear", "up")()],
            True,
        ),
    ]
    fixed = [Setting(f"{n} shots", n, depth) for n in (most, base, fewer, fewest)]
    shallow = [Setting(f"{most} shots, depth {depth - 1}", most, depth - 1)]
    return [fixed[0], *adaptive, *fixed[1:], *shallow]


def digits() -> Task:
    from sklearn.datasets import load_digits
    from sklearn.decomposition import PCA
    from sklearn.model_selection import train_test_split
    from tensorflow import keras

    from qstore_tf.layers import QuantumLayer

    loaded = load_digits(n_class=4)
    given, other, y, y_other = train_test_split(
        loaded.data, loaded.target, train_size=240, random_state=0, stratify=loaded.target
    )
    pca = PCA(4, random_state=0).fit(given)
    most = np.abs(pca.transform(given)).max(axis=0)
    x, x_other = (
        np.clip(pca.transform(part) / most, -1, 1).astype("float32") * np.float32(np.pi / 2)
        for part in (given, other)
    )
    trainees: dict[tuple[int, int], Trainee] = {}

    def made(shots: int | None, depth: int, backend: Any) -> tuple[Any, Any]:
        layer = QuantumLayer(4, depth, shots=shots, seed=0, backend=backend)
        model = keras.Sequential(
            [keras.Input((4,)), layer, keras.layers.Dense(4, activation="softmax")]
        )
        model.compile(
            keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"]
        )
        return model, layer

    def run(setting: Setting, seed: int) -> Outcome:
        key = setting.shots, setting.depth
        if key not in trainees:
            backend = counted()
            model, layer = made(*key, backend)
            trainees[key] = Trainee(model, layer, backend)
        trainee = trainees[key]
        found = trainee.train(setting, seed, x=x, y=y, batch_size=16, epochs=15)
        judge, _ = made(None, setting.depth, "native")
        judge.layers[0].theta.assign(trainee.layer.theta)
        judge.layers[1].set_weights(trainee.model.layers[1].get_weights())
        predicted = judge.predict(x_other[:480], verbose=0, batch_size=480).argmax(axis=1)
        return Outcome(float(np.mean(predicted == y_other[:480])), **found)

    return Task("digits", "accuracy", 1, shots_and_depths((4, 8, 16, 32), 3), run)


def ising() -> Task:
    from tensorflow import keras

    from qstore_tf.circuits import ansatz
    from qstore_tf.layers import QuantumLayer

    n_qubits, steps, epochs = 5, 15, 10
    pairs = [f"Z{q} Z{q + 1}" for q in range(n_qubits - 1)]
    hamiltonian = "-" + " - ".join(pairs + [f"X{q}" for q in range(n_qubits)])
    lowest = float(np.linalg.eigvalsh(ising_matrix(n_qubits))[0])
    nothing, targets = np.zeros((steps, 0), "float32"), np.zeros((steps, 1), "float32")
    trainees: dict[tuple[int, int], Trainee] = {}

    def made(shots: int | None, depth: int, backend: Any) -> tuple[Any, Any]:
        circuit = ansatz.hardware_efficient(n_qubits, depth=depth)
        layer = QuantumLayer(
            circuit=circuit, observables=hamiltonian, shots=shots, seed=0, backend=backend
        )
        model = keras.Sequential([keras.Input((0,)), layer])
        model.compile(keras.optimizers.Adam(0.1), loss=lambda target, energy: energy)
        return model, layer

    def run(setting: Setting, seed: int) -> Outcome:
        key = setting.shots, setting.depth
        if key not in trainees:
            backend = counted()
            model, layer = made(*key, backend)
            trainees[key] = Trainee(model, layer, backend)
        trainee = trainees[key]
        found = trainee.train(setting, seed, x=nothing, y=targets, batch_size=1, epochs=epochs)
        judge, layer = made(None, setting.depth, "native")
        layer.theta.assign(trainee.layer.theta)
        energy = float(judge(nothing[:1]).numpy()[0, 0])
        return Outcome((energy - lowest) / abs(lowest), **found)

    return Task("ising", "energy error", -1, shots_and_depths((8, 16, 64, 128), 4), run)


def ising_matrix(n_qubits: int) -> np.ndarray:
    """H as a matrix, qubit 0 the most significant bit."""
    pauli_x, pauli_z = np.array([[0, 1], [1, 0]]), np.diag([1, -1])

    def on(operators: dict[int, np.ndarray]) -> np.ndarray:
        total = np.eye(1)
        for q in range(n_qubits):
            total = np.kron(total, operators.get(q, np.eye(2)))
        return total

    pairs = sum(on({q: pauli_z, q + 1: pauli_z}) for q in range(n_qubits - 1))
    return -pairs - sum(on({q: pauli_x}) for q in range(n_qubits))


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error."""
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def table(task: Task, outcomes: dict[str, list[Outcome]]) -> str:
    """The task's table in Markdown."""
    reference = outcomes[task.settings[0].name]

    def with_error(values: Sequence[float], form: str) -> str:
        mean, error = mean_and_error(values)
        return f"{mean:{form}} ± {error:{form}}"

    def ratio(name: str, quantity: str) -> float:
        own, others = (
            np.mean([getattr(o, quantity) for o in part]) for part in (outcomes[name], reference)
        )
        return float(own / others)

    lines = [
        f"| setting | {task.measure} | difference | circuits / 1,000 | shots / 1,000 | gates / "
        "1,000,000 | seconds | shots saved | gates saved | goal |",
        "| --- " * 10 + "|",
    ]
    for setting in task.settings:
        found = outcomes[setting.name]
        differences = [a.result - b.result for a, b in zip(found, reference, strict=True)]
        mean, error = mean_and_error(differences)
        shots, gates = ratio(setting.name, "shots"), ratio(setting.name, "gates")
        as_good = task.better * mean >= -error
        cheap = 1 - shots >= FEWER_SHOTS or 1 - gates >= FEWER_GATES
        goal = ("reached" if as_good and cheap else "**missed**") if setting.adapts else ""
        if setting is task.settings[0]:
            goal = "reference"
        elif not setting.adapts and as_good and cheap:
            goal = "fixed, and as good"
        cells = [
            setting.name,
            with_error([o.result for o in found], ".4f"),
            with_error(differences, "+.4f").replace("± +", "± "),
            with_error([o.circuits / 1e3 for o in found], ".1f"),
            with_error([o.shots / 1e3 for o in found], ".0f"),
            with_error([o.gates / 1e6 for o in found], ".1f"),
            with_error([o.seconds for o in found[1:]], ".2f"),
            f"{1 - shots:.0%}",
            f"{1 - gates:.0%}",
            goal,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("task", nargs="?", choices=["digits", "ising"])
    parser.add_argument("--seeds", type=int, default=8, help="at least 3")
    parser.add_argument("--raw", help="a file for the numbers of every run, in JSON")
    parser.add_argument("--from", dest="given", help="make the page of such a file; run nothing")
    options = parser.parse_args()
    import tensorflow as tf
    from tensorflow import keras

    tf.get_logger().setLevel("ERROR")  # of steps traced once for each setting
    facts = {**machine.describe(), "tensorflow": tf.__version__, "keras": keras.__version__}
    if options.given:
        facts = json.loads(Path(options.given).read_text()).get("facts", facts)
    text = ["# Adaptive training", "", " - ".join(f"{k}: {v}" for k, v in facts.items()), ""]
    text += [(__doc__ or "").strip().split("\n\n    python")[0], ""]
    raw: dict[str, Any] = {"facts": facts}
    for make in (digits, ising):
        if options.task not in (None, make.__name__):
            continue
        task = make()
        outcomes: dict[str, list[Outcome]] = {setting.name: [] for setting in task.settings}
        if options.given:
            for name, found in json.loads(Path(options.given).read_text())[task.name].items():
                outcomes[name] = [Outcome(**outcome) for outcome in found]
        for seed in range(0 if options.given else options.seeds):
            for setting in task.settings:
                outcomes[setting.name].append(task.run(setting, seed + 1))
                done = outcomes[setting.name][-1]
                print(f"{task.name} {seed} {setting.name}: {asdict(done)}", file=sys.stderr)
        seeds = len(outcomes[task.settings[0].name])
        text += [f"## {task.name}", "", f"{seeds} seeds.", "", table(task, outcomes), ""]
        raw[task.name] = {name: [asdict(o) for o in found] for name, found in outcomes.items()}
    print("\n".join(text))
    if options.raw:
        Path(options.raw).write_text(json.dumps(raw))
    if options.task is None:
        RESULTS.write_text("\n".join(text))


if __name__ == "__main__":
    main()
