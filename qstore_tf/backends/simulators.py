"""The backends in NumPy, lifted into TensorFlow; each class has the docstring of its own."""

from __future__ import annotations

from qstore_tf.backends.arrays import ionq, lightning, qsim, qulacs
from qstore_tf.backends.lifted import Lifted


class Qsim(Lifted, kind=qsim.Qsim):  # noqa: D101
    pass


class Lightning(Lifted, kind=lightning.Lightning):  # noqa: D101
    pass


class Qulacs(Lifted, kind=qulacs.Qulacs):  # noqa: D101
    pass


class IonQ(Lifted, kind=ionq.IonQ):  # noqa: D101
    pass
