"""Work on IonQ's service: sent once, whatever the network does, and its outcomes."""

from qstore_tf.ionq.service.outcomes import Outcomes
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.service.work import Work

__all__ = ["Outcomes", "Server", "Work"]
