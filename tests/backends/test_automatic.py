"""What "auto" chooses and says, and what is recommended for a kind of work."""

import logging

import pytest
import tensorflow as tf

from qstore_tf import backends, execution, memory
from qstore_tf.backends import automatic, recommending, registry
from qstore_tf.errors import ConfigurationError, MemoryLimitError
from qstore_tf.layers import QuantumLayer
from qstore_tf.ops import library

ALL = ("native", "tensorflow", "qsim", "tfq", "lightning", "qulacs")


@pytest.fixture
def no_library(monkeypatch):
    status = library.status()
    gone = type(status)(**{**vars(status), "loaded": False, "reason": "it was not built"})
    monkeypatch.setattr(library, "available", lambda: False)
    monkeypatch.setattr(library, "status", lambda: gone)


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(
        tf.config, "get_visible_devices", lambda kind=None: ["gpu"] if kind == "GPU" else []
    )


@pytest.mark.parametrize(
    ("usable", "device", "name"),
    [
        (ALL, None, "native"),
        (ALL, "GPU", "tensorflow"),
        (ALL, "TPU", "tensorflow"),
        (ALL[1:], None, "tensorflow"),
        (ALL[2:], None, "tensorflow"),
        (("native",), "GPU", "tensorflow"),
        ((), None, "tensorflow"),
    ],
)
def test_the_rule_is_native_else_tensorflow_and_never_an_extra(usable, device, name):
    choice = automatic.choose(usable=usable, device=device)
    assert choice.backend == name
    assert choice.notable == (name == "tensorflow")
    if device:
        assert device in choice.reason
    assert "None" not in choice.reason and "{" not in choice.reason


def test_every_backend_of_the_rule_is_registered():
    assert {rule.choice.backend for rule in automatic.RULES} <= set(backends.available())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_auto_runs_in_every_precision_and_differentiates_itself(dtype):
    backend = backends.get("auto")
    assert dtype in backend.capabilities.dtypes
    assert backend.capabilities.adjoint and backend.capabilities.samples


def test_auto_is_what_explain_says():
    explained = backends.explain(n_qubits=6, depth=4, batch=32)
    assert backends.get("auto").name == explained.backend == backends.get().name
    assert explained.reason.endswith(".")


def test_explain_says_why_without_the_library(no_library):
    explained = backends.explain(n_qubits=6)
    assert explained.backend == "tensorflow" and "it was not built" in explained.reason


def test_explain_names_what_is_faster_where_plain_tensorflow_is_slow(no_library):
    for slow in ({"shots": 100}, {"gradient": False}):
        assert "'qsim' and 'lightning'" in backends.explain(n_qubits=16, **slow).reason
        assert "qsim" not in backends.explain(n_qubits=15, **slow).reason
        assert "qsim" not in backends.explain(**slow).reason
    assert "qsim" not in backends.explain(n_qubits=16).reason
    assert "qsim" in backends.recommend("production", n_qubits=16).reason


def test_native_needs_no_such_advice():
    assert "qsim" not in backends.explain(n_qubits=16, shots=100).reason


def test_explain_says_why_with_a_gpu(gpu):
    assert "GPU" in backends.explain().reason


def test_a_surprising_choice_is_logged_once(no_library, monkeypatch, caplog):
    monkeypatch.setattr(registry, "_said", set())
    with caplog.at_level(logging.WARNING, logger="qstore_tf"):
        for _ in range(3):
            assert backends.get("auto").name == "tensorflow"
    assert len(caplog.records) == 1 and "it was not built" in caplog.text


def test_the_expected_choice_is_not_logged(monkeypatch, caplog):
    monkeypatch.setattr(registry, "_said", set())
    with caplog.at_level(logging.DEBUG, logger="qstore_tf"):
        assert backends.get("auto").name == "native"
    assert not caplog.records


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"n_qubits": 0}, "`n_qubits` of a workload.*Received: 0"),
        ({"batch": True}, "`batch` of a workload"),
        ({"shots": 1.5}, "`shots` of a workload"),
        ({"dtype": "float16"}, "'float32' or 'float64'"),
        ({"qubits": 3}, "description of the workload.*n_qubits"),
    ],
)
def test_a_wrong_workload_is_refused(fields, words):
    with pytest.raises(ConfigurationError, match=words):
        backends.explain(**fields)


@pytest.mark.parametrize("n_qubits", [60, 10**6])
def test_what_fits_nowhere_is_refused_before_anything_is_chosen(n_qubits):
    with pytest.raises(MemoryLimitError, match=f"{n_qubits} qubits does not fit"):
        backends.explain(n_qubits=n_qubits)
    with pytest.raises(MemoryLimitError):
        backends.recommend("training", n_qubits=n_qubits)


def test_a_gradient_and_double_precision_each_take_twice_the_memory(monkeypatch):
    monkeypatch.setattr(memory, "available_bytes", lambda: 8 * 2**10)
    backends.explain(n_qubits=10, gradient=False)
    backends.explain(n_qubits=10, shots=100)  # its gradient is made of such runs
    for more in ({"gradient": True}, {"gradient": False, "dtype": "float64"}):
        with pytest.raises(MemoryLimitError):
            backends.explain(n_qubits=10, **more)


@pytest.mark.parametrize("shots", [None, 50])
@pytest.mark.parametrize("workload", recommending.KINDS)
def test_a_recommendation_is_options_that_a_layer_takes(workload, shots):
    advice = backends.recommend(workload, n_qubits=2, depth=1, batch=4, shots=shots)
    layer = QuantumLayer(2, depth=1, encoding="angle", **advice.options)
    assert layer(tf.zeros([4, 2])).shape == (4, 2)
    execution.choose(advice.backend, advice.gradient, advice.shots)
    assert advice.backend == backends.get("auto").name
    assert advice.shots == (1000 if workload == "validation" and shots is None else shots)
    assert backends.explain().reason in advice.reason


def test_recommendations_differ_where_the_work_does():
    assert backends.recommend() == backends.recommend("training")
    assert backends.recommend().gradient == "adjoint"
    assert backends.recommend("validation").gradient == "parameter_shift"
    assert len({backends.recommend(kind).reason for kind in recommending.KINDS}) == 5
    for kind in ("validation", "production"):
        assert "No backend reaches hardware" in backends.recommend(kind).reason


@pytest.mark.parametrize(
    ("workload", "words"),
    [
        ("trainig", "no workload 'trainig'.*Did you mean 'training'"),
        ("", "Available: 'development', 'production'"),
        (None, "no workload None"),
        (["training"], "no workload"),
    ],
)
def test_an_unknown_workload_gets_near_matches(workload, words):
    with pytest.raises(ConfigurationError, match=words):
        backends.recommend(workload)


def test_wrong_sizes_of_a_recommendation_are_refused():
    with pytest.raises(ConfigurationError, match="`batch`"):
        backends.recommend("training", batch=0)
