"""A run: a program, the values it runs on, and the options it runs with.

Between quantum layers the tensor is a state vector. The layer that made it also attaches the run
that made it to the tensor, as an attribute, the way Keras attaches masks to tensors. The
following layer can then run everything up to itself as one operation: no state has to be stored
between layers, and a backend without state vectors can still run the model.

The attribute is a Python object on a Python tensor. It survives Sequential and functional
models, eager and traced. It does not survive operations in between (`state * 1.0` is another
tensor), the boundary of a `tf.function`, or `TimeDistributed`; the state vector is used then.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import tensorflow as tf

from qstore_tf.caching import of_programs, remember
from qstore_tf.circuits.program import Program
from qstore_tf.layers.run_options import RunOptions
from qstore_tf.layers.seeds import Seeds
from qstore_tf.layers.values import Values

_ATTRIBUTE = "_qstore_run"


@dataclass(frozen=True, eq=False)
class Run:
    """A program with the values it runs on and the options it runs with.

    Attributes:
        program: the compiled circuit.
        values: the numbers it reads.
        options: backend, gradient method and shots. Of a chain of layers they are those of the
            latest, and the shots of the latest that has any.
    """

    program: Program
    values: Values
    options: RunOptions

    def followed_by(self, program: Program, values: Values, options: RunOptions) -> Run:
        """Returns this run followed by `program`, which reads theta but no inputs."""
        return Run(
            _appended(self.program, program),
            self.values.followed_by(values),
            options.with_shots_of(self.options),
        )

    def with_options(self, options: RunOptions) -> Run:
        """Returns the run with other options."""
        return Run(self.program, self.values, options)

    def with_seeds(self, seeds: Seeds | None) -> Run:
        """Returns the run with the seeds of the layer that measures, where it has any."""
        if seeds is None:
            return self
        return Run(self.program, replace(self.values, seeds=seeds), self.options)


def attach_run(state: tf.Tensor, run: Run) -> tf.Tensor:
    """Attaches to a state the run that made it, and returns the state."""
    setattr(state, _ATTRIBUTE, run)
    return state


def run_of(state: tf.Tensor) -> Run | None:
    """Returns the run that made a state, where it is attached."""
    found = getattr(state, _ATTRIBUTE, None)
    return found if isinstance(found, Run) else None


# Programs are joined once; a step finds them by a hash that is cached.
@remember(of_programs)
def _appended(program: Program, following: Program) -> Program:
    return program.append(following)
