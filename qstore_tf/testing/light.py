"""Processes that use the parts of the package that need no TensorFlow, and do not import it.

`import qstore_tf` imports TensorFlow where it is installed, which takes seconds; tests that start
hundreds of processes cannot wait for that.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
_HEAD = """
import sys, types
package = types.ModuleType("qstore_tf")
package.__path__ = [sys.argv.pop(1)]
sys.modules["qstore_tf"] = package
"""


def command(code: str, *arguments: object) -> list[str]:
    """Returns the command that runs some code.

    Args:
        code: Python; it may import `qstore_tf.store` and whatever else needs no TensorFlow.
        arguments: Its `sys.argv[1:]`.
    """
    return [sys.executable, "-c", _HEAD + code, str(_PACKAGE), *map(str, arguments)]


def run(code: str, *arguments: object, timeout_s: float = 120.0) -> str:
    """Runs code in a process of its own and returns what it printed.

    Raises:
        AssertionError: It failed; with what it wrote on standard error.

    Example:
        >>> from qstore_tf.testing import light
        >>> light.run("print(sys.argv[1], 'tensorflow' in sys.modules)", 7)
        '7 False\\n'
    """
    done = subprocess.run(
        command(code, *arguments), capture_output=True, text=True, timeout=timeout_s
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout
