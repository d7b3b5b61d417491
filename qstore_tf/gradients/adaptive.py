"""Cheap gradients as long as they point somewhere, precise ones from then on."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from qstore_tf import limits
from qstore_tf.backends.base import Backend
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.gradients.adjoint import Adjoint
from qstore_tf.gradients.base import GradientMethod, Pullback
from qstore_tf.gradients.finite_difference import FiniteDifference
from qstore_tf.gradients.from_values import FromValues
from qstore_tf.gradients.hadamard import HadamardTest
from qstore_tf.gradients.options import at_least_zero, count
from qstore_tf.gradients.shift import ParameterShift
from qstore_tf.gradients.spsa import SPSA
from qstore_tf.shifts import signal_to_noise, window_for

_log = logging.getLogger("qstore_tf")
_lock = threading.Lock()

SIMPLE: dict[str, type[GradientMethod]] = {
    "adjoint": Adjoint,
    "parameter_shift": ParameterShift,
    "finite_difference": FiniteDifference,
    "spsa": SPSA,
    "hadamard_test": HadamardTest,
}
"""The methods that are not made of others."""


class _Progress:
    """What has been seen of the gradients of one program."""

    def __init__(self, owner: Adaptive, n_theta: int) -> None:
        self.owner = owner
        at_best = owner.cheap.signal_at_best(n_theta)
        self.threshold = owner.threshold * at_best
        self.window = owner.window or window_for(n_theta, at_best)
        self.estimates: deque[np.ndarray] = deque(maxlen=self.window)
        self.reset()

    def reset(self) -> None:
        self.precise = False
        self.seen = 0
        self.estimates.clear()

    def is_precise(self) -> np.bool_:
        return np.bool_(self.precise)

    def record(self, by_theta: np.ndarray) -> np.bool_:
        """Takes one estimate of d loss / d theta and changes the method where it is time."""
        with _lock:
            if not self.precise and np.isfinite(by_theta).all():
                self.seen += 1
                self.estimates.append(np.array(by_theta))
                if len(self.estimates) == self.window:
                    self._decide(signal_to_noise(self.estimates))
        return np.bool_(self.precise)

    def _decide(self, ratio: float) -> None:
        owner = self.owner
        if ratio >= self.threshold:
            return
        self.precise = True
        self.estimates.clear()
        _log.warning(
            "gradient='adaptive' changes from %r to %r after %d estimates: the signal-to-noise "
            "ratio of the last %d is %.3g, below the threshold %g",
            owner.cheap, owner.precise, self.seen, self.window, ratio, self.threshold,
        )  # fmt: skip


class Adaptive(FromValues):
    """Starts with a cheap estimator and changes to a precise one when the signal is lost in noise.

    Each backward pass with the cheap method leaves one estimate of d loss / d theta. Once there
    are `window` of them, the signal-to-noise ratio of the last `window` is computed in every
    step (`adaptive.signal_to_noise`: the squared length of their mean over their variance).
    From the step after the one in which it falls below `threshold` times what the cheap method
    has at best, the precise method is used, and stays in use. The change is logged as a warning
    of the logger "qstore_tf".

    What the estimates vary by counts as noise, whatever it comes from: random directions,
    shots, mini-batches and the way of training itself. SPSA with D directions, for P
    parameters and without any other noise, has the ratio D / (P - 1). That, or 1 where it is
    more, is what it has at best; other methods have 1.

    One object may serve several programs; each changes by itself. What has been seen is neither
    saved with a model nor shared between processes: a loaded model starts with the cheap method.
    `reset` starts anew. A program without theta is differentiated by the precise method. Under
    XLA (`jit_compile=True`) it does not run.

    Args:
        cheap: The name of a method, or a method.
        precise: The name of a method, or a method.
        threshold: The part of the ratio at best below which the method changes.
        window: Estimates that the ratio is computed from, at least 2. None takes as many as it
            takes to tell: 20, or for SPSA 10 sqrt(P) / D where that is more.

    Raises:
        ConfigurationError: A method is unknown, or a number is out of range.

    Example:
        >>> Adaptive(threshold=0.5).precise
        ParameterShift(inputs=True)
    """

    name = "adaptive"
    stateful = True
    xla = False

    def __init__(
        self,
        cheap: str | GradientMethod | Mapping[str, Any] = "spsa",
        precise: str | GradientMethod | Mapping[str, Any] = "parameter_shift",
        threshold: float = 0.05,
        window: int | None = None,
    ) -> None:
        """Keeps the methods and the numbers."""
        super().__init__()
        self.cheap = _read("cheap", cheap)
        self.precise = _read("precise", precise)
        self.threshold = at_least_zero("threshold", threshold)
        self.window = None if window is None else count("window", window, limits.WINDOW, least=2)
        self.random = self.cheap.random or self.precise.random
        self._progress: list[_Progress] = []

    @property
    def is_precise(self) -> bool:
        """Whether the change has come, in all programs that this object has differentiated."""
        used = [each for each in self._progress if each.seen]
        return bool(used) and all(each.precise for each in used)

    def reset(self) -> None:
        """Goes back to the cheap method and forgets the estimates."""
        for each in self._progress:
            each.reset()

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same method again, as plain data."""
        return {
            "cheap": {"name": self.cheap.name, "options": self.cheap.get_config()},
            "precise": {"name": self.precise.name, "options": self.precise.get_config()},
            "threshold": self.threshold,
            "window": self.window,
        }

    def __repr__(self) -> str:
        """Returns the expression that makes the same method again."""
        return (
            f"Adaptive(cheap={self.cheap!r}, precise={self.precise!r}, "
            f"threshold={self.threshold!r}, window={self.window!r})"
        )

    def check(self, backend: Backend) -> None:
        """Raises ConfigurationError where one of the two methods does not go with the backend."""
        self.cheap.check(backend)
        self.precise.check(backend)

    def pullback(
        self, backend: Backend, program: Program, observables: Sequence[PauliSum]
    ) -> Pullback:
        """Returns the backward pass: that of the method in use."""
        precise = self.precise.pullback(backend, program, observables)
        if not program.n_theta:
            return precise
        cheap = self.cheap.pullback(backend, program, observables)
        progress = _Progress(self, program.n_theta)
        self._progress.append(progress)

        def watched(*arguments: Any) -> tuple[tf.Tensor, tf.Tensor]:
            by_inputs, by_theta = cheap(*arguments)
            done = tf.numpy_function(progress.record, [tf.stop_gradient(by_theta)], tf.bool)
            with tf.control_dependencies([done]):
                return tf.identity(by_inputs), tf.identity(by_theta)

        def pull(*arguments: Any) -> tuple[tf.Tensor, tf.Tensor]:
            if tf.executing_eagerly():
                return precise(*arguments) if progress.precise else watched(*arguments)
            by_inputs, by_theta = tf.cond(
                tf.ensure_shape(tf.numpy_function(progress.is_precise, [], tf.bool), []),
                lambda: precise(*arguments),
                lambda: watched(*arguments),
            )
            return by_inputs, by_theta

        return pull


def _read(role: str, method: Any) -> GradientMethod:
    if isinstance(method, GradientMethod) and not isinstance(method, Adaptive):
        return method
    name, options = method, {}
    if isinstance(method, Mapping):
        name, options = method.get("name"), dict(method.get("options", {}))
    if not isinstance(name, str) or name not in SIMPLE:
        raise ConfigurationError(
            describe(
                f"`{role}` must be one of the methods that Adaptive can switch between",
                received=method,
                hint=did_you_mean(str(name), SIMPLE),
            )
        )
    return SIMPLE[name](**options)
