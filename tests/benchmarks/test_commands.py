"""The scripts that the Makefile runs find what they import, as they are called there."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Each as if it were the first: its folder alone is on the path, and nothing of ours is imported.
READ = """
import os, runpy, sys
before = list(sys.path)
for path in sys.argv[1:]:
    sys.path[:] = [os.path.dirname(path), *(p for p in before if p)]
    for name in [n for n in sys.modules if n.partition(".")[0] in ("benchmarks", "tests")]:
        del sys.modules[name]
    runpy.run_path(path, run_name="read")
"""


@pytest.mark.slow
def test_each_script_of_the_makefile_finds_its_imports(tmp_path: Path) -> None:
    scripts = re.findall(r"^\t-?\$\(BIN\)/python (\S+\.py)$", (ROOT / "Makefile").read_text(), re.M)
    assert len(scripts) >= 8 and all((ROOT / script).exists() for script in scripts)
    command = [sys.executable, "-c", READ, *(str(ROOT / script) for script in scripts)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
