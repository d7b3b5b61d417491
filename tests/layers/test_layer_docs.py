"""Every public layer says what a reader needs to use it."""

from __future__ import annotations

from qstore_tf import layers


def test_every_public_layer_documents_its_arguments_and_shapes() -> None:
    for name in layers.__all__:
        text = getattr(layers, name).__doc__
        for heading in ("Args:", "Input shape:", "Output shape:", "Raises:", ">>> "):
            assert heading in text, f"{name} lacks {heading!r}"
