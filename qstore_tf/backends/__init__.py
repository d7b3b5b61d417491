"""Where programs run: one interface, one file per backend, names resolved in the registry."""

from qstore_tf.backends.automatic import Choice as Choice
from qstore_tf.backends.automatic import Workload as Workload
from qstore_tf.backends.automatic import explain as explain
from qstore_tf.backends.base import Backend as Backend
from qstore_tf.backends.base import Capabilities as Capabilities
from qstore_tf.backends.chunked import Chunked as Chunked
from qstore_tf.backends.native import Native as Native
from qstore_tf.backends.qsim import Qsim as Qsim
from qstore_tf.backends.recommending import Recommendation as Recommendation
from qstore_tf.backends.recommending import recommend as recommend
from qstore_tf.backends.registry import available as available
from qstore_tf.backends.registry import get as get
from qstore_tf.backends.registry import register as register
from qstore_tf.backends.sampled import Sampled as Sampled
from qstore_tf.backends.tensorflow import TensorFlow as TensorFlow
