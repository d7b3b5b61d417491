"""Records which circuits a step runs, with which weights: what natural gradients are made of.

A Keras optimizer sees gradients and weights, not the batch. So every run knows the weights that
its theta is made of, and each run whose theta gets a gradient is noted while the gradient is
taken, in the same step and the same graph. The optimizer takes these notes and computes the
metric from the very tensors of the step. Nothing is noted unless an optimizer has called
`request_notes`, for its weights, and still exists.

Gradient-free optimizers call `recording_runs`, which records the runs of a forward pass. What
monitors a training calls `recording_measurements`, which records what is measured in one.
"""

from __future__ import annotations

import re
import threading
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import tensorflow as tf

from qstore_tf.circuits.observables import PauliSum
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.layers.run import Run
from qstore_tf.layers.values import Values
from qstore_tf.ops.own_gradient import own_gradient

_ANGLES = "_qstore_angles"
_INCOMPLETE = "_qstore_incomplete"

# The number of notes that are kept; the oldest goes first.
_MOST_NOTES = 1024

# `tf.vectorized_map` traces its function in here, and then makes ops of the batch of it.
_VECTORIZED = re.compile(r"(^|/)loop_body(_\d+)?/")


@dataclass(frozen=True, eq=False)
class Measurement:
    """A circuit that was run and measured.

    Attributes:
        run: the circuit, with what it was run on.
        observables: what was measured.
        expectations: the expectation values, [batch, n_observables].
    """

    run: Run
    observables: tuple[PauliSum, ...]
    expectations: tf.Tensor


class _Records(threading.local):
    """The records of one thread: the replicas of a strategy run in threads."""

    def __init__(self) -> None:
        self.notes: deque[Run] = deque()
        self.runs: list[list[Run]] = []
        self.measurements: list[list[Measurement]] = []


class NoteRequest:
    """Asks for notes of the runs that gradients are taken through, as long as it exists."""

    def __init__(self) -> None:
        self._weights: dict[int, Any] | None = None

    def __reduce__(self) -> Any:
        """A copy, as of a copied optimizer, is a request of its own."""
        return request_notes, ()

    def limit_to(self, weights: Sequence[Any]) -> None:
        """Asks for runs with these weights only; before this is called, for all runs."""
        self._weights = {id(weight): weight for weight in weights}

    def asks_for(self, run: Run) -> bool:
        """Whether a run is to be noted."""
        wanted = self._weights
        return wanted is None or any(id(weight) in wanted for weight in run.values.weights)


_records = _Records()
_requests: weakref.WeakSet[NoteRequest] = weakref.WeakSet()


def request_notes() -> NoteRequest:
    """Returns a request for notes of the runs, in this process, that gradients are taken through.

    They are noted until the request is deleted.
    """
    request = NoteRequest()
    _requests.add(request)
    return request


def mark_angles(weight: Any) -> None:
    """Marks a weight that holds the angles of a circuit."""
    setattr(weight, _ANGLES, True)


def holds_angles(weight: Any) -> bool:
    """Whether a weight holds the angles of a circuit."""
    return bool(getattr(weight, _ANGLES, False))


def note_run(run: Run) -> Values:
    """Records a run that is about to be executed, and returns the values to execute it with.

    Through these values it is noted when theta gets its gradient.
    """
    values = run.values
    if not _requests:
        _records.notes.clear()
        if not _records.runs:
            return values
    if not values.weights or not run.program.n_theta:
        return values
    for record in _records.runs:
        record.append(run)
    if any(request.asks_for(run) for request in _requests):
        return replace(values, theta=_noted_in_gradient(run))
    return values


def note_measurement(run: Run, observables: tuple[PauliSum, ...], expectations: tf.Tensor) -> None:
    """Records the expectation values of a trained circuit, where someone asked for them."""
    if _records.measurements and run.values.weights:
        for record in _records.measurements:
            record.append(Measurement(run, observables, expectations))


def pop_noted_runs(weights: list[Any]) -> list[Run]:
    """Returns the runs of these weights that are noted in the current graph, and forgets them.

    Those of the graphs inside it are among them: see `is_out_of_reach`.

    Raises:
        ConfigurationError: there were more of them than are kept.
    """
    wanted, graphs = {id(weight) for weight in weights}, _current_graphs()
    found: list[Run] = []
    others: list[Run] = []
    for run in _records.notes:
        around = _graphs_around(_graph_of(run.values.theta))
        here = around[0] in graphs or (graphs[0] is not None and graphs[0] in around)
        mine = here and wanted & {id(weight) for weight in run.values.weights}
        (found if mine else others).append(run)
    _records.notes = deque(others)
    step = _outermost_function(graphs)
    owners = weights if step is None else [step]
    incomplete = [owner for owner in owners if getattr(owner, _INCOMPLETE, False)]
    for owner in incomplete:
        setattr(owner, _INCOMPLETE, False)
    if incomplete:
        raise ConfigurationError(
            describe(
                "Gradients of more circuits than are kept have been taken since the last step of "
                "the optimizer, so that the metric would miss some",
                expected=f"at most {_MOST_NOTES} calls of quantum layers for each step",
                hint="Call the layer once on many rows instead of many calls",
            )
        )
    return _without_parts(found)


def is_out_of_reach(run: Run) -> bool:
    """Whether a run is inside a loop, condition or function of the step, out of reach here."""
    graph = _graph_of(run.values.theta)
    if graph is None:
        return False
    first = run.values.weight_values[0]
    return graph not in _current_graphs() or bool(_VECTORIZED.search(first.op.name))


@contextmanager
def recording_runs() -> Iterator[list[Run]]:
    """Records the runs of what is called inside; they are in the list when it is left."""
    found: list[Run] = []
    depth = len(_records.runs)
    _records.runs.append(found)
    try:
        yield found
    finally:
        del _records.runs[depth:]
        found[:] = _without_parts(found)


@contextmanager
def recording_measurements() -> Iterator[list[Measurement]]:
    """Records what is measured inside, of circuits that are trained; the list fills at once."""
    found: list[Measurement] = []
    depth = len(_records.measurements)
    _records.measurements.append(found)
    try:
        yield found
    finally:
        del _records.measurements[depth:]


def _without_parts(found: list[Run]) -> list[Run]:
    """Leaves out what ran as a part of something longer, or once more.

    A chain also computes the states between its layers, which nothing may have used.
    """
    parts = [{id(value) for value in run.values.weight_values} for run in found]
    return [
        run
        for k, run in enumerate(found)
        if not any(
            parts[k] < other or (parts[k] == other and k < j) for j, other in enumerate(parts)
        )
    ]


def _noted_in_gradient(run: Run) -> tf.Tensor:
    """Returns theta, and notes the run when its gradient is taken."""

    @own_gradient
    def noted(theta: tf.Tensor) -> Any:
        def gradient(upstream: tf.Tensor) -> tf.Tensor:
            notes = _records.notes
            if run not in notes:
                notes.append(run)
            while len(notes) > _MOST_NOTES:
                _mark_incomplete(notes.popleft())
            return upstream

        return tf.identity(theta), gradient

    return noted(run.values.theta)


def _mark_incomplete(run: Run) -> None:
    """Says that a note is gone, where a step would look: at the graph, or at eager weights."""
    step = _outermost_function(_graphs_around(_graph_of(run.values.theta)))
    for owner in run.values.weights if step is None else [step]:
        setattr(owner, _INCOMPLETE, True)


def _outermost_function(graphs: list[Any]) -> Any:
    """The outermost function among graphs; around it is the one graph of the process."""
    return next((graph for graph in reversed(graphs) if hasattr(graph, "outer_graph")), None)


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
