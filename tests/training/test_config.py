"""TrainingConfig: what it takes, from where, and what it says where it refuses."""

import copy
import json
import pickle
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qstore_tf as qs
from qstore_tf import gradients
from qstore_tf.errors import ConfigurationError, ObservableError
from qstore_tf.training import config as module
from qstore_tf.training.backend_config import BackendConfig
from qstore_tf.training.config import TrainingConfig, names

BACKENDS = [
    {"name": "train", "type": "lightning.gpu", "use_for": "training", "device": "cuda:0"},
    {"name": "val", "type": "ionq", "use_for": ["validation"], "target": "simulator"},
]

TOML = """
n_qubits = 4
learning_rate = 1e-3
backends = [{name = "val", type = "ionq", use_for = "validation", target = "simulator"}]
"""
YAML = """
n_qubits: 4
learning_rate: 1e-3
backends:
  - {name: val, type: ionq, use_for: validation, target: simulator}
"""
JSON = """
{"n_qubits": 4, "learning_rate": 1e-3,
 "backends": [{"name": "val", "type": "ionq", "use_for": "validation", "target": "simulator"}]}
"""


def test_the_defaults_are_those_of_version_4() -> None:
    config = qs.TrainingConfig()
    assert (config.n_qubits, config.circuit_depth, config.batch_size, config.epochs) == (
        8,
        4,
        32,
        20,
    )
    assert (config.learning_rate, config.cost_budget) == (0.01, 100.0)
    assert (config.auto_backend_selection, config.routing_priority) == (True, "balanced")
    assert (config.ml_framework, config.distributed_strategy) == ("tensorflow", "auto")


def test_names_of_gradient_methods_are_those_there_are() -> None:
    assert set(module.GRADIENTS) == {"auto", *gradients.registry.METHODS}


def test_entries_of_version_4_are_read() -> None:
    config = TrainingConfig(backends=BACKENDS)
    train, val = config.backends
    assert train.arguments() == ("lightning", {"device": "lightning.gpu"})
    assert val.arguments() == ("ionq", {"target": "simulator"})
    assert config.backends_for("training") == (train,)
    assert config.backends_for("validation") == (val,)
    assert config.backends_for("production") == (train,)  # none is for it
    assert config.backend("val") is val and config.backend("nobody") is None


def test_members_of_a_pool_are_no_candidates_themselves() -> None:
    pool = {"name": "both", "type": "pool", "members": ["a", "tensorflow"]}
    config = TrainingConfig(backends=[{"name": "a", "type": "native"}, pool])
    assert [entry.name for entry in config.backends_for("training")] == ["both"]
    fast = {"name": "a", "type": "native", "use_for": "training"}
    config = TrainingConfig(backends=[fast, {**pool, "use_for": "production"}])
    assert [entry.name for entry in config.backends_for("training")] == ["a"]  # as it says
    assert [entry.name for entry in config.backends_for("production")] == ["both"]


def test_it_cannot_be_changed_and_copies_are_equal() -> None:
    config = TrainingConfig(backends=BACKENDS, epochs=3)
    with pytest.raises(FrozenInstanceError):
        config.epochs = 4  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.backends[0].options["a"] = 1  # type: ignore[index]
    for other in (
        copy.deepcopy(config),
        pickle.loads(pickle.dumps(config)),
        TrainingConfig.from_dict(json.loads(json.dumps(config.to_dict()))),
        config.replace(),
    ):
        assert other == config and hash(other) == hash(config)
    assert config.replace(epochs=4) != config


@pytest.mark.parametrize(
    ("ending", "text"), [("toml", TOML), ("yaml", YAML), ("yml", YAML), ("json", JSON)]
)
def test_every_kind_of_file_gives_the_same(tmp_path: Path, ending: str, text: str) -> None:
    file = tmp_path / f"train.{ending}"
    file.write_text(text)
    entry = BackendConfig("val", "ionq", use_for=("validation",), target="simulator")
    expected = TrainingConfig(n_qubits=4, learning_rate=1e-3, backends=[entry])
    assert TrainingConfig.from_file(file) == TrainingConfig.from_file(str(file)) == expected


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.toml", "epochs = 3\nepochs = 4", "cannot be read"),
        ("a.json", '{"epochs": 3, "epochs": 4}', "'epochs' stands twice"),
        ("a.yaml", "epochs: 3\nepochs: 4", "'epochs' stands twice"),
        ("a.yaml", "a: &x [1]\nb: *x", "aliases"),
        ("a.yaml", "epochs: [", "line 1"),
        ("a.yaml", "!!python/object:os.system {}", "cannot be read"),
        ("a.json", "[1, 2]", "no table of settings"),
        ("a.yaml", "", "no table of settings"),
        ("a.ini", "epochs = 3", ".toml, .yaml, .yml or .json"),
        ("a.toml", 'epochs = "3"', "without quotes"),
        ("a.toml", "epoch = 3", "Did you mean 'epochs'"),
    ],
)
def test_a_wrong_file_is_told(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        TrainingConfig.from_file(tmp_path / name)
    assert words in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(ConfigurationError):
            TrainingConfig.from_file(path)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        TrainingConfig.from_file(tmp_path / "bytes.toml")


@st.composite
def misspelt(draw: st.DrawFn) -> tuple[str, str]:
    """A setting's name, and the same with one letter lost, doubled, swapped or another one."""
    name = draw(st.sampled_from(names()))
    place = draw(st.integers(0, len(name) - 1))
    kind = draw(st.sampled_from(["lose", "double", "swap", "other"]))
    letter = draw(st.sampled_from("abcxyz_"))
    changed = {
        "lose": name[:place] + name[place + 1 :],
        "double": name[:place] + name[place] + name[place:],
        "swap": name[:place] + name[place : place + 2][::-1] + name[place + 2 :],
        "other": name[:place] + letter + name[place + 1 :],
    }[kind]
    return name, changed


@settings(max_examples=200, deadline=None)
@given(misspelt())
def test_a_misspelt_key_is_told_with_the_nearest(case: tuple[str, str]) -> None:
    name, wrong = case
    if wrong in names() or not wrong:
        return
    with pytest.raises(ConfigurationError) as caught:
        TrainingConfig(**{wrong: getattr(TrainingConfig(), name)})
    near, _, _ = str(caught.value).partition(" Available")
    assert repr(wrong) in near and repr(name) in near


def test_a_misspelt_key_of_a_backend_is_told_too() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'use_for'"):
        TrainingConfig(backends=[{"type": "native", "usefor": "training"}])
    with pytest.raises(ConfigurationError, match="Did you mean 'native'"):
        TrainingConfig(backends=[{"type": "natve"}])
    with pytest.raises(ConfigurationError, match="Did you mean 'validation'"):
        TrainingConfig(backends=[{"type": "native", "use_for": "validaton"}])
    with pytest.raises(ConfigurationError, match="Did you mean 'balanced'"):
        TrainingConfig(routing_priority="balance")


SECRET = "sk-0123456789"


@pytest.mark.parametrize(
    ("settings", "variable"),
    [
        ({"api_key": SECRET}, "IONQ_API_KEY"),
        ({"quantum_api_key": SECRET}, "IONQ_API_KEY"),
        ({"pinecone_api_key": SECRET}, "PINECONE_API_KEY"),
        ({"password": SECRET}, "environment variable"),
        ({"backends": [{"type": "ionq", "api_key": SECRET}]}, "IONQ_API_KEY"),
        ({"backends": [{"type": "ionq", "options": {"api_key": SECRET}}]}, "IONQ_API_KEY"),
        ({"backends": [{"type": "ionq", "options": {"url": f"https://me:{SECRET}@a.b"}}]}, "env"),
    ],
)
def test_secrets_are_refused_and_never_shown(
    tmp_path: Path, settings: dict[str, Any], variable: str
) -> None:
    file = tmp_path / "train.json"
    file.write_text(json.dumps(settings))
    for make in (lambda: TrainingConfig(**settings), lambda: TrainingConfig.from_file(file)):
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert variable in str(caught.value) and "environment" in str(caught.value)
        assert SECRET not in str(caught.value)
    with pytest.raises(ConfigurationError) as caught:
        BackendConfig("a", "ionq", options={"api_key": SECRET})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.yaml", f"api_key:{SECRET}"), ("a.json", f'[{{"api_key": "{SECRET}"}}]')],
)
def test_what_is_no_table_is_not_shown(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    for make in (
        lambda: TrainingConfig.from_file(tmp_path / name),
        lambda: TrainingConfig.from_dict([{"api_key": SECRET}]),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigurationError, match="table") as caught:
            make()
        assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"n_qubits": 0}, "1 to"),
        ({"n_qubits": True}, "whole number"),
        ({"n_qubits": 4.0}, "whole number"),
        ({"epochs": "20"}, "without quotes"),
        ({"learning_rate": 0}, "above 0"),
        ({"learning_rate": float("nan")}, "above 0"),
        ({"cost_budget": -1}, "from 0"),
        ({"cost_budget": float("inf")}, "or None"),
        ({"auto_backend_selection": 1}, "true or false"),
        ({"optimizer": "adm"}, "Did you mean 'adam'"),
        ({"entanglement": "liner"}, "Did you mean 'linear'"),
        ({"observables": "QQ"}, "bservable"),
        ({"ml_framework": "pytorch"}, "PyTorch"),
        ({"min_shots": 3000}, "min_shots <= base_shots"),
        ({"min_circuit_depth": 9}, "at most 4"),
        ({"gradient_method": "adjoint", "shots": 100}, "state vectors"),
        ({"backends": "native"}, "is a list"),
        ({"backends": {"name": "a", "type": "native"}}, "is a list"),
        ({"backends": [3]}, "Entry 0"),
        ({"backends": [{"name": "a"}]}, "what it is"),
        ({"backends": ["native", "native"]}, "Two backends are called 'native'"),
        ({"backends": [{"type": "native", "target": "simulator"}]}, "takes no 'target'"),
        ({"backends": [{"type": "qsim", "device": "gpu"}]}, "takes no 'device'"),
        ({"backends": [{"type": "pool"}]}, "no members"),
        ({"backends": [{"type": "pool", "members": ["pool"]}]}, "member of itself"),
        (
            {
                "backends": [
                    {"name": "a", "type": "pool", "members": ["b"]},
                    {"name": "b", "type": "router", "members": ["native", "a"]},
                ]
            },
            "member of itself",
        ),
        ({"backends": [{"type": "native", "options": 3}]}, "names and values"),
        ({"backends": [{"type": "native", "use_for": 3}]}, "no list"),
        ({"backends": [{"type": "lightning.gpu", "device": "cpu"}]}, "contradict"),
        ({"run_dir": ""}, "text or None"),
    ],
)
def test_a_wrong_value_is_told(settings: dict[str, Any], words: str) -> None:
    with pytest.raises((ConfigurationError, ObservableError)) as caught:
        TrainingConfig(**settings)
    assert words in str(caught.value)


WRONG = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(names()), WRONG)
def test_any_value_is_taken_or_refused_by_name(name: str, value: Any) -> None:
    try:
        config = TrainingConfig(**{name: value})
    except (ConfigurationError, ObservableError):
        return
    found = getattr(config, name)
    assert found == value or (name == "backends" and not value)
    assert type(found) is type(value) or name == "backends"
