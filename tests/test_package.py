"""What `import qstore_tf` gives, and what it needs."""

import subprocess
import sys
from pathlib import Path

import pytest

import qstore_tf as qs

ROOT = Path(__file__).parents[1]


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_front_door_has_what_it_names() -> None:
    for name in qs.__all__:
        assert getattr(qs, name) is not None
        assert name in dir(qs)
    assert qs.UnifiedCircuit is qs.circuits.UnifiedCircuit
    assert qs.__version__[0].isdigit()
    with pytest.raises(AttributeError, match="layer"):
        _ = qs.layer


def test_circuits_work_where_tensorflow_is_not_installed() -> None:
    code = """
import importlib.util, sys
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "tensorflow" else find_spec(name)
sys.modules["tensorflow"] = None
import qstore_tf as qs
circuit = qs.UnifiedCircuit(1).add_gate("RX", 0, "x")
print(circuit.parameters, circuit.bind({"x": 0.0}).unitary()[0, 0].real)
"""
    assert run(code).split() == ["('x',)", "1.0"]


@pytest.mark.slow
def test_importing_the_package_registers_the_layers_with_keras() -> None:
    code = """
import qstore_tf
from tensorflow import keras
print(keras.utils.get_registered_object("qstore_tf>QuantumLayer").__name__)
"""
    assert run(code).split() == ["QuantumLayer"]


def test_the_command_starts_without_tensorflow() -> None:
    code = """
import runpy, sys
sys.argv[0] = "/somewhere/bin/qstore"
import qstore_tf
print("tensorflow" in sys.modules)
"""
    assert run(code).split() == ["False"]


@pytest.mark.slow
def test_a_script_of_the_same_name_is_not_the_command() -> None:
    code = """
import sys
sys.argv[0] = "/somewhere/qstore.py"
import qstore_tf
print("tensorflow" in sys.modules)
"""
    assert run(code).split() == ["True"]
