"""Models come back in a fresh process, from each of Keras's formats, with the same outputs."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import cirq
import numpy as np
import pytest
import sympy
import tensorflow as tf
from tensorflow import keras

from qstore_tf import UnifiedCircuit
from qstore_tf.backends import TensorFlow
from qstore_tf.errors import ConfigurationError, ConversionError, ObservableError
from qstore_tf.gradients import ParameterShift
from qstore_tf.layers import AmplitudeEncoding, AngleEncoding, ExpectationValue, QuantumLayer
from qstore_tf.testing.extras import needs_extra

X = np.random.default_rng(0).normal(size=(5, 6)).astype("float32")


def custom_circuit() -> cirq.Circuit:
    qubits = cirq.LineQubit.range(2)
    x, y, w = sympy.symbols("x y w")
    return cirq.Circuit(
        cirq.rx(x)(qubits[0]),
        cirq.ry(0.5 * y + 0.1)(qubits[1]),
        cirq.MatrixGate(cirq.testing.random_unitary(4, random_state=1))(*qubits),
        cirq.ZPowGate(exponent=w)(qubits[1]).controlled_by(qubits[0]),
        cirq.rx(w)(qubits[0]),
    )


def make_model() -> keras.Model:
    """Two branches: a chain of layers, and a circuit of one's own behind a Dense."""
    inputs = keras.Input((6,))
    state = AmplitudeEncoding(3)(inputs)
    state = QuantumLayer(depth=2)(state)
    state = QuantumLayer(3, entanglement=[(0, 2)])(state)
    chain = ExpectationValue([cirq.Z] * 3)(state)
    hidden = keras.layers.Dense(2, activation="tanh")(inputs)
    own = QuantumLayer(
        circuit=custom_circuit(),
        inputs=["y", "x"],
        observables=cirq.Z(cirq.LineQubit(0)) + 0.5 * cirq.X(cirq.LineQubit(1)),
        backend=TensorFlow(),
        gradient=ParameterShift(),
    )(hidden)
    angles = ExpectationValue("X")(AngleEncoding(2, "y")(hidden))
    free = QuantumLayer(observables=["XY", "ZI"])(hidden)
    outputs = keras.layers.Concatenate()([chain, own, angles, free])
    return keras.Model(inputs, keras.layers.Dense(2)(outputs))


def in_fresh_process(code: str, *arguments: str) -> str:
    run = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        cwd=Path(__file__).parents[2],
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


@pytest.mark.slow
def test_every_format_reloads_in_a_fresh_process(tmp_path: Path) -> None:
    model = make_model()
    model.compile("adam", "mse")
    model.fit(X, X[:, :2], epochs=2, verbose=0)
    np.savez(tmp_path / "data.npz", x=X, y=model.predict(X, verbose=0))
    model.save(tmp_path / "model.keras")
    model.save(tmp_path / "model.h5")
    model.export(tmp_path / "saved_model", verbose=False)
    model.save_weights(tmp_path / "model.weights.h5")
    (tmp_path / "model.json").write_text(model.to_json())

    code = """
import sys, pathlib, numpy as np
import qstore_tf as qs
import tensorflow as tf
from tensorflow import keras

folder = pathlib.Path(sys.argv[1])
data = np.load(folder / "data.npz")
# First of all: nothing but the import may be needed for the ops to be there.
saved_model = tf.saved_model.load(str(folder / "saved_model"))
np.testing.assert_allclose(saved_model.serve(data["x"]), data["y"], atol=1e-5)
served = keras.layers.TFSMLayer(str(folder / "saved_model"), call_endpoint="serve")
np.testing.assert_allclose(served(data["x"]), data["y"], atol=1e-5)
loaded = {
    "keras": keras.models.load_model(folder / "model.keras"),
    "h5": keras.models.load_model(folder / "model.h5", compile=False),
    "json": keras.models.model_from_json((folder / "model.json").read_text()),
}
loaded["json"].load_weights(folder / "model.weights.h5")
for name, model in loaded.items():
    np.testing.assert_allclose(model.predict(data["x"], verbose=0), data["y"], atol=1e-5)
loaded["keras"].fit(data["x"], data["y"], verbose=0)
print("reloaded", sorted(loaded))
"""
    assert "reloaded" in in_fresh_process(code, str(tmp_path))


@pytest.mark.slow
def test_a_saved_model_serves_any_batch_size(tmp_path: Path) -> None:
    model = make_model()
    model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(tmp_path / "served"))
    for size in (0, 1, 5):
        np.testing.assert_allclose(served.serve(X[:size]), model(X[:size]), atol=1e-5)


def on_backend(backend: str, **options: Any) -> keras.Model:
    keras.utils.set_random_seed(1)
    layer = QuantumLayer(
        2, 1, encoding="angle", observables="Z", backend=backend, gradient="parameter_shift",
        name="circuit", **options,
    )  # fmt: skip
    return keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "options"),
    [
        ("ionq_simulator", {}),
        ("ionq_simulator", {"shots": 9}),
        ("qsim", {}),
        ("qsim", {"shots": 9}),
    ],
    ids=str,
)
def test_what_could_be_loaded_nowhere_else_is_not_exported(
    tmp_path: Path, backend: str, options: dict[str, Any]
) -> None:
    if backend == "ionq_simulator":
        needs_extra("httpx")
    model = on_backend(backend, **options)
    words = "Layer 'circuit' cannot be exported.*native.*model.save"
    with pytest.raises(ConfigurationError, match=words):
        model.export(tmp_path / "exported", verbose=False)
    with pytest.raises(ConfigurationError, match=words):
        tf.saved_model.save(model, str(tmp_path / "saved"))
    assert not list(tmp_path.rglob("*.pb"))
    # All else that saves it does.
    model.save(tmp_path / "model.keras")
    keras.models.load_model(tmp_path / "model.keras")
    tf.train.Checkpoint(model=model).write(str(tmp_path / "checkpoint"))
    # And what the error says to do works.
    native = on_backend("auto")
    for own, other in zip(native.trainable_variables, model.trainable_variables, strict=True):
        own.assign(other + 0.1)
    native.export(tmp_path / "native", verbose=False)
    loaded = tf.saved_model.load(str(tmp_path / "native"))
    np.testing.assert_allclose(loaded.serve(X[:, :2]), native(X[:, :2]), atol=1e-5)


def test_a_clone_has_the_same_structure_and_weights_of_its_own() -> None:
    model = make_model()
    clone = keras.models.clone_model(model)
    for one, other in zip(clone.layers[1:], model.layers[1:], strict=True):
        assert type(one) is type(other) and one.get_config() == other.get_config()
    clone.set_weights([weight + 1 for weight in model.get_weights()])
    assert np.abs(clone(X) - model(X)).max() > 1e-3
    clone.set_weights(model.get_weights())
    np.testing.assert_allclose(clone(X), model(X), atol=1e-6)


def test_weights_do_not_load_into_another_depth(tmp_path: Path) -> None:
    deep, shallow = (
        keras.Sequential([keras.Input((2,)), QuantumLayer(2, depth)]) for depth in (2, 1)
    )
    deep.save_weights(tmp_path / "deep.weights.h5")
    with pytest.raises(ValueError):
        shallow.load_weights(tmp_path / "deep.weights.h5")


def edit_config(source: Path, target: Path, **changes: object) -> None:
    """Rewrites the configuration of the quantum layer in a .keras file."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                for layer in config["config"]["layers"]:
                    if layer["class_name"] == "QuantumLayer":
                        layer["config"].update(changes)
                content = json.dumps(config).encode()
            new.writestr(name, content)


def test_a_model_file_from_a_newer_version_says_so(tmp_path: Path) -> None:
    circuit = UnifiedCircuit(1).add_gate("RX", 0, "x")
    layer = QuantumLayer(circuit=circuit, inputs=["x"])
    keras.Sequential([keras.Input((1,)), layer]).save(tmp_path / "old.keras")

    edit_config(tmp_path / "old.keras", tmp_path / "new.keras", version=99)
    with pytest.raises(ConfigurationError, match="newer version.*99.*[Uu]pgrade"):
        keras.models.load_model(tmp_path / "new.keras")

    newer = {**layer.get_config()["circuit"], "version": 99}
    edit_config(tmp_path / "old.keras", tmp_path / "circuit.keras", circuit=newer)
    with pytest.raises(ConversionError, match="version 99.*Upgrade"):
        keras.models.load_model(tmp_path / "circuit.keras")

    observable = {"version": 99, "terms": [[1.0, [[0, "Z"]]]]}
    edit_config(tmp_path / "old.keras", tmp_path / "observable.keras", observables=[observable])
    with pytest.raises(ObservableError, match="newer"):
        keras.models.load_model(tmp_path / "observable.keras")


@pytest.mark.parametrize(
    "layer_class", [QuantumLayer, AmplitudeEncoding, AngleEncoding, ExpectationValue]
)
def test_each_layer_refuses_a_configuration_from_a_newer_version(layer_class: type) -> None:
    with pytest.raises(ConfigurationError, match="newer version"):
        layer_class.from_config({"n_qubits": 2, "version": 2})
