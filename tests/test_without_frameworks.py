"""What promises no framework works in a process where none can be imported."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.test_import_order import dotted, is_free_of_frameworks, modules

ROOT = Path(__file__).parents[1]
SIMULATORS = {"qsim": "qsimcirq", "lightning": "pennylane_lightning", "qulacs": "qulacs"}

BLOCKED = """
import sys

FRAMEWORKS = ("tensorflow", "keras", "tf_keras", "torch", "jax")

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in FRAMEWORKS:
            raise ImportError(f"{name} must not be imported here")

sys.meta_path.insert(0, Refuse())
"""


def run(code: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + code, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
def test_every_free_module_is_imported_by_itself_alone() -> None:
    names = [dotted(path) for path in modules() if is_free_of_frameworks(dotted(path))]
    assert {"qstore_tf.shifts.rules", "qstore_tf.backends.arrays.qsim"} <= set(names)
    code = """
import importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
assert not set(FRAMEWORKS) & set(sys.modules)
"""
    run(code, *names)


@pytest.mark.slow
@pytest.mark.parametrize("name", SIMULATORS)
def test_a_simulator_runs_a_circuit_and_differentiates_it(name: str) -> None:
    if find_spec(SIMULATORS[name]) is None:
        assert name not in os.environ.get("QSTORE_REQUIRE_BACKENDS", "").split(",")
        pytest.skip(f"{SIMULATORS[name]} is not installed")
    code = """
import numpy as np
import qstore_tf as qs
from qstore_tf.backends import arrays
from qstore_tf.circuits import compile_circuit, parse_observables, reference

circuit = qs.UnifiedCircuit(3).add_gate("RX", 0, "x").add_gate("RY", 1, "2*a + 0.1")
circuit.add_gate("CX", [0, 1]).add_gate("CRZ", [1, 2], "b").add_gate("H", 2).add_gate("RY", 0, "a")
program = compile_circuit(circuit, inputs=["x"])
sums = parse_observables(["Z0", "X1 Y2 - 0.5 Z2", "Z0 Z2"], 3)
rng = np.random.default_rng(0)
inputs, theta = rng.normal(size=(4, 1)), rng.normal(size=2)

backend = arrays.get(sys.argv[1])
dtype = "float64" if "float64" in backend.capabilities.dtypes else "float32"
close = 1e-9 if dtype == "float64" else 1e-5
batch = arrays.as_batch(program, inputs.astype(dtype), theta)
backend.check(program)
for found, expected in (
    (backend.expectation(batch, sums), reference.expectation(program, sums, inputs, theta)),
    (backend.state_vector(batch), reference.state_vector(program, inputs, theta)),
    (backend.probabilities(batch), abs(reference.state_vector(program, inputs, theta)) ** 2),
):
    np.testing.assert_allclose(found, expected, atol=close)
    assert found.dtype in (dtype, "complex128" if dtype == "float64" else "complex64")
draws = backend.sample(batch, 5, [1, 2])
assert draws.shape == (4, 5) and draws.dtype == np.int64
np.testing.assert_array_equal(draws, backend.sample(batch, 5, [1, 2]))

if backend.capabilities.adjoint:
    weights = rng.normal(size=(4, 3))
    found = backend.pull_expectation(batch, sums, weights)
    def loss(x, t):
        return np.sum(weights * reference.expectation(program, sums, x, t))
    for k in range(2):
        step = 1e-5 * np.eye(2)[k]
        slope = (loss(inputs, theta + step) - loss(inputs, theta - step)) / 2e-5
        np.testing.assert_allclose(found.theta[k], slope, atol=1e-6)
    for k in range(4):
        step = 1e-5 * np.eye(4)[k][:, None]
        slope = (loss(inputs + step, theta) - loss(inputs - step, theta)) / 2e-5
        np.testing.assert_allclose(found.inputs[k, 0], slope, atol=1e-6)
assert not set(FRAMEWORKS) & set(sys.modules)
"""
    run(code, name)


def test_what_needs_tensorflow_says_so() -> None:
    code = """
import json
from qstore_tf import backends
from qstore_tf.errors import LibraryError

found = {}
for name in ("qsim", "native", "auto"):
    try:
        backends.get(name)
    except LibraryError as error:
        found[name] = str(error)
print(json.dumps([found, backends.available()]))
"""
    messages, reasons = json.loads(run(code))
    assert set(messages) == {"qsim", "native", "auto"}
    for message in messages.values():
        assert "need TensorFlow" in message and "qstore_tf.backends.arrays.get(name)" in message
    assert all("TensorFlow cannot be imported" in reason for reason in reasons.values())
