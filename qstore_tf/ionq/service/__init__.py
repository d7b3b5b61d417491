"""Work on IonQ's service: each circuit run once, whatever the network does, and its outcomes."""

from qstore_tf.ionq.service.executor import Executor
from qstore_tf.ionq.service.outcomes import Outcomes
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.service.sessions import Session
from qstore_tf.ionq.service.work import Work

__all__ = ["Executor", "Outcomes", "Server", "Session", "Work"]
