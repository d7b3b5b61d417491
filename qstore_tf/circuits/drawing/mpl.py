"""Circuits drawn with Matplotlib, which is imported when it is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qstore_tf.circuits.circuit import Circuit

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_mpl(circuit: Circuit, ax: Any = None) -> Figure:
    """Draws a circuit with Matplotlib.

    Long circuits go on in further rows; labels show symbols and fractions of pi.

    Args:
        circuit: the circuit.
        ax: Matplotlib axes to draw into; by default a new figure of fitting size.

    Returns:
        The figure; save it with `figure.savefig("circuit.png")`.

    Raises:
        CircuitError: if the circuit is too long for a picture.

    >>> len(draw_mpl(Circuit(2).add_gate("CX", [0, 1])).axes)
    1
    """
    from qstore_tf.circuits.drawing.figure import picture

    return picture(circuit, ax)
