"""Names become backends, and wrong ones get near matches."""

import logging
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.backends import Backend, Capabilities, Native, TensorFlow, extras, registry
from qstore_tf.circuits import compile_circuit, parse_observables
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, LibraryError

PROGRAM = compile_circuit(UnifiedCircuit(1).add_gate("RX", 0, "x"), inputs=["x"])


class Counts(Backend):
    name = "counts"
    capabilities = Capabilities(state_vector=False, exact=False, adjoint=False)

    def expectation(self, program, observables, inputs, theta, initial_state=None):
        return tf.zeros([tf.shape(inputs)[0], len(observables)])


def test_names_and_aliases_give_backends():
    assert backends.get() == Native()
    assert backends.get("native", num_threads=2) == Native(num_threads=2) != Native()
    assert isinstance(backends.get("local_cpu"), Native)
    assert backends.get("local_cpu", num_threads=2) == Native(num_threads=2)
    assert backends.get("qsim").name == "qsim"
    assert backends.get("tensorflow") == TensorFlow() and len({TensorFlow(), TensorFlow()}) == 1
    assert repr(backends.get("native", num_threads=2)) == "Native(num_threads=2)"
    chosen = TensorFlow()
    assert backends.get(chosen) is chosen


def test_a_visible_gpu_makes_auto_choose_tensorflow(monkeypatch, caplog):
    monkeypatch.setattr(
        tf.config, "get_visible_devices", lambda kind=None: ["gpu"] if kind == "GPU" else []
    )
    monkeypatch.setattr(registry, "_said", set())
    with caplog.at_level(logging.WARNING, logger="qstore_tf"):
        assert backends.get("auto").name == "tensorflow"
    assert "GPU" in caplog.text
    assert backends.get("native").name == "native"


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (("natve",), {}, "There is no backend 'natve'.*Did you mean 'native'"),
        ((3,), {}, "expected|Expected: a name or a Backend"),
        ((TensorFlow(),), {"num_threads": 2}, "finished backend"),
        (("tensorflow",), {"num_threads": 2}, "does not take these options"),
        (("native",), {"num_threads": -1}, "integer >= 0"),
        (("native",), {"num_threads": True}, "integer >= 0"),
    ],
)
def test_wrong_choices_are_refused(arguments, options, words):
    with pytest.raises(ConfigurationError, match=words):
        backends.get(*arguments, **options)


def test_backends_can_be_registered_under_new_names(monkeypatch):
    monkeypatch.setattr(registry, "_factories", dict(registry._factories))
    backends.register("counts", Counts)
    backends.register("counts", Counts)
    assert backends.get("counts").name == "counts" and "counts" in backends.available()
    for taken in ("counts", "auto"):
        with pytest.raises(ConfigurationError, match="is taken"):
            backends.register(taken, TensorFlow)


@pytest.fixture
def nothing_installed(monkeypatch):
    """Takes the packages of the extras away, wherever they are."""

    def refuse(name, *rest):
        raise ModuleNotFoundError(f"No module named {name!r}")

    modules = dict.fromkeys(("tensorflow_quantum", "pennylane_lightning", "pennylane", "qulacs"))
    for name in [*modules, *(n for n in sys.modules if n.partition(".")[0] in modules)]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(extras, "find_spec", lambda name: None)


@pytest.mark.parametrize("name", ["tfq", "lightning", "qulacs"])
def test_a_missing_extra_is_named_with_the_line_that_installs_it(name, nothing_installed):
    line = rf"pip install 'qstore-tf\[{name}\]'"
    assert re.search(line, backends.available()[name])
    with pytest.raises(LibraryError, match=f"Backend '{name}' needs .*{line}"):
        backends.get(name)


@pytest.mark.slow
def test_a_module_of_an_extra_is_imported_only_when_it_is_asked_for():
    code = (
        "import sys, qstore_tf; qstore_tf.backends.available();"
        "print(sorted({'qulacs', 'pennylane', 'tensorflow_quantum'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tfq_with_another_tensorflow_is_not_available(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: "there")
    monkeypatch.setattr(tf, "__version__", "2.21.0")
    assert "TensorFlow 2.18 alone" in backends.available()["tfq"]


def test_a_module_that_is_there_is_returned_and_no_reason_given():
    assert extras.require("json", "lightning", "lightning").__name__ == "json"
    assert extras.missing("json", "lightning") is None
    assert "not installed" in extras.missing("no_such_package.module", "lightning")


def test_what_a_backend_lacks_is_named():
    for call, word in (
        (lambda b: b.state_vector(PROGRAM, np.zeros((1, 1)), []), "state vectors"),
        (lambda b: b.probabilities(PROGRAM, np.zeros((1, 1)), []), "probabilities"),
        (lambda b: b.sample(PROGRAM, np.zeros((1, 1)), [], shots=1, seed=[0, 0]), "samples"),
    ):
        with pytest.raises(ConfigurationError, match=f"'counts' does not return .*{word}"):
            call(Counts())


@pytest.mark.parametrize("backend", [TensorFlow(), Native(), Native(num_threads=1)])
def test_backends_serve_every_method(backend):
    x = np.array([[0.0], [np.pi]])
    z = parse_observables("Z", 1)
    np.testing.assert_allclose(backend.expectation(PROGRAM, z, x, []), [[1], [-1]], atol=1e-12)
    np.testing.assert_allclose(backend.state_vector(PROGRAM, x, []), [[1, 0], [0, -1j]], atol=1e-12)
    np.testing.assert_allclose(backend.probabilities(PROGRAM, x, []), np.eye(2), atol=1e-12)
    draws = backend.sample(PROGRAM, x, [], shots=4, seed=[1, 2])
    np.testing.assert_array_equal(draws, [[0] * 4, [1] * 4])
    assert type(backend)(**backend.get_config()) == backend
