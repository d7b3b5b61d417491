"""`qstore dashboard`: its mistakes, its port, and that it ends."""

import threading
import urllib.request
from pathlib import Path

import pytest

from qstore_tf import cli
from qstore_tf.callbacks import dashboard
from qstore_tf.errors import ConfigurationError, LibraryError


def logs(folder: Path) -> Path:
    import tensorflow as tf

    with tf.summary.create_file_writer(str(folder / "train")).as_default():
        tf.summary.scalar("epoch_loss", 0.5, step=0)
    return folder


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", "does not exist"),
        ("file", "must be a directory"),
        ("empty", "no TensorBoard logs"),
    ],
)
def test_what_is_no_run_is_one_clear_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "empty" / "train").mkdir(parents=True)
    assert cli.main(["dashboard", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


@pytest.mark.parametrize("port", [-1, 65536])
def test_what_is_no_port_is_one_clear_error(port: int) -> None:
    with pytest.raises(ConfigurationError, match="--port is out of range"):
        dashboard.check_port(port)


def test_a_tensorboard_that_cannot_start_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    versions = {"tensorboard": "2.18.0", "setuptools": "84.2.1"}
    monkeypatch.setattr(dashboard, "version", versions.__getitem__)
    found = {"setuptools": True}
    monkeypatch.setattr(dashboard, "find_spec", found.get)
    with pytest.raises(
        LibraryError, match=r"2.18.0 needs pkg_resources.*pip install 'setuptools<82'"
    ):
        dashboard.check_tensorboard()
    found["pkg_resources"] = True
    dashboard.check_tensorboard()
    found.clear()
    versions["tensorboard"] = "2.21.0"
    dashboard.check_tensorboard()


def test_it_serves_a_run_on_loopback_and_names_a_taken_port(tmp_path: Path) -> None:
    logs(tmp_path)
    said: list[str] = []
    listening, stop = threading.Event(), threading.Event()

    def say(line: str) -> None:
        said.append(line)
        listening.set()

    arguments = (str(tmp_path), 0, "127.0.0.1", say, stop)
    server = threading.Thread(target=dashboard.serve, args=arguments, daemon=True)
    server.start()
    try:
        assert listening.wait(120)
        url = said[0].split()[-1]
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(url, timeout=60) as answer:
            assert b"TensorBoard" in answer.read()
        port = int(url.rstrip("/").rpartition(":")[2])
        with pytest.raises(ConfigurationError, match="cannot listen there.*Leave --port out"):
            dashboard.serve(str(tmp_path), port, say=said.append)
    finally:
        stop.set()
        server.join(30)
    assert not server.is_alive()
