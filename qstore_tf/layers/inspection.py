"""What optimizers and callbacks may know of quantum layers: all that others import from here.

Of a layer they may read, besides its documented arguments and attributes, `run_options` (backend,
gradient method and shots), `circuit_options` (encoding, ansatz and circuit) and
`circuit_with_encoding()`. A test holds every other module of the package to that.

| Name | What it is for |
|---|---|
| `holds_angles(weight)` | telling the angles of circuits from other weights |
| `Run`, `Values`, `Measurement` | what was run and measured, and on which numbers |
| `recording_runs`, `recording_measurements` | recording a forward pass |
| `request_notes`, `pop_noted_runs` | the runs that a gradient was taken through |
| `is_out_of_reach(run)` | runs in loops inside the step, whose tensors cannot be read |
| `backend_arguments(run)` | a run as its backend takes it |
| `expectation`, `state_vectors` | running a circuit once more, on other numbers |
| `fixed_seeds(options)` | seeds for such a run, which leave those of the layers alone |
| `Setting`, `switched` | shots, backend and depth of layers for what is traced inside |
| `setting_of`, `check_setting` | what is in force for a layer, and whether it can be |
| `shots_of`, `depth_of`, `active_depth`, `check_depth` | what a layer has of these |
| `set_shots`, `set_backend`, `set_active_depth` | changing them until they are set again |
| `ensure_counter(layer)` | letting a layer draw that was made without |
"""

from __future__ import annotations

import tensorflow as tf

from qstore_tf.circuits.program import Program
from qstore_tf.layers import amplitudes
from qstore_tf.layers.keras_version import IS_KERAS_3 as IS_KERAS_3
from qstore_tf.layers.recording import Measurement as Measurement
from qstore_tf.layers.recording import holds_angles as holds_angles
from qstore_tf.layers.recording import is_out_of_reach as is_out_of_reach
from qstore_tf.layers.recording import pop_noted_runs as pop_noted_runs
from qstore_tf.layers.recording import recording_measurements as recording_measurements
from qstore_tf.layers.recording import recording_runs as recording_runs
from qstore_tf.layers.recording import request_notes as request_notes
from qstore_tf.layers.run import Run as Run
from qstore_tf.layers.run_options import RunOptions as RunOptions
from qstore_tf.layers.running import expectation as expectation
from qstore_tf.layers.running import state_vectors as state_vectors
from qstore_tf.layers.seeds import Seeds
from qstore_tf.layers.switching import Setting as Setting
from qstore_tf.layers.switching import active_depth as active_depth
from qstore_tf.layers.switching import check_depth as check_depth
from qstore_tf.layers.switching import check_setting as check_setting
from qstore_tf.layers.switching import depth_of as depth_of
from qstore_tf.layers.switching import ensure_counter as ensure_counter
from qstore_tf.layers.switching import set_active_depth as set_active_depth
from qstore_tf.layers.switching import set_backend as set_backend
from qstore_tf.layers.switching import set_shots as set_shots
from qstore_tf.layers.switching import setting_of as setting_of
from qstore_tf.layers.switching import shots_of as shots_of
from qstore_tf.layers.switching import switched as switched
from qstore_tf.layers.values import Values as Values


def backend_arguments(run: Run) -> tuple[Program, tf.Tensor, tf.Tensor | None, int | None]:
    """Returns program, inputs, initial state and shots of a run as its backend takes them.

    Amplitudes are handed to a backend with states, and prepared by gates on others and for shots.
    """
    program, values, options = run.program, run.values, run.options
    if values.initial is None:
        return program, values.inputs, None, options.shots
    if options.has_states and options.shots is None:
        return program, values.inputs, amplitudes.as_complex(values.initial), None
    program, values = amplitudes.by_gates(program, values)
    return program, values.inputs, None, options.shots


def fixed_seeds(options: RunOptions) -> Seeds | None:
    """Returns the same seeds each time; None where runs with these options draw nothing."""
    return Seeds(tf.constant([0, 0], tf.int64)) if options.is_random else None
