"""Checkpoints that survive whatever happens to the process that writes them.

    DIRECTORY/step-000000001234/    arrays.npz, state.json, manifest.json
    DIRECTORY/.lock                 held by the one process that writes
    DIRECTORY/.tmp-*, .trash-*      being written, being deleted; never read
    DIRECTORY/.replaced-step-*      the previous one of a step that is being saved again

Names appear and go by renaming alone, so a reader sees a checkpoint whole or not at all.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from qstore_tf.distribute.checkpoints import files
from qstore_tf.distribute.checkpoints.files import Checkpoint as Checkpoint
from qstore_tf.errors import CheckpointError, ConfigurationError, describe

_log = logging.getLogger("qstore_tf")

_NAME = re.compile(r"(?:\.replaced-)?step-([0-9]{12,18})")
_LOCK_SECONDS = 30.0
_MOST_LOST_RACES = 100

_T = TypeVar("_T")


class CheckpointStore:
    """A directory of checkpoints: one process writes, any number read at the same time.

    A checkpoint is written beside the others, flushed to disk and renamed to its final name: a
    process killed at any instant leaves the previous ones whole. What it leaves half written is
    removed by the next `save`. Only `save` deletes.

    Args:
        directory: Where the checkpoints are; made by the first `save`.
        keep: How many whole ones are kept; older ones are deleted after each `save`.
        max_bytes: The most that the arrays of one checkpoint may take. Larger ones are neither
            written nor read, so that a forged one cannot fill the memory.

    Raises:
        ConfigurationError: `keep` or `max_bytes` is no integer >= 1.

    Example:
        >>> import tempfile
        >>> store = CheckpointStore(tempfile.mkdtemp(), keep=2)
        >>> store.save(10, {"dense/kernel": np.ones([2, 3])}, {"epoch": 1}).name
        'step-000000000010'
        >>> found = store.newest()
        >>> found.step, found.arrays["dense/kernel"].shape, found.state
        (10, (2, 3), {'epoch': 1})
    """

    def __init__(
        self, directory: str | os.PathLike[str], keep: int = 3, max_bytes: int = 1 << 33
    ) -> None:
        for name, value in (("keep", keep), ("max_bytes", max_bytes)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ConfigurationError(
                    describe(
                        f"A store of checkpoints has a wrong {name}",
                        expected="an integer >= 1",
                        received=value,
                    )
                )
        self.directory = Path(directory)
        self.keep = keep
        self.max_bytes = max_bytes
        self._known: dict[int, tuple[object, bool]] = {}

    def save(self, step: int, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> Path:
        """Writes a checkpoint, then deletes the whole ones beyond the last `keep`.

        Args:
            step: The step of the training, >= 0. One that is there already is replaced.
            arrays: Arrays of any shape by name; names may contain slashes. Booleans, integers,
                floats, complex numbers and bfloat16 keep their bits.
            state: Anything else, as `json.dumps` writes it (infinity and NaN too).

        Returns:
            The directory of the new checkpoint.

        Raises:
            CheckpointError: The disk is full or cannot be written, another process writes at
                the same time, or something cannot be stored. The checkpoints that were there
                are still there, and nothing half written is.
        """
        step = files.checked_step(step)
        path = self.directory / f"step-{step:012d}"
        try:
            self._make_directory()
            with _locked(self.directory / ".lock"):
                self._clean()
                new = self.directory / f".tmp-{path.name}"
                try:
                    new.mkdir()
                    files.write(new, step, arrays, state, self.max_bytes)
                    self._put(step, new, path)
                except BaseException:
                    shutil.rmtree(new, ignore_errors=True)
                    raise
                self._prune(step)
        except OSError as error:
            raise CheckpointError(
                describe(
                    f"The checkpoint of step {step} was not saved; earlier ones are unharmed",
                    expected=f"a directory with space that can be written: '{self.directory}'",
                    received=f"{type(error).__name__}: {error}",
                    hint="Free space, or make the directory writable, or choose another one.",
                )
            ) from error
        return path

    def require_writable(self) -> None:
        """Makes the directory, and writes and removes a small file there.

        Raises:
            CheckpointError: That does not work.
        """
        try:
            self._make_directory()
            with _locked(self.directory / ".lock"):
                probe = self.directory / ".tmp-step-probe"
                probe.mkdir()
                probe.rmdir()
        except OSError as error:
            raise CheckpointError(
                describe(
                    "The directory of the checkpoints cannot be written",
                    expected=f"a directory with space that can be written: '{self.directory}'",
                    received=f"{type(error).__name__}: {error}",
                    hint="Make it writable, or choose another one",
                )
            ) from error

    def newest(self) -> Checkpoint | None:
        """Reads the newest checkpoint that is whole.

        One that is torn, changed or foreign is passed over with a warning in the log of
        `qstore_tf` that names it and says why.

        Returns:
            The checkpoint, or `None` if no whole one is there.

        Raises:
            CheckpointError: The directory is there but cannot be listed.
        """
        warned: set[int] = set()

        def look() -> Checkpoint | None:
            for step, path in sorted(self._found().items(), reverse=True):
                try:
                    return self._read(step, path)
                except CheckpointError as error:
                    if step not in warned:
                        _log.warning("Checkpoint '%s' is passed over: %s.", path, error)
                        warned.add(step)
            return None

        return self._again_after_lost_races(look)

    def load(self, step: int) -> Checkpoint:
        """Reads the checkpoint of one step.

        Raises:
            CheckpointError: It is not there or not whole.
        """

        def look() -> Checkpoint:
            found = self._found()
            path = found.get(step)
            try:
                if path is None:
                    raise CheckpointError("it is not there")
                return self._read(step, path)
            except CheckpointError as error:
                raise CheckpointError(
                    describe(
                        f"The checkpoint of step {step} cannot be loaded: {error}",
                        expected=f"a whole checkpoint in '{self.directory}'",
                        received=sorted(found),
                        hint="newest() finds the newest one that is whole.",
                    )
                ) from error

        return self._again_after_lost_races(look)

    def steps(self) -> list[int]:
        """The steps of which a whole checkpoint is there, ascending.

        Raises:
            CheckpointError: The directory is there but cannot be listed.
        """

        def look() -> list[int]:
            return [step for step, path in sorted(self._found().items()) if self._whole(step, path)]

        return self._again_after_lost_races(look)

    def _found(self) -> dict[int, Path]:
        """Where each step is, whole or not."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise CheckpointError(
                describe(
                    f"The checkpoints in '{self.directory}' cannot be listed",
                    expected="a directory that can be read",
                    received=f"{type(error).__name__}: {error}",
                )
            ) from error
        # Sorted, '.replaced-step-' comes before 'step-', which takes its place.
        matches = filter(None, map(_NAME.fullmatch, sorted(names)))
        return {
            int(match[1]): self.directory / match[0]
            for match in matches
            if match[1] == f"{int(match[1]):012d}"
        }

    def _read(self, step: int, path: Path) -> Checkpoint:
        """Reads one, unless it went away or was replaced meanwhile: then raises _LostRace."""
        before = _identity(path)
        try:
            return files.read(path, step, self.max_bytes)
        except (CheckpointError, OSError) as error:
            now = _identity(path)
            if now != before or now == errno.ENOENT:
                raise _LostRace from error
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"it cannot be read ({type(error).__name__}: {error})") from error

    def _whole(self, step: int, path: Path) -> bool:
        """Whether every byte is right; read once, and again only where files have changed."""
        signature = _signature(path)
        known = self._known.get(step)
        if known is None or known[0] != signature:
            try:
                self._read(step, path)
                known = (signature, True)
            except CheckpointError:
                known = (signature, False)
            self._known[step] = known
        return known[1]

    def _again_after_lost_races(self, look: Callable[[], _T]) -> _T:
        for _ in range(_MOST_LOST_RACES):
            try:
                return look()
            except _LostRace:
                time.sleep(0.001)
        raise CheckpointError(
            describe(
                f"Each checkpoint found in '{self.directory}' went away while it was read",
                expected="a writer that keeps them for longer",
                received=f"{_MOST_LOST_RACES} lost races",
                hint="Raise keep, or save less often.",
            )
        )

    def _make_directory(self) -> None:
        missing = self.directory
        while not missing.exists() and missing != missing.parent:
            missing = missing.parent
        self.directory.mkdir(parents=True, exist_ok=True)
        for path in (self.directory, *self.directory.parents):
            if path == missing:
                break
            files.sync(path.parent)

    def _put(self, step: int, new: Path, path: Path) -> None:
        """Gives a written checkpoint its name, under which a previous one may be."""
        if os.path.lexists(path):
            # No rename takes the place of a full directory. Should we die between these two,
            # readers still find the previous one, and the next save gives it its name back.
            os.rename(path, self.directory / f".replaced-{path.name}")
        os.rename(new, path)
        files.sync(self.directory)
        # Not read again to be pruned: what was written has just been read for its checksum.
        self._known[step] = (_signature(path), True)
        self._clean()

    def _clean(self) -> None:
        """Removes what dead writers have left; the lock says that none is alive."""
        for name in os.listdir(self.directory):
            path = self.directory / name
            if name.startswith((".tmp-step-", ".trash-")):
                _remove(path)
            elif name.startswith(".replaced-step-"):
                original = self.directory / name.removeprefix(".replaced-")
                if os.path.lexists(original):
                    _remove(path)
                else:
                    os.rename(path, original)

    def _prune(self, saved: int) -> None:
        found = self._found()
        whole = [step for step in sorted(found) if self._whole(step, found[step])]
        later = [step for step in whole if step > saved]
        if later:
            _log.warning(
                "Checkpoints of later steps than %d, which was just saved, are in '%s': %s. "
                "newest() will return the last of them; delete them if they are of another run.",
                saved,
                self.directory,
                later,
            )
        # The one just saved stays, whatever lies beside it.
        kept = [step for step in whole if step <= saved][-self.keep :]
        for step in found:
            if step < kept[0]:
                self._known.pop(step, None)
                _remove(found[step])


def _signature(path: Path) -> object:
    names = (files.MANIFEST, files.ARRAYS, files.STATE)
    return (_identity(path), *(_identity(path / name) for name in names))


class _LostRace(Exception):
    """What was being read has been deleted or replaced by the writer."""


def _identity(path: Path) -> object:
    """What changes when a file is written or a directory is renamed, replaced or deleted."""
    try:
        status = path.lstat()
    except OSError as error:
        return error.errno
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _remove(path: Path) -> None:
    try:
        if not path.name.startswith("."):
            # No reader sees it lose one file after the other.
            path = path.rename(path.with_name(f".trash-{path.name}"))
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        # What is saved is saved; the next save tries again.
        _log.warning("'%s' cannot be removed: %s.", path, error)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the right to write; the system takes it from a process that dies."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _try_lock(handle, path):
            if time.monotonic() > deadline:
                raise CheckpointError(
                    describe(
                        f"Another process is writing checkpoints into '{path.parent}'",
                        expected="one writer",
                        received=f"'{path.name}' locked for {_LOCK_SECONDS:g} s",
                        hint="Give each training a directory of its own.",
                    )
                )
            time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def _try_lock(handle: int, path: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP):
            raise
        _log.warning("'%s' cannot be locked (%s): let no second process write there.", path, error)
    return True
