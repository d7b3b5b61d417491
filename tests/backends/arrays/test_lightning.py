"""What only the Lightning backend has: devices and threads."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.backends.arrays import lightning
from qstore_tf.backends.arrays.base import as_batch
from qstore_tf.circuits import parse_observables, reference
from qstore_tf.errors import ConfigurationError, LibraryError
from qstore_tf.execution import build_expectation
from qstore_tf.testing.random_circuits import random_program, random_values

pytest.importorskip("pennylane_lightning.lightning_qubit_ops")


@pytest.fixture
def by_device(monkeypatch):
    """The way of lightning.gpu and lightning.kokkos, on lightning.qubit."""
    pytest.importorskip("pennylane")
    monkeypatch.setattr(lightning, "_CPU", "none")
    made = backends.get("lightning", device="lightning.qubit")
    assert not made.capabilities.adjoint
    lightning_runner = made.arrays._make(random_program(0, 2, 3), True)
    assert isinstance(lightning_runner, lightning._DeviceRunner)
    return made


@pytest.mark.parametrize("seed", range(10))
def test_devices_return_the_same_states(by_device, seed):
    program = random_program(seed, 1 + seed % 5, 20, 2, 3, has_initial=seed % 2 == 1)
    values = [v for v in random_values(seed, program, 2) if v is not None]
    expected = reference.state_vector(program, *values)
    np.testing.assert_allclose(by_device.state_vector(program, *values), expected, atol=1e-10)


def test_devices_train_by_parameter_shift(by_device):
    program = random_program(3, 3, 12, 1, 2)
    inputs, theta, _ = map(tf.constant, (*random_values(3, program, 2)[:2], 0))
    sums = parse_observables("Z", 3)

    def differentiate(backend):
        function = build_expectation(program, sums, backend)
        with tf.GradientTape() as tape:
            tape.watch([inputs, theta])
            values = function(inputs, theta)
        return tape.gradient(values, [inputs, theta])

    for mine, other in zip(differentiate(by_device), differentiate("tensorflow"), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-9)
    with tf.GradientTape() as tape:
        tape.watch(theta)
        values = by_device.expectation(program, sums, inputs, theta)
    # As from any backend without gradients of its own: the layers ask its capabilities.
    assert tape.gradient(values, theta) is None
    batch = as_batch(program, inputs, theta)
    with pytest.raises(ConfigurationError, match="without gradients.*parameter_shift"):
        by_device.arrays.pull_expectation(batch, sums, np.ones_like(values))


def test_gradients_do_not_depend_on_the_number_of_threads():
    program = random_program(1, 9, 40, 2, 3)
    inputs, theta, _ = random_values(1, program, 7)
    inputs, theta = tf.constant(inputs), tf.constant(theta)
    found = []
    for threads in (1, 3):
        backend = backends.get("lightning", num_threads=threads)
        with tf.GradientTape() as tape:
            tape.watch([inputs, theta])
            values = backend.expectation(program, parse_observables("Z", 9), inputs, theta)
        found.append(tape.gradient(values, [inputs, theta]))
    for one, three in zip(*found, strict=True):
        np.testing.assert_array_equal(one, three)


def test_wrong_options_are_refused():
    with pytest.raises(ConfigurationError, match="Did you mean 'lightning.qubit'"):
        backends.get("lightning", device="lightning.qubits")
    with pytest.raises(ConfigurationError, match="integer >= 0"):
        backends.get("lightning", num_threads=-1)


def test_a_device_that_is_not_there_names_its_package(monkeypatch):
    pennylane = pytest.importorskip("pennylane")

    def absent(name, **options):
        raise RuntimeError(f"no {name}")

    monkeypatch.setattr(pennylane, "device", absent)
    with pytest.raises(LibraryError, match="pip install pennylane-lightning-gpu"):
        backends.get("lightning", device="lightning.gpu")
    monkeypatch.setitem(sys.modules, "pennylane", None)
    with pytest.raises(LibraryError, match=r"pip install 'qstore-tf\[lightning\]'"):
        backends.get("lightning", device="lightning.gpu")
