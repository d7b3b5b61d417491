"""What a layer that reads states cannot do is refused when it is made."""

from typing import Any

import numpy as np
import pytest

from qstore_tf import backends, layers
from qstore_tf.backends import Backend, Capabilities, Sampled
from qstore_tf.errors import ConfigurationError
from qstore_tf.layers.state_reader import ExactReader


class NoStates(Backend):
    """As hardware: samples and no states."""

    name = "no_states"
    capabilities = Capabilities(state_vector=False, exact=True, adjoint=False)

    def expectation(self, *arguments: Any, **options: Any) -> Any:
        raise AssertionError("must not run")


PUBLIC = [getattr(layers, name) for name in layers.__all__]
EXACT = [layer for layer in PUBLIC if issubclass(layer, ExactReader)]
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"shots": 10}, "cannot be computed from shots.*shots=None"),
    ({"backend": Sampled(backends.get("tensorflow"), 10)}, "cannot be computed from shots"),
    ({"backend": NoStates()}, "need a backend with state vectors.*no_states"),
    ({"gradient": "spsa"}, "takes no gradient"),
    ({"seed": 1}, "takes no seed"),
]


def test_there_are_three_that_read_exactly() -> None:
    assert {layer.__name__ for layer in EXACT} == {"Probabilities", "StateVector", "Unitary"}


@pytest.mark.parametrize("layer", EXACT, ids=lambda layer: layer.__name__)
@pytest.mark.parametrize(("options", "message"), WRONG, ids=lambda part: str(part)[:25])
def test_options_without_use_are_refused(layer: Any, options: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        layer(**options)


def test_bits_take_no_gradient_method() -> None:
    with pytest.raises(ConfigurationError, match="Sample takes no gradient"):
        layers.Sample(3, gradient="spsa")


@pytest.mark.parametrize("layer", EXACT, ids=lambda layer: layer.__name__)
def test_what_a_backend_can_do_is_not_refused(layer: Any) -> None:
    # qsim has states, if without gradients.
    state = layers.AngleEncoding(2)(np.array([[0.3, 0.2]]))
    found = layer(backend="qsim", shots=None)(state)
    np.testing.assert_allclose(found, layer()(state), atol=1e-5)
