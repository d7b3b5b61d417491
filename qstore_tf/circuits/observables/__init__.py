"""Observables: sums of Pauli strings, and how they are read."""

from qstore_tf.circuits.observables.parsing import ObservableLike as ObservableLike
from qstore_tf.circuits.observables.parsing import bare_pauli as bare_pauli
from qstore_tf.circuits.observables.parsing import is_single as is_single
from qstore_tf.circuits.observables.parsing import listed as listed
from qstore_tf.circuits.observables.parsing import observables_text as observables_text
from qstore_tf.circuits.observables.parsing import parse_observables as parse_observables
from qstore_tf.circuits.observables.parsing import read_observable as read_observable
from qstore_tf.circuits.observables.pauli import PauliString as PauliString
from qstore_tf.circuits.observables.pauli import PauliSum as PauliSum
