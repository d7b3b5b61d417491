"""Backends that compute outside TensorFlow: NumPy in, NumPy out, no framework imported.

`get` makes one by its name. `qstore_tf.backends.get` makes the same simulator with tensors in and
out; `qstore_tf.backends.lifted` is the one place that knows how.

>>> import numpy as np
>>> from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables
>>> program = compile_circuit(UnifiedCircuit(1).add_gate("RX", 0, "x"), inputs=["x"])
>>> batch = as_batch(program, np.array([[0.0], [np.pi]], "float32"), [])
>>> get("qsim").expectation(batch, parse_observables("Z", 1)).round(3)
array([[ 1.],
       [-1.]], dtype=float32)
"""

from qstore_tf.backends.arrays.base import ArrayBackend as ArrayBackend
from qstore_tf.backends.arrays.base import Gradients as Gradients
from qstore_tf.backends.arrays.base import as_batch as as_batch
from qstore_tf.backends.arrays.base import check_batch as check_batch
from qstore_tf.backends.arrays.names import BACKENDS as BACKENDS
from qstore_tf.backends.arrays.names import get as get
