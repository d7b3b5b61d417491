"""The workers of a run: how they find each other, exchange messages, stop and exit together."""

from qstore_tf.distribute.group.cluster import Cluster as Cluster
from qstore_tf.distribute.group.cluster import cluster_from as cluster_from
from qstore_tf.distribute.group.group import Group as Group
from qstore_tf.distribute.group.meeting import difference as difference
from qstore_tf.distribute.group.meeting import meet as meet
from qstore_tf.distribute.group.workers import Workers as Workers
from qstore_tf.distribute.group.workers import alone as alone
