"""Shots, backend and depth of a quantum layer after it was made.

`set_shots`, `set_backend` and `set_active_depth` change a layer until they are called again;
`switched` changes layers for what is called, or traced, inside it in this thread. Neither changes
what the layer is saved with: that stays what it was made with.

A `tf.function` keeps what the layers had when it was traced. After one of the three, models that
have run already make their functions anew when their `train_function`, `test_function` and
`predict_function` are None; the callbacks of `qstore_tf.callbacks` see to this themselves.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any

import tensorflow as tf

from qstore_tf import execution
from qstore_tf.backends import Backend
from qstore_tf.checks import check_shots
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers.run_options import RunOptions, read_run_options


@dataclass(frozen=True)
class Setting:
    """What a layer runs with in place of what it was made with; None leaves that as it is.

    Attributes:
        backend: A name or a backend.
        gradient: A name or a gradient method.
        shots: Number of shots.
        depth: Number of layers of the circuit that run, the first ones.
    """

    backend: Any = None
    gradient: Any = None
    shots: int | None = None
    depth: int | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """Tells settings apart; backends and methods by identity, as they may change inside."""
        own = (self.backend, self.gradient)
        return (*(v if isinstance(v, str) else id(v) for v in own), self.shots, self.depth)

    def over(self, other: Setting) -> Setting:
        """Returns this setting, with what it leaves open taken from the other."""
        given = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(other, **{name: v for name, v in given.items() if v is not None})


_NOTHING = Setting()


class Switches:
    """What was switched at one layer, in an object that Keras does not track.

    Attributes:
        made_with: What the layer was made with.
        setting: What it has in place of that.
        counter: Seed and number of calls, for layers that were made without.
    """

    def __init__(self, made_with: RunOptions) -> None:
        self.made_with = made_with
        self.setting = _NOTHING
        self.counter: Any = None
        # With the settings, so that what they are told apart by stays theirs.
        self._read: dict[tuple[Any, ...], tuple[Setting, RunOptions]] = {}

    def options(self, setting: Setting) -> RunOptions:
        """Returns what the layer runs with under a setting; read and checked once."""
        if (setting.backend, setting.gradient, setting.shots) == (None, None, None):
            return self.made_with
        if setting.key not in self._read:
            made = self.made_with
            backend = made.backend if setting.backend is None else setting.backend
            gradient = made.gradient if setting.gradient is None else setting.gradient
            shots = made.shots if setting.shots is None else setting.shots
            self._read[setting.key] = setting, read_run_options(backend, gradient, shots)
        return self._read[setting.key][1]


class _Scope(threading.local):
    """The settings in force in one thread, by identity of the layer."""

    def __init__(self) -> None:
        self.settings: dict[int, Setting] = {}


_scope = _Scope()


@contextmanager
def switched(settings: Mapping[Any, Setting]) -> Iterator[None]:
    """Gives layers settings for what is called or traced inside, in this thread.

    >>> from qstore_tf.layers import QuantumLayer
    >>> layer = QuantumLayer(2, depth=3, shots=100)
    >>> with switched({layer: Setting(shots=10, depth=1)}):
    ...     layer.run_options.shots
    10
    >>> layer.run_options.shots
    100
    """
    before = _scope.settings
    _scope.settings = {
        **before,
        **{id(layer): setting.over(setting_of(layer)) for layer, setting in settings.items()},
    }
    try:
        yield
    finally:
        _scope.settings = before


def setting_of(layer: Any) -> Setting:
    """Returns the setting that is in force for a layer."""
    found = _scope.settings.get(id(layer))
    setting: Setting = layer.switches.setting if found is None else found
    return setting


def check_setting(layer: Any, setting: Setting) -> RunOptions:
    """Returns what a layer would run with under a setting.

    Raises:
        ConfigurationError: Backend, gradient method and shots do not go together, the backend
            does not compute in the layer's precision, or the depth is not one of the layer.
    """
    options: RunOptions = layer.switches.options(setting)
    execution.check_dtype(options.resolved, layer.real_dtype)
    if setting.depth is not None:
        check_depth(layer, setting.depth)
    return options


def set_shots(layer: Any, shots: int | None) -> None:
    """Gives a layer another number of shots.

    Args:
        layer: A layer that estimates expectation values from shots.
        shots: The number; None for what it was made with.

    Raises:
        ConfigurationError: It is not an integer >= 1, or the layer is exact.

    Example:
        >>> from qstore_tf.layers import QuantumLayer
        >>> layer = QuantumLayer(2, shots=100)
        >>> set_shots(layer, 20)
        >>> layer.run_options.shots, layer.get_config()["shots"]
        (20, 100)
    """
    if shots is not None:
        shots = check_shots(shots, expected="a number of shots, or None for the layer's own")
        if shots_of(layer) is None:
            raise ConfigurationError(
                describe(
                    f"Layer '{layer.name}' is exact: it has no shots to change",
                    received=f"shots={shots}",
                    hint="Make the layer with shots, as in QuantumLayer(..., shots=1000)",
                )
            )
    _set(layer, replace(layer.switches.setting, shots=shots))


def set_backend(layer: Any, backend: str | Backend | None) -> None:
    """Gives a layer another backend.

    Args:
        layer: A quantum layer.
        backend: A name or a backend; None for what it was made with.

    Raises:
        ConfigurationError: It is unknown, does not go with the layer's gradient method or shots,
            or does not compute in the layer's precision.

    Example:
        >>> from qstore_tf.layers import QuantumLayer
        >>> layer = QuantumLayer(2, backend="native")
        >>> set_backend(layer, "tensorflow")
        >>> layer.run_options.resolved.name, layer.get_config()["backend"]
        ('tensorflow', 'native')
    """
    _set(layer, replace(layer.switches.setting, backend=backend))


def set_active_depth(layer: Any, depth: int | None) -> None:
    """Lets only the first layers of a QuantumLayer's circuit run.

    The angles of the others have no influence and get the gradient zero. What an optimizer makes
    of that is its own affair: with momentum it may move them.

    Args:
        layer: A QuantumLayer.
        depth: How many layers run, at least 1; None for all.

    Raises:
        ConfigurationError: It is not between 1 and the layer's depth, or the circuit is not made
            of layers.

    Example:
        >>> from qstore_tf.layers import QuantumLayer
        >>> layer = QuantumLayer(2, depth=3)
        >>> set_active_depth(layer, 2)
        >>> active_depth(layer), depth_of(layer)
        (2, 3)
    """
    if depth is not None:
        depth = check_depth(layer, depth)
    _set(layer, replace(layer.switches.setting, depth=depth))


def _set(layer: Any, setting: Setting) -> None:
    if check_setting(layer, setting).is_random:
        ensure_counter(layer)
    layer.switches.setting = setting


def shots_of(layer: Any) -> int | None:
    """Returns the shots of a layer, or of its backend where the layer sets none; None: exact."""
    options: RunOptions = layer.run_options
    if not layer.takes_shots:
        return None
    if options.shots is not None:
        return options.shots
    exact = options.resolved.capabilities.exact
    return None if exact else getattr(options.resolved, "shots", None)


def depth_of(layer: Any) -> int:
    """Returns of how many layers the circuit of a QuantumLayer is made.

    For a custom circuit, how often its shortest block is repeated, trained symbols aside.
    """
    n_layers: int = layer.circuit_options.n_layers
    return n_layers


def active_depth(layer: Any) -> int:
    """Returns how many layers of its circuit a QuantumLayer runs."""
    depth = setting_of(layer).depth
    return depth_of(layer) if depth is None else depth


def check_depth(layer: Any, depth: Any) -> int:
    """Returns a depth as an integer, where a QuantumLayer can run at it; see `set_active_depth`."""
    most = depth_of(layer)
    whole = hasattr(depth, "__index__") and not isinstance(depth, bool)
    if whole and 1 <= int(depth) <= most:
        return int(depth)
    custom = layer.circuit_options.circuit is not None and most < 2
    hint = (
        "A circuit of your own has a depth where it repeats one block of gates, in which only the "
        "trained symbols differ"
        if custom
        else f"Make the layer with a greater depth, or use depth={most} at most"
    )
    raise ConfigurationError(
        describe(
            f"Layer '{layer.name}' cannot run at this depth",
            expected=f"an integer from 1 to {most}, the layers of its circuit",
            received=depth,
            hint=hint,
        )
    )


def ensure_counter(layer: Any) -> None:
    """Makes what draws are seeded by, for a layer that was made without; not inside a function.

    It is no weight of the layer, so that files of the model stay as they are.
    """
    switches: Switches = layer.switches
    if switches.counter is None and not switches.made_with.is_random:
        switches.counter = tf.Variable(
            layer.first_draw(),
            trainable=False,
            dtype=tf.int64,
            name=f"{layer.name}_seed_and_calls",
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
