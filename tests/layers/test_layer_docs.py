"""The examples in the docstrings run and print what they say."""

import doctest
import importlib

import pytest

MODULES = [
    "qstore_tf",
    "qstore_tf.layers.amplitude_encoding",
    "qstore_tf.layers.angle_encoding",
    "qstore_tf.layers.expectation_value",
    "qstore_tf.layers.quantum_layer",
    "qstore_tf.testing.gradient_agreement",
    "qstore_tf.testing.layer_test",
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0
    assert result.failed == 0


def test_every_public_layer_documents_its_arguments_and_shapes() -> None:
    from qstore_tf import layers

    for name in layers.__all__:
        text = getattr(layers, name).__doc__
        for heading in ("Args:", "Input shape:", "Output shape:", "Raises:", ">>> "):
            assert heading in text, f"{name} lacks {heading!r}"
