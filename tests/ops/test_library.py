"""The op library: loaded once, and a clear reason where it is not."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest

import qstore_tf
from qstore_tf import backends
from qstore_tf.circuits import compile_circuit, parse_observables
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import LibraryError
from qstore_tf.ops import library, native

PROGRAM = compile_circuit(UnifiedCircuit(1).add_gate("RX", 0, "x"), inputs=["x"])


@pytest.fixture
def fresh(monkeypatch):
    monkeypatch.setattr(library, "_module", None)
    monkeypatch.setattr(library, "_failure", None)
    return monkeypatch


def test_the_library_tells_what_it_is():
    status = library.status()
    assert status.loaded and status.reason is None and library.available()
    assert status.simd in ("base", "avx2", "avx512")
    assert status.version and "qstore" in status.version


def test_loading_twice_gives_the_same_module():
    assert library.load() is library.load()


def test_a_missing_file_is_named_with_the_command_that_builds_it(fresh, tmp_path):
    fresh.setattr(library, "PATH", tmp_path / "gone.so")
    assert not library.available()
    assert "gone.so" in (library.status().reason or "")
    with pytest.raises(LibraryError, match=r"gone\.so.*pip install.*backend='tensorflow'"):
        library.load()
    with pytest.raises(LibraryError):
        native.expectation(PROGRAM, parse_observables("Z", 1), np.zeros((1, 1)), [])
    with pytest.raises(LibraryError):
        backends.get("native")


def test_a_file_that_does_not_load_gives_the_reason(fresh, tmp_path):
    bad = tmp_path / "bad.so"
    bad.write_bytes(b"not a library")
    fresh.setattr(library, "PATH", bad)
    status = library.status()
    assert not status.loaded and "does not load in TensorFlow" in (status.reason or "")


def test_importing_the_package_loads_it_and_bears_one_that_does_not_load(fresh, tmp_path):
    importlib.reload(qstore_tf)
    assert library._module is not None
    bad = tmp_path / "bad.so"
    bad.write_bytes(b"not a library")
    fresh.setattr(library, "_module", None)
    fresh.setattr(library, "PATH", bad)
    importlib.reload(qstore_tf)
    assert library._module is None and "bad.so" in library._failure


def test_auto_falls_back_and_says_so_once(monkeypatch, caplog):
    monkeypatch.setenv(library.DISABLE, "1")
    monkeypatch.setattr(backends.registry, "_said", set())
    with caplog.at_level("WARNING", logger="qstore_tf"):
        assert backends.get("auto").name == "tensorflow"
        assert backends.get("auto").name == "tensorflow"
        assert backends.get("local_cpu").name == "tensorflow"
    said = [r.getMessage() for r in caplog.records if r.name == "qstore_tf"]
    assert len(said) == 1 and library.DISABLE in said[0]
    assert library.DISABLE in (backends.available()["native"] or "")
    monkeypatch.setenv(library.DISABLE, "0")
    assert backends.get("auto").name == "native"
    assert backends.available()["native"] is None


@pytest.mark.slow
def test_everything_imports_and_runs_without_the_library():
    code = (
        "import numpy as np, qstore_tf as qs\n"
        "from qstore_tf.execution import build_expectation\n"
        "from qstore_tf.circuits import *\n"
        "p = compile_circuit(UnifiedCircuit(1).add_gate('RX', 0, 'x'), inputs=['x'])\n"
        "f = build_expectation(p, parse_observables('Z', 1))\n"
        "assert abs(float(f(np.zeros((1, 1)), np.zeros(0))[0, 0]) - 1) < 1e-12\n"
        "assert qs.backends.get().name == 'tensorflow'\n"
    )
    environment = {**os.environ, library.DISABLE: "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
