"""TrainingConfig of version 3.5: its keys, what old names and keys without effect say."""

import logging
import warnings

import pytest

from qstore_tf.compat.v3_5 import TrainingConfig, config
from qstore_tf.compat.v3_5.config import NO_EFFECT, RENAMED
from qstore_tf.errors import ConfigurationError

# As the guides gave them; None where a guide left out the default.
KEYS = {
    "pinecone_api_key": None, "pinecone_environment": None, "pinecone_index_name": None,
    "quantum_sdk": None, "quantum_api_key": None, "quantum_target": None, "learning_rate": 0.01,
    "batch_size": 10, "epochs": 5, "n_qubits": 8, "circuit_depth": 2, "entanglement": None,
    "optimizer": None, "momentum": 0.9, "weight_decay": 0.0, "gradient_method": None,
    "use_batch_api": None, "use_concurrent_submission": None, "use_native_gates": None,
    "enable_smart_caching": None, "adaptive_batch_sizing": None, "connection_pool_size": 5,
    "shots_per_circuit": 1000, "max_concurrent_circuits": 50, "enable_circuit_compression": None,
    "max_queue_wait_time": 30.0, "retry_failed_circuits": None, "log_interval": 10,
    "track_gradients": None, "checkpoint_interval": 10, "enable_multi_backend": None,
    "multi_backend_orchestration": None, "backend_configs": None, "adaptive_circuit_depth": None,
    "circuit_depth_schedule": None, "min_circuit_depth": 2, "max_circuit_depth": 4,
    "adaptive_shot_allocation": None, "min_shots": 500, "base_shots": 1000, "max_shots": 2000,
    "natural_gradient_regularization": 0.01, "qfim_cache_size": 100,
    "enable_circuit_optimization": None, "gate_merging": None, "identity_removal": None,
    "entanglement_pruning": None, "enable_performance_tracking": None, "enable_dashboard": None,
    "dashboard_port": 8080, "enable_all_v34_features": None, "enable_all_v35_features": None,
}  # fmt: skip


@pytest.mark.parametrize("name", KEYS)
def test_every_key_of_the_guides_is_there_with_its_default(name):
    if name in RENAMED:
        with pytest.warns(DeprecationWarning, match=RENAMED[name]):
            value = getattr(TrainingConfig(), name)
    else:
        value = getattr(TrainingConfig(), name)
    if KEYS[name] is not None:
        assert value == KEYS[name]


@pytest.mark.parametrize("old", RENAMED)
def test_old_names_work_and_warn_once(old):
    given = {old: True, "backend_configs": [{"provider": "local"}]}
    with pytest.warns(DeprecationWarning, match=f"{old} is deprecated; write {RENAMED[old]}"):
        assert getattr(TrainingConfig(**given), RENAMED[old]) is True
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        TrainingConfig(**given)


def test_the_warning_points_at_the_code_that_is_to_be_changed():
    with pytest.warns(DeprecationWarning) as caught:
        TrainingConfig(use_batch_api=True)
    assert caught[0].filename == __file__


# A value of each key that asks for what is not so.
ASKING = {True: False, False: True}
OTHERS = {
    "pinecone_api_key": "a", "pinecone_environment": "b", "pinecone_index_name": "c",
    "max_concurrent_circuits": 5, "max_queue_wait_time": 3.0, "log_interval": 2,
    "qfim_cache_size": 7, "dashboard_port": 81,
}  # fmt: skip


@pytest.mark.parametrize("name", NO_EFFECT)
def test_keys_without_effect_say_so_once(name, caplog):
    always = NO_EFFECT[name][0]
    value = OTHERS[name] if always is None else ASKING[always]
    with caplog.at_level(logging.WARNING, "qstore_tf"):
        TrainingConfig()
        if always is not None:
            TrainingConfig(**{name: always})
        assert not caplog.records
        TrainingConfig(**{name: value})
        TrainingConfig(**{name: value})
    (said,) = caplog.records
    assert said.getMessage().startswith(f"{name} has no effect: ")
    assert said.levelno == logging.WARNING


def test_keys_with_an_effect_reach_todays_configuration():
    settings = {
        "learning_rate": 0.2, "batch_size": 3, "epochs": 7, "n_qubits": 5,
        "entanglement": "circular", "optimizer": "sgd", "adaptive_circuit_depth": True,
        "circuit_depth_schedule": "step", "adaptive_shot_allocation": True, "min_shots": 10,
        "base_shots": 20, "max_shots": 30,
    }  # fmt: skip
    today = TrainingConfig(**settings).to_today()
    assert {name: getattr(today, name) for name in settings} == settings
    assert (today.min_circuit_depth, today.circuit_depth) == (2, 4)
    assert TrainingConfig(circuit_depth=3).to_today().circuit_depth == 3
    assert TrainingConfig(gradient_method="spsa_parallel").to_today().gradient_method == "spsa"
    kept = TrainingConfig(checkpoint_dir="here", checkpoint_interval=4).to_today()
    assert (kept.run_dir, kept.checkpoint_interval) == ("here", 4)


def test_all_features_at_once():
    pool = [{"provider": "local"}]
    both = TrainingConfig(enable_all_v35_features=True, backend_configs=pool)
    assert both.enable_multi_backend and both.adaptive_shot_allocation
    assert not TrainingConfig(enable_all_v35_features=True).enable_multi_backend
    assert not TrainingConfig(enable_all_v34_features=True).adaptive_circuit_depth


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"epoch": 3}, "Did you mean 'epochs'"),
        ({"quantum_sdk": "braket"}, "'cirq', 'qiskit', 'ionq'"),
        ({"gradient_method": "spsa_paralel"}, "Did you mean 'spsa_parallel'"),
        ({"optimizer": "rmsprop"}, "'adam', 'sgd'"),
        ({"entanglement": "ring"}, "circular"),
        ({"epochs": 0}, "from 1"),
        ({"enable_multi_backend": True}, "backend_configs="),
        ({"adaptive_circuit_depth": True, "min_circuit_depth": 9}, "at most 4"),
        ({"use_native_gates": "yes"}, "true or false"),
    ],
)
def test_wrong_settings_are_said_in_words(given, said):
    with pytest.raises(ConfigurationError, match=said):
        TrainingConfig(**given)


def test_settings_can_be_changed_and_are_checked_then_too():
    made = TrainingConfig(epochs=2)
    made.epochs = 3
    assert made.replace(n_qubits=2).n_qubits == 2
    with pytest.raises(ConfigurationError, match="epochs"):
        made.epoch = 4
    with pytest.raises(ConfigurationError):
        made.epochs = 0


def test_keys_are_not_shown():
    shown = repr(TrainingConfig(quantum_api_key="secret-1", pinecone_api_key="secret-2"))
    assert "secret" not in shown
    assert config.TrainingConfig is TrainingConfig
