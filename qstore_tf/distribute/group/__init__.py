"""The workers of a run: how they find each other, exchange messages, stop and exit together."""

from qstore_tf.distribute.group.cluster import Cluster as Cluster
from qstore_tf.distribute.group.group import Group as Group
