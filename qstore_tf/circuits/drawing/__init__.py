"""Pictures of circuits."""

from qstore_tf.circuits.drawing.mpl import draw_mpl as draw_mpl
from qstore_tf.circuits.drawing.text import draw_text as draw_text
