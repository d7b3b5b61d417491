"""The public face of layers: nothing outside reaches past it, and it says what it says."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import qstore_tf
from qstore_tf import backends, layers
from qstore_tf.backends import Capabilities
from qstore_tf.circuits import UnifiedCircuit
from qstore_tf.layers import AngleEncoding, ExpectationValue, QuantumLayer, inspection

PACKAGE = Path(qstore_tf.__file__).parent
PUBLIC = {"qstore_tf.layers", "qstore_tf.layers.inspection"}
# What layers are made of, which knows nothing of them.
BELOW = (
    *("errors", "limits", "caching", "circuits", "cc", "ionq", "store"),
    *("ops", "backends", "gradients", "execution"),
)


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {dotted(path): path for path in sorted(PACKAGE.rglob("*.py"))}
INSIDE = {name for name in MODULES if f"{name}.".startswith("qstore_tf.layers.")}


@cache
def parsed(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module of the package that is imported, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name the whole path"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name if name in MODULES else name.rpartition(".")[0]


def part_of(name: str) -> str:
    return [*name.split("."), ""][1]


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@cache
def private_names_of_layers() -> set[str]:
    """Private attributes that classes in layers/ have: set on self, defined, or declared."""
    found = set()
    for name in INSIDE:
        for node in ast.walk(parsed(name)):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                found.add(node.attr)
            elif isinstance(node, ast.ClassDef):
                for part in node.body:
                    if isinstance(part, ast.FunctionDef):
                        found.add(part.name)
                    elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
                        found.add(part.target.id)
    return {name for name in found if is_private(name)}


OTHERS = sorted(name for name in set(MODULES) - INSIDE if part_of(name) not in BELOW)


@pytest.mark.parametrize("name", OTHERS)
def test_other_modules_use_only_the_public_face_of_layers(name: str) -> None:
    tree = parsed(name)
    past = {found for found in imported(tree) if found in INSIDE - PUBLIC}
    assert not past, f"{name} imports {past}: what it needs belongs into layers/inspection.py"
    private = private_names_of_layers()
    reached = {
        f"line {node.lineno}: .{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in private
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
        and not (isinstance(node.value, ast.Call) and ast.unparse(node.value.func) == "super")
    }
    assert not reached, f"{name} reaches into layers: {reached}"


def test_the_check_of_private_names_sees_those_of_layers() -> None:
    assert {"_run_options", "_circuit_options", "_evolution", "_drawn"} <= private_names_of_layers()


def test_layers_optimizers_and_callbacks_import_in_one_direction_in_functions_too() -> None:
    graph = {
        name: {other for other in imported(parsed(name)) if other != name}
        for name in MODULES
        if part_of(name) in ("layers", "optimizers", "callbacks")
    }
    trail: list[str] = []
    done: set[str] = set()

    def visit(name: str) -> None:
        assert name not in trail, "import circle: " + " -> ".join([*trail, name])
        if name in done:
            return
        trail.append(name)
        for other in sorted(graph.get(name, ())):
            visit(other)
        trail.pop()
        done.add(name)

    for name in graph:
        visit(name)


def test_every_function_of_the_face_is_in_its_table() -> None:
    text = inspection.__doc__ or ""
    here = [name for name in vars(inspection) if callable(getattr(inspection, name))]
    for name in here:
        if getattr(inspection, name).__module__.startswith("qstore_tf.layers"):
            assert f"`{name}" in text or name in ("RunOptions", "Seeds"), name


def test_layers_say_what_they_were_asked_for() -> None:
    layer = QuantumLayer(3, 2, encoding="amplitude", backend="tensorflow", shots=7)
    options = layer.run_options
    assert (options.backend, options.gradient, options.shots) == ("tensorflow", "auto", 7)
    assert options.resolved.name == "tensorflow" and options.has_states
    circuit = layer.circuit_options
    assert (circuit.n_qubits, circuit.depth, circuit.encoding) == (3, 2, "amplitude")
    assert circuit.circuit is None and circuit.inputs == ()
    for name in layers.__all__:
        assert "run_options" in dir(getattr(layers, name))


@pytest.mark.parametrize(
    ("encoding", "shape", "encoded"),
    [("angle", (None, 2), True), ("amplitude", (None, 4), False), ("angle", None, False)],
)
def test_the_circuit_comes_with_the_gates_of_its_encoding(encoding, shape, encoded) -> None:
    layer = QuantumLayer(2, 1, encoding=encoding)
    if shape is not None:
        layer(np.ones((1, shape[1]), "float32"))
    gates = layer.circuit_with_encoding()
    assert gates.parameters[:2] == (("x_0", "x_1") if encoded else layer.circuit.parameters[:2])
    assert gates.parameters[-4:] == layer.circuit.parameters


def test_a_layer_fed_with_states_has_no_gates_of_an_encoding() -> None:
    layer = QuantumLayer(2, 1)
    layer(AngleEncoding(2)(np.ones((1, 2), "float32")))
    assert layer.circuit_with_encoding().parameters == layer.circuit.parameters


class NoStates(backends.get("tensorflow").__class__):  # type: ignore[misc]
    name = "no_states"
    capabilities = Capabilities(state_vector=False, exact=True, adjoint=False)


def measured(layer: QuantumLayer, x: np.ndarray) -> inspection.Measurement:
    with inspection.recording_measurements() as found:
        layer(x)
    return found[0]


@pytest.mark.parametrize("options", [{}, {"shots": 5, "seed": 1}, {"backend": NoStates()}])
@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
def test_backends_take_the_arguments_of_a_run(options: dict, encoding: str) -> None:
    x = np.random.default_rng(0).normal(size=(3, 2)).astype("float32")
    layer = QuantumLayer(2, 1, encoding=encoding, **options)
    run = measured(layer, x).run
    program, inputs, initial, shots = inspection.backend_arguments(run)
    assert shots == options.get("shots")
    given = encoding == "amplitude" and not options
    assert (initial is not None) == given == program.has_initial
    observables = layer.circuit_options.observables(2)
    want = QuantumLayer(2, 1, encoding=encoding)
    want(x)
    want.theta.assign(layer.theta)
    found = backends.get("tensorflow").expectation(
        program, observables, inputs, run.values.theta, initial
    )
    np.testing.assert_allclose(found, want(x), atol=1e-5)


def test_runs_are_repeated_on_other_numbers() -> None:
    x = np.ones((3, 2), "float32")
    layer, measure = QuantumLayer(2, 1), ExpectationValue("Z")
    found = measured(layer, x)
    values = inspection.Values(tf.zeros([5, 2]), found.run.values.theta)
    run = inspection.Run(found.run.program, values, found.run.options)
    again = inspection.expectation(run, found.observables)
    np.testing.assert_allclose(again, layer(np.zeros((5, 2), "float32")), atol=1e-6)
    np.testing.assert_allclose(measure(inspection.state_vectors(run)), again, atol=1e-6)


def test_seeds_are_fixed_and_only_where_something_is_drawn() -> None:
    assert inspection.fixed_seeds(QuantumLayer(2).run_options) is None
    drawn = [inspection.fixed_seeds(QuantumLayer(2, shots=3).run_options).next() for _ in range(2)]
    np.testing.assert_array_equal(*drawn)


def test_circuits_of_ones_own_are_shown_as_they_are() -> None:
    own = UnifiedCircuit(1).add_gate("RX", 0, "x").add_gate("RY", 0, "w")
    layer = QuantumLayer(circuit=own, inputs=["x"])
    assert layer.circuit_options.circuit is not None and layer.circuit_options.inputs == ("x",)
    layer(np.ones((1, 1), "float32"))
    assert layer.circuit_with_encoding().parameters == ("x", "w")
