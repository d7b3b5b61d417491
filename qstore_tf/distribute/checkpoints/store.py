"""A directory of checkpoints that survives the failure of the process that writes it.

    DIRECTORY/step-000000001234/    arrays.npz, state.json, manifest.json
    DIRECTORY/.lock                 held by the one process that writes
    DIRECTORY/.tmp-*, .trash-*      being written, being deleted; never read
    DIRECTORY/.replaced-step-*      the previous one of a step that is being saved again

Checkpoints appear and disappear by renaming only, so a reader sees a complete one or none.
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
from qstore_tf.distribute.checkpoints.files import Checkpoint
from qstore_tf.errors import CheckpointError, ConfigurationError, describe

_log = logging.getLogger("qstore_tf")

_NAME = re.compile(r"(?:\.replaced-)?step-([0-9]{12,18})")
_LOCK_SECONDS = 30.0
_MAX_LOST_RACES = 100

_T = TypeVar("_T")


class CheckpointStore:
    """A directory of checkpoints: one process writes, any number read at the same time.

    A checkpoint is written beside the others, flushed to disk and renamed to its final name: if
    the process is killed at any time, the previous checkpoints stay complete. The next `save`
    removes unfinished ones. Only `save` deletes.

    Args:
        directory: The directory of the checkpoints; made by the first `save`.
        keep: The number of complete checkpoints that are kept; `save` deletes older ones.
        max_bytes: The largest size of all arrays of a checkpoint. Larger ones are neither written
            nor read, so that a forged one cannot fill the memory.

    Raises:
        ConfigurationError: `keep` or `max_bytes` is not a positive integer.

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
                        f"{name} of a CheckpointStore must be a positive integer",
                        expected="an integer >= 1",
                        received=value,
                    )
                )
        self.directory = Path(directory)
        self.keep = keep
        self.max_bytes = max_bytes
        self._known: dict[int, tuple[object, bool]] = {}

    def save(self, step: int, arrays: Mapping[str, np.ndarray], state: Mapping[str, Any]) -> Path:
        """Writes a checkpoint, then deletes all but the last `keep` complete ones.

        Args:
            step: The step of the training, >= 0. An existing checkpoint of it is replaced.
            arrays: Arrays of any shape by name; names may contain slashes. Booleans, integers,
                floats, complex numbers and bfloat16 keep their bits.
            state: Other values that `json.dumps` can write (infinity and NaN too).

        Returns:
            The directory of the new checkpoint.

        Raises:
            CheckpointError: The disk is full or not writable, another process writes at the same
                time, or a value cannot be stored. The earlier checkpoints are unchanged, and
                nothing unfinished is left.
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
                    f"The checkpoint of step {step} was not saved; earlier ones are unchanged",
                    expected=f"a writable directory with free space: '{self.directory}'",
                    received=f"{type(error).__name__}: {error}",
                    hint="Free space, make the directory writable, or choose another directory.",
                )
            ) from error
        return path

    def require_writable(self) -> None:
        """Makes the directory, and writes and removes a small file there.

        Raises:
            CheckpointError: The directory is not writable.
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
                    expected=f"a writable directory with free space: '{self.directory}'",
                    received=f"{type(error).__name__}: {error}",
                    hint="Make it writable, or choose another directory",
                )
            ) from error

    def newest(self) -> Checkpoint | None:
        """Reads the newest complete checkpoint.

        Checkpoints that are incomplete, changed or forged are skipped, with a warning in the log
        of `qstore_tf` that gives the name and the reason.

        Returns:
            The checkpoint, or `None` if there is no complete one.

        Raises:
            CheckpointError: The directory exists but cannot be listed.
        """
        warned: set[int] = set()

        def look() -> Checkpoint | None:
            for step, path in sorted(self._found().items(), reverse=True):
                try:
                    return self._read(step, path)
                except CheckpointError as error:
                    if step not in warned:
                        _log.warning("Skipping checkpoint '%s': %s.", path, error)
                        warned.add(step)
            return None

        return self._again_after_lost_races(look)

    def load(self, step: int) -> Checkpoint:
        """Reads the checkpoint of one step.

        Raises:
            CheckpointError: It does not exist or is not complete.
        """

        def look() -> Checkpoint:
            found = self._found()
            path = found.get(step)
            try:
                if path is None:
                    raise CheckpointError("it does not exist")
                return self._read(step, path)
            except CheckpointError as error:
                raise CheckpointError(
                    describe(
                        f"The checkpoint of step {step} cannot be loaded: {error}",
                        expected=f"a complete checkpoint in '{self.directory}'",
                        received=sorted(found),
                        hint="newest() finds the newest complete one.",
                    )
                ) from error

        return self._again_after_lost_races(look)

    def steps(self) -> list[int]:
        """Returns the steps of all complete checkpoints, ascending.

        Raises:
            CheckpointError: The directory exists but cannot be listed.
        """

        def look() -> list[int]:
            return [
                step
                for step, path in sorted(self._found().items())
                if self._is_complete(step, path)
            ]

        return self._again_after_lost_races(look)

    def _found(self) -> dict[int, Path]:
        """The directory of each step, complete or not; raises _LostRace if they change meanwhile.

        A listing is no snapshot: while it is read, a checkpoint may appear among the names that
        were passed, and its predecessor vanish from those to come. The directory's time of change
        tells so, but ticks every few milliseconds on some systems, so the names must agree too.
        """
        before = _identity(self.directory)
        found = self._listed()
        if self._listed() != found or _identity(self.directory) != before:
            raise _LostRace
        return found

    def _listed(self) -> dict[int, Path]:
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise CheckpointError(
                describe(
                    f"The checkpoints in '{self.directory}' cannot be listed",
                    expected="a readable directory",
                    received=f"{type(error).__name__}: {error}",
                )
            ) from error
        # Sorted, '.replaced-step-' comes before 'step-', which overrides it.
        matches = filter(None, map(_NAME.fullmatch, sorted(names)))
        return {
            int(match[1]): self.directory / match[0]
            for match in matches
            if match[1] == f"{int(match[1]):012d}"
        }

    def _read(self, step: int, path: Path) -> Checkpoint:
        """Reads a checkpoint; raises _LostRace if it was deleted or replaced meanwhile."""
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

    def _is_complete(self, step: int, path: Path) -> bool:
        """Whether every byte is right; files are read again only if they have changed."""
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
        for _ in range(_MAX_LOST_RACES):
            try:
                return look()
            except _LostRace:
                time.sleep(0.001)
        raise CheckpointError(
            describe(
                f"Each checkpoint found in '{self.directory}' was deleted while it was read",
                expected="a writer that keeps them for longer",
                received=f"{_MAX_LOST_RACES} lost races",
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
        """Renames a written checkpoint to its final name, which a previous one may have."""
        if os.path.lexists(path):
            # A rename cannot replace a directory that is not empty. If the process dies between
            # these two, readers find the previous one, and the next save restores its name.
            os.rename(path, self.directory / f".replaced-{path.name}")
        os.rename(new, path)
        files.sync(self.directory)
        # Known to be complete: `write` has just read the files for their checksums.
        self._known[step] = (_signature(path), True)
        self._clean()

    def _clean(self) -> None:
        """Removes what dead writers have left; holding the lock shows that none is alive."""
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
        found = self._listed()
        complete = [step for step in sorted(found) if self._is_complete(step, found[step])]
        later = [step for step in complete if step > saved]
        if later:
            _log.warning(
                "Checkpoints of later steps than %d, which was just saved, are in '%s': %s. "
                "newest() will return the last of them; delete them if they belong to a different "
                "run.",
                saved,
                self.directory,
                later,
            )
        # The one just saved stays, even if later ones exist.
        kept = [step for step in complete if step <= saved][-self.keep :]
        for step in found:
            if step < kept[0]:
                self._known.pop(step, None)
                _remove(found[step])


def _signature(path: Path) -> object:
    names = (files.MANIFEST, files.ARRAYS, files.STATE)
    return (_identity(path), *(_identity(path / name) for name in names))


class _LostRace(Exception):
    """The writer has deleted or replaced the checkpoint that was being read."""


def _identity(path: Path) -> object:
    """A value that changes when a file is written or a directory is renamed or replaced."""
    try:
        status = path.lstat()
    except OSError as error:
        return error.errno
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _remove(path: Path) -> None:
    try:
        if not path.name.startswith("."):
            # So that no reader sees it lose its files one by one.
            path = path.rename(path.with_name(f".trash-{path.name}"))
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    except OSError as error:
        # The new checkpoint is saved; the next save tries again.
        _log.warning("'%s' cannot be removed: %s.", path, error)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the lock of the writer; the system releases it when the process dies."""
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
                        hint="Use a different directory for each training.",
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
        _log.warning(
            "'%s' cannot be locked (%s): make sure that no second process writes there.",
            path,
            error,
        )
    return True
