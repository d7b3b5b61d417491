"""Where programs run: one interface, backends, and the registry that turns names into them.

What computes outside TensorFlow is in `arrays` and imports no framework; `lifted` turns it into
backends with tensors in and out. So this package can be imported without TensorFlow: names that
need it are imported when they are asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from qstore_tf.backends.base import Backend as Backend
from qstore_tf.backends.base import Capabilities as Capabilities
from qstore_tf.backends.registry import available as available
from qstore_tf.backends.registry import get as get
from qstore_tf.backends.registry import register as register

if TYPE_CHECKING:
    from qstore_tf.backends.automatic import Choice as Choice
    from qstore_tf.backends.automatic import Workload as Workload
    from qstore_tf.backends.automatic import explain as explain
    from qstore_tf.backends.chunked import Chunked as Chunked
    from qstore_tf.backends.native import Native as Native
    from qstore_tf.backends.recommending import Recommendation as Recommendation
    from qstore_tf.backends.recommending import recommend as recommend
    from qstore_tf.backends.sampled import Sampled as Sampled
    from qstore_tf.backends.simulators import IonQ as IonQ
    from qstore_tf.backends.simulators import Qsim as Qsim
    from qstore_tf.backends.tensorflow import TensorFlow as TensorFlow

# The modules of the names that need TensorFlow.
_LATER = {
    "Choice": "automatic",
    "Workload": "automatic",
    "explain": "automatic",
    "Chunked": "chunked",
    "Native": "native",
    "Recommendation": "recommending",
    "recommend": "recommending",
    "Sampled": "sampled",
    "IonQ": "simulators",
    "Qsim": "simulators",
    "TensorFlow": "tensorflow",
}

__all__ = ["Backend", "Capabilities", "available", "get", "register", *_LATER]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
