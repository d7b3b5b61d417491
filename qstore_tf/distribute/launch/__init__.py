"""The launcher: starts the workers of one machine and restarts them. Imports no TensorFlow."""

from qstore_tf.distribute.launch.exit_codes import ExitCode as ExitCode
