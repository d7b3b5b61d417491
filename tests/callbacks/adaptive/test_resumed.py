"""An interrupted training with all three callbacks ends as an uninterrupted one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorflow import keras

from qstore_tf.callbacks import AdaptiveDepth, AdaptiveShots, BackendSchedule
from qstore_tf.distribute import FaultTolerance
from qstore_tf.layers import QuantumLayer
from tests.callbacks.adaptive.helpers import Interrupts, fit, model_of


def trained(directory: Path | None, rule: str, breaks: int = 10**6) -> tuple[Any, ...]:
    """Builds everything anew, as a process that is started again does."""
    keras.backend.clear_session()
    keras.utils.set_random_seed(7)
    layer = QuantumLayer(1, 2, encoding="amplitude", shots=20, seed=2)
    model = model_of(layer, optimizer=keras.optimizers.Adam(0.1))
    tolerant = [] if directory is None else [FaultTolerance(directory, every_steps=1, verbose=0)]
    shots = AdaptiveShots(8, 8, 16, rule=rule, every=2)
    history = fit(
        model,
        *tolerant,
        shots,
        AdaptiveDepth(schedule="step"),
        BackendSchedule({3: "tensorflow"}),
        Interrupts(breaks),
        epochs=4,
        shuffle=True,
    )
    return layer.theta.numpy(), shots.state, history, np.asarray(layer.weights[1])


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "breaks"), [("progress", 5), ("snr", 7)])
def test_it_ends_as_it_would_have(rule: str, breaks: int, tmp_path: Path) -> None:
    whole = trained(None, rule)
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path, rule, breaks)
    resumed = trained(tmp_path, rule)
    np.testing.assert_array_equal(resumed[0], whole[0])
    np.testing.assert_array_equal(resumed[3], whole[3])
    assert resumed[1] == whole[1]
    for name in ("shots", "shot_steps", "depth"):
        assert resumed[2][name] == whole[2][name]
