import math

import pytest

from qstore_tf.errors import ConfigurationError
from qstore_tf.store.config import QuantumDatabaseConfig


def test_version_1_names_and_defaults():
    config = QuantumDatabaseConfig()
    assert config.max_contexts_per_vector == 5
    assert config.correlation_threshold == 0.7
    assert config.tunnel_probability == 0.2
    assert config.barrier_threshold == 0.8
    assert config.quantum_batch_size == 100
    assert config.classical_candidate_pool == 1000
    assert config.default_coherence_time == math.inf  # not 1000 ms: see docs/store.md


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_qubit": 3}, "no setting 'n_qubit'.*Did you mean 'n_qubits'"),
        ({"n_qubits": 0}, "n_qubits of the database is out of range"),
        ({"n_qubits": 2.5}, "must be an integer"),
        ({"n_qubits": True}, "out of range"),
        ({"default_coherence_time": 0.0}, "out of range"),
        ({"tunnel_probability": float("nan")}, "out of range"),
        ({"on_decohere": "keep"}, "on_decohere"),
    ],
)
def test_wrong_settings_are_refused(options, words):
    with pytest.raises(ConfigurationError, match=words):
        QuantumDatabaseConfig().with_options(**options)
