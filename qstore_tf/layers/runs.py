"""Which circuits a step has run, with which weights: what natural gradients are computed from.

A Keras optimizer sees gradients and weights, not the batch. So the layers say which weight an
angle comes from, and every run that theta gets a gradient through is noted while the gradient is
taken, in the same step and the same graph. The optimizer takes the notes and computes the metric
on the very tensors of the step. Nothing is noted before an optimizer has called `listen`.

Gradient-free optimizers call `record`, which notes the runs of a forward pass; who watches a
training calls `record_measurements`, which notes what was measured in one.
"""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers.means import Means
from qstore_tf.ops.own_gradient import own_gradient

_SOURCES = "_qstore_sources"
_MARK = "_qstore_angles"
_FORGOTTEN = "_qstore_forgotten"

# Runs of gradients that no optimizer asked about are forgotten after so many.
_KEPT = 1024

# `tf.vectorized_map` traces its function in here, and then makes ops of the batch of it.
_VECTORIZED = re.compile(r"(^|/)loop_body(_\d+)?/")


@dataclass(frozen=True, eq=False)
class Run:
    """A circuit that was run.

    Attributes:
        program: the circuit.
        inputs: numbers per sample, [batch, n_inputs].
        theta: trained numbers, [n_theta].
        initial: the amplitudes it started from, [batch, 2^n], real or complex, or None.
        means: with what it was run.
        sources: the weights that `theta` is made of, in order.
        parts: the values of those weights, one tensor for each time a layer was called.
    """

    program: Program
    inputs: tf.Tensor
    theta: tf.Tensor
    initial: tf.Tensor | None
    means: Means
    sources: tuple[Any, ...]
    parts: tuple[tf.Tensor, ...]


@dataclass(frozen=True, eq=False)
class Measurement:
    """A circuit that was run and measured.

    Attributes:
        run: the circuit, with what it was run on.
        observables: what was measured.
        values: the expectation values, [batch, n_observables].
    """

    run: Run
    observables: tuple[PauliSum, ...]
    values: tf.Tensor


class _Notes(threading.local):
    """One list of notes for each thread: the replicas of a strategy run in threads."""

    def __init__(self) -> None:
        self.runs: deque[Run] = deque()
        self.recording: list[list[Run]] = []
        self.measuring: list[list[Measurement]] = []


_notes = _Notes()
_listening = False


def listen() -> None:
    """Notes runs from now on, in this process."""
    global _listening
    _listening = True


def mark(weight: Any) -> Any:
    """Says that a weight holds the angles of a circuit, and returns it."""
    setattr(weight, _MARK, True)
    return weight


def is_angles(weight: Any) -> bool:
    """Whether a weight holds the angles of a circuit."""
    return bool(getattr(weight, _MARK, False))


def trained(weight: Any) -> tf.Tensor:
    """Returns the value of a weight, which remembers where it comes from."""
    value = tf.convert_to_tensor(weight)
    return _with_sources(value, ((weight, value),))


def joined(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Returns two values of `trained` in one."""
    return _with_sources(tf.concat([first, second], axis=0), (*_sources(first), *_sources(second)))


def watch(
    program: Program,
    means: Means,
    inputs: tf.Tensor,
    theta: tf.Tensor,
    initial: tf.Tensor | None,
) -> tf.Tensor:
    """Returns theta, to run the program with; the run is noted when theta gets its gradient."""
    if not (_listening or _notes.recording) or not program.n_theta:
        return theta
    sources = _sources(theta)
    if not sources:
        return theta
    weights, parts = zip(*sources, strict=True)
    run = Run(program, inputs, theta, initial, means, weights, parts)
    for notes in _notes.recording:
        notes.append(run)
    return _noting(run) if _listening else theta


def measured(
    program: Program,
    observables: tuple[PauliSum, ...],
    means: Means,
    inputs: tf.Tensor,
    theta: tf.Tensor,
    initial: tf.Tensor | None,
    values: tf.Tensor,
) -> None:
    """Notes expectation values of trained circuits, where someone records them."""
    sources = _sources(theta) if _notes.measuring else ()
    if not sources:
        return
    weights, parts = zip(*sources, strict=True)
    run = Run(program, inputs, theta, initial, means, weights, parts)
    for notes in _notes.measuring:
        notes.append(Measurement(run, observables, values))


def take(weights: list[Any]) -> list[Run]:
    """Returns and forgets the runs of these weights that are noted in the current graph.

    Those of the graphs inside it are among them: see `is_inner`.

    Raises:
        ConfigurationError: there were more of them than are noted.
    """
    wanted, graphs = {id(weight) for weight in weights}, _current_graphs()
    found: list[Run] = []
    others: list[Run] = []
    for run in _notes.runs:
        around = _graphs_around(_graph_of(run.theta))
        here = around[0] in graphs or (graphs[0] is not None and graphs[0] in around)
        mine = here and wanted & {id(source) for source in run.sources}
        (found if mine else others).append(run)
    _notes.runs = deque(others)
    step = _step_graph(graphs)
    owners = weights if step is None else [step]
    forgotten = [owner for owner in owners if getattr(owner, _FORGOTTEN, False)]
    for owner in forgotten:
        setattr(owner, _FORGOTTEN, False)
    if forgotten:
        raise ConfigurationError(
            describe(
                "More circuits have had their gradients taken since the last step of the "
                "optimizer than it remembers, so that the metric would miss some",
                expected=f"at most {_KEPT} calls of quantum layers for each step",
                hint="Call the layer on many rows at once in place of many calls",
            )
        )
    return _longest(found)


def is_inner(run: Run) -> bool:
    """Whether a run is inside a loop, condition or function of the step, out of reach here."""
    graph = _graph_of(run.theta)
    if graph is None:
        return False
    return graph not in _current_graphs() or bool(_VECTORIZED.search(run.parts[0].op.name))


@contextmanager
def record() -> Iterator[list[Run]]:
    """Notes the runs of what is called inside; they are in the list it gives when it is left."""
    found: list[Run] = []
    depth = len(_notes.recording)
    _notes.recording.append(found)
    try:
        yield found
    finally:
        del _notes.recording[depth:]
        found[:] = _longest(found)


@contextmanager
def record_measurements() -> Iterator[list[Measurement]]:
    """Notes what is measured inside, of circuits that are trained; the list fills at once."""
    found: list[Measurement] = []
    depth = len(_notes.measuring)
    _notes.measuring.append(found)
    try:
        yield found
    finally:
        del _notes.measuring[depth:]


def _longest(found: list[Run]) -> list[Run]:
    """Leaves out what ran as a part of something longer, or once more.

    Between layers in a row there are state vectors, which no one may have used.
    """
    parts = [{id(part) for part in run.parts} for run in found]
    return [
        run
        for k, run in enumerate(found)
        if not any(
            parts[k] < other or (parts[k] == other and k < j) for j, other in enumerate(parts)
        )
    ]


def _noting(run: Run) -> tf.Tensor:
    @own_gradient
    def noted(theta: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            if run not in _notes.runs:
                _notes.runs.append(run)
            while len(_notes.runs) > _KEPT:
                _forget(_notes.runs.popleft())
            return upstream

        return tf.identity(theta), gradient

    return noted(run.theta)


def _forget(run: Run) -> None:
    """Leaves word of it where a step would look: at the graph, at the weights in eager code."""
    step = _step_graph(_graphs_around(_graph_of(run.theta)))
    for owner in run.sources if step is None else [step]:
        setattr(owner, _FORGOTTEN, True)


def _step_graph(graphs: list[Any]) -> Any:
    """The outermost function among graphs; around it is the one graph of the process."""
    return next((graph for graph in reversed(graphs) if hasattr(graph, "outer_graph")), None)


def _with_sources(value: tf.Tensor, sources: tuple[Any, ...]) -> tf.Tensor:
    setattr(value, _SOURCES, sources)
    return value


def _sources(value: tf.Tensor) -> tuple[tuple[Any, tf.Tensor], ...]:
    return getattr(value, _SOURCES, ())


def _graph_of(tensor: tf.Tensor) -> Any:
    """The graph of a tensor; None for eager tensors."""
    return None if hasattr(tensor, "numpy") else tensor.graph


def _current_graphs() -> list[Any]:
    """The graph being traced and those around it, innermost first; [None] in eager code."""
    return _graphs_around(None if tf.executing_eagerly() else tf.compat.v1.get_default_graph())


def _graphs_around(graph: Any) -> list[Any]:
    """A graph and those around it; [None] for none."""
    graphs: list[Any] = []
    while graph is not None:
        graphs.append(graph)
        graph = getattr(graph, "outer_graph", None)
    return graphs or [None]
