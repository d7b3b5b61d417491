"""The launcher: starts the workers of one machine, and again after failures. No TensorFlow."""

from qstore_tf.distribute.launch.exit_codes import ExitCode as ExitCode
