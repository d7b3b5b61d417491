"""`qstore train --config FILE`: what the file says, joined with the options that were given."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money.workers import worker
from qstore_tf.training.config import TrainingConfig
from qstore_tf.training.config_files import read_settings
from qstore_tf.training.data import BUILT_IN, check_source
from qstore_tf.training.options import check_packages

# Options of the command line, and the settings that mean the same.
_SAME = {
    "data": "data",
    "qubits": "n_qubits",
    "depth": "circuit_depth",
    "entanglement": "entanglement",
    "encoding": "encoding",
    "ansatz": "ansatz",
    "observables": "observables",
    "backend": "backends",
    "gradient": "gradient_method",
    "epochs": "epochs",
    "batch": "batch_size",
    "learning_rate": "learning_rate",
    "seed": "seed",
    "model_dir": "run_dir",
}


def run(arguments: argparse.Namespace, start_tensorflow: Callable[[], None]) -> None:
    """Trains by a file and options; everything is checked before TensorFlow is imported.

    Args:
        arguments: Of the command line; `given` has the options that were given.
        start_tensorflow: Imports it without the lines that it writes.
    """
    check_packages()
    config = joined(arguments.config, arguments)
    check_source(config.data or BUILT_IN[0])
    if config.run_dir is None and config.has_workers() and worker()[1] > 1:
        # Names by the time would differ, and with them the accounts of what is spent.
        raise ConfigurationError(
            describe(
                "Several workers need a folder that all of them know",
                expected="run_dir in the file, or --model-dir",
            )
        )
    if not config.has_workers():  # workers can only meet before TensorFlow has looked for devices
        start_tensorflow()
    from qstore_tf.training.from_config import train

    train(
        config,
        pca=arguments.pca,
        log_dir=arguments.log_dir,
        verbose=0 if arguments.quiet else 1,
        say=lambda line: print(line, flush=True),
    )


def joined(path: str, arguments: argparse.Namespace) -> TrainingConfig:
    """Returns the configuration of a file and of the options that were given besides.

    Args:
        path: The file.
        arguments: Values of options; `given` maps the names of those given to how they were
            written.

    Raises:
        ConfigurationError: The file is wrong, or an option says something else than the file.

    Example:
        >>> import tempfile, pathlib
        >>> file = pathlib.Path(tempfile.mkdtemp()) / "train.toml"
        >>> _ = file.write_text("epochs = 3")
        >>> joined(str(file), argparse.Namespace(depth=2, given={"depth": "--depth"})).epochs
        3
        >>> joined(str(file), argparse.Namespace(epochs=4, given={"epochs": "--epochs"}))
        Traceback (most recent call last):
            ...
        qstore_tf.errors.ConfigurationError: --epochs and 'epochs' of the file contradict each \
other. Expected: 3, or no --epochs. Received: 4. Leave one of them out.
    """
    settings = read_settings(path)
    config = TrainingConfig.from_dict(settings)  # errors of the file come first, as its own
    added: dict[str, Any] = {}
    for name, option in getattr(arguments, "given", {}).items():
        key = _SAME.get(name)
        if key is None:
            continue
        value = getattr(arguments, name)
        if key not in settings:
            added[key] = [value] if key == "backends" else value
            continue
        found: Any = getattr(config, key)
        if key == "backends":
            found = found[0].type if len(found) == 1 else [entry.name for entry in found]
        if value != found:
            raise ConfigurationError(
                describe(
                    f"{option} and {key!r} of the file contradict each other",
                    expected=f"{found!r}, or no {option}",
                    received=value,
                    hint="Leave one of them out",
                )
            )
    return config.replace(**added)
