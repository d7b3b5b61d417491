"""Finds and loads the native op library, or says why it is not there."""

from __future__ import annotations

import ctypes
import os
import platform
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import tensorflow as tf

from qstore_tf.errors import LibraryError, describe

PATH = Path(__file__).with_name("_qstore_ops.so")
DISABLE = "QSTORE_DISABLE_NATIVE"
BUILD_COMMAND = "python setup.py build_ext --inplace"

_lock = threading.Lock()
_module: ModuleType | None = None
_failure: str | None = None


@dataclass(frozen=True)
class LibraryStatus:
    """Whether the native ops can be used.

    Attributes:
        path: Where the library is looked for.
        loaded: Whether it is loaded.
        reason: Why it is not, None where it is.
        simd: The vector instructions it uses here, "base", "avx2" or "avx512".
        version: What it was built from and with.
    """

    path: str
    loaded: bool
    reason: str | None = None
    simd: str | None = None
    version: str | None = None


def load() -> ModuleType:
    """Returns the module with the op functions, loaded on first use.

    Raises:
        LibraryError: The library is missing, cannot be loaded, or is switched off by the
            environment variable QSTORE_DISABLE_NATIVE.
    """
    module, reason = _load()
    if module is None:
        raise LibraryError(
            describe(
                f"The native ops cannot be used: {reason}",
                hint=f"Build them with `pip install .` or `{BUILD_COMMAND}` (needs a C++17 "
                "compiler), or use backend='tensorflow'",
            )
        )
    return module


def available() -> bool:
    """Returns whether `load` would succeed."""
    return _load()[0] is not None


def status() -> LibraryStatus:
    """Returns what is known about the library; never raises.

    Example:
        >>> status().path.endswith(".so")
        True
    """
    module, reason = _load()
    if module is None:
        return LibraryStatus(str(PATH), False, reason)
    return LibraryStatus(
        str(PATH), True, None, _text("qstore_simd_level"), _text("qstore_build_info")
    )


def _load() -> tuple[ModuleType | None, str | None]:
    global _module, _failure
    if os.environ.get(DISABLE, "0") not in ("", "0"):
        return None, f"the environment variable {DISABLE} is set"
    if _module is None and _failure is None:
        with _lock:
            if _module is None and _failure is None:
                _module, _failure = _open()
    return _module, _failure


def _open() -> tuple[ModuleType | None, str | None]:
    if not PATH.exists():
        return None, f"there is no file {PATH}, so it was not built ({platform.system()})"
    try:
        return tf.load_op_library(str(PATH)), None
    except (tf.errors.OpError, OSError, RuntimeError) as error:
        return None, f"{PATH} does not load in TensorFlow {tf.__version__}: {error}"


def _text(symbol: str) -> str | None:
    try:
        function = getattr(ctypes.CDLL(str(PATH)), symbol)
    except (OSError, AttributeError):
        return None
    function.restype = ctypes.c_char_p
    value = function()
    return value.decode() if value else None
