"""The barren-plateau monitor: says once where the gradients of a circuit have all but vanished.

In a barren plateau the partial derivatives of an expectation value have a variance that falls
exponentially with the number of qubits: J. R. McClean, S. Boixo, V. N. Smelyanskiy, R. Babbush
and H. Neven, "Barren plateaus in quantum neural network training landscapes", Nature
Communications 9, 4812 (2018), arXiv:1803.11173. A loss has a small gradient where training has
converged, too. So the monitor looks at the derivatives of the expectation values themselves.
"""

from __future__ import annotations

import warnings

from qstore_tf.callbacks.statistics import GradientWindow


class BarrenPlateauWarning(UserWarning):
    """The expectation values of a circuit hardly depend on its trained angles any more."""


class Monitor:
    """Watches the gradients of one layer.

    Args:
        layer: name of the layer.
        window: number of probes that the variances are taken over.
        threshold: variance of d<O>/d theta, in 1/radian^2, below which it warns.
        shots: shots of the layer, or None. Below a variance of 1 / shots the gradient is lost
            in the noise of the shots, so that the threshold is at least that.

    Attributes:
        loss: gradients of the loss.
        observables: gradients of the expectation values, averaged as `random_signs` does.
        threshold: the one in use.
    """

    def __init__(self, layer: str, window: int, threshold: float, shots: int | None = None) -> None:
        self.layer = layer
        self.shots = shots
        self.threshold = max(threshold, 1.0 / shots) if shots and threshold else threshold
        self.loss = GradientWindow(window)
        self.observables = GradientWindow(window)
        self._warned = False

    def check(self) -> str | None:
        """Warns where the variance over a full window is below the threshold, once.

        Returns:
            What was said, or None.
        """
        if self._warned or not self.observables.full:
            return None
        variance = self.observables.variance
        if not variance < self.threshold:
            return None
        self._warned = True
        by_shots = self.shots is not None and self.threshold == 1.0 / self.shots
        limit = f"{self.threshold:.2g}" + (
            f" (1 / shots, of shots={self.shots})" if by_shots else ""
        )
        message = (
            f"The gradients of layer '{self.layer}' have all but vanished: the variance of its "
            f"expectation values' derivatives is {variance:.2g}, below {limit}. "
            "It may be on a barren plateau (McClean et al. 2018, arXiv:1803.11173). Try fewer "
            "qubits or a smaller depth, observables on few qubits, or smaller first angles."
        )
        warnings.warn(message, BarrenPlateauWarning, stacklevel=2)
        return message
