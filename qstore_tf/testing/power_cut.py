"""Power cuts of an SQLite database: every write and sync is recorded, and any of them may be lost.

`Recorder` stands between SQLite and the system, and notes what is written to files of a folder and
when they are synced. `Disk` then says what a disk may hold if the power had failed at some moment:
all that was synced, and of the later writes any, in whole or in sectors of 512 bytes, in any order.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECTOR = 512

# The path as an address: SQLite keeps it as long as the file is open.
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, POINTER(c_void_p), c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_WRITE = CFUNCTYPE(c_int, POINTER(c_void_p), c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, POINTER(c_void_p), c_int64)
_SYNC = CFUNCTYPE(c_int, POINTER(c_void_p), c_int)


class _Vfs(ctypes.Structure):
    """The first part of SQLite's `sqlite3_vfs`; the rest is copied as it is."""

    _fields_ = (
        ("version", c_int),
        ("size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("delete", c_void_p),
        ("rest", c_void_p * 14),
    )


class _Methods(ctypes.Structure):
    """SQLite's `sqlite3_io_methods`, up to version 3."""

    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("truncate", c_void_p),
        ("sync", c_void_p),
        ("rest", c_void_p * 13),
    )


@dataclass(frozen=True)
class Event:
    """Something that happened.

    Attributes:
        kind: "write", "truncate", "sync", "delete" or "note".
        file: Name of the file; of a note, what the caller noted.
        offset: Where was written, or what the file was cut to.
        data: What was written.
    """

    kind: str
    file: str
    offset: int = 0
    data: bytes = b""


class Recorder:
    """Notes what SQLite does to the files of a folder, in this process, while it is entered.

    Args:
        folder: The folder; connections that are opened meanwhile are recorded.

    Attributes:
        events: What happened, in order.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.events: list[Event] = []
        self._folder = os.path.realpath(folder) + os.sep
        self._lock = threading.Lock()
        self._files: dict[int, str] = {}
        self._methods: dict[int, _Methods] = {}
        self._kept: list[Any] = []

    def note(self, text: str) -> None:
        """Notes that something of the caller's happened."""
        with self._lock:
            self.events.append(Event("note", text))

    @contextlib.contextmanager
    def recording(self) -> Iterator[Recorder]:
        """Around the use of SQLite; all connections must be closed before it ends."""
        import _sqlite3

        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        original = library.sqlite3_vfs_find(None)
        mine = _Vfs.from_buffer_copy(original.contents)
        mine.name = b"recorder"
        mine.open = self._callback(_OPEN, self._opener(original))
        mine.delete = self._callback(_DELETE, self._deleter(original))
        library.sqlite3_vfs_register(ctypes.byref(mine), 1)
        try:
            yield self
        finally:
            library.sqlite3_vfs_unregister(ctypes.byref(mine))
            library.sqlite3_vfs_register(original, 1)

    def _callback(self, kind: Any, function: Callable[..., int]) -> int | None:
        made = kind(function)
        self._kept.append(made)  # SQLite keeps its address only
        return ctypes.cast(made, c_void_p).value

    def _name(self, path: bytes | None) -> str | None:
        """The name of a file of the folder; None for others."""
        text = os.fsdecode(path or b"")
        return text.removeprefix(self._folder) if text.startswith(self._folder) else None

    def _opener(self, original: Any) -> Callable[..., int]:
        really = _OPEN(original.contents.open)

        def open_file(_: Any, path: int | None, file: Any, flags: int, out: Any) -> int:
            status = really(ctypes.addressof(original.contents), path, file, flags, out)
            name = self._name(ctypes.string_at(path) if path else None)
            if status == 0 and name is not None and file[0]:
                with self._lock:
                    self._files[ctypes.addressof(file.contents)] = name
                    file[0] = ctypes.addressof(self._wrapped(file[0]))
            return status

        return open_file

    def _deleter(self, original: Any) -> Callable[..., int]:
        really = _DELETE(original.contents.delete)

        def delete(_: Any, path: bytes, is_synced: int) -> int:
            with self._lock:
                status = really(ctypes.addressof(original.contents), path, is_synced)
                name = self._name(path)
                if status == 0 and name is not None:
                    self.events.append(Event("delete", name, is_synced))
            return status

        return delete

    def _wrapped(self, address: int) -> _Methods:
        """A file's methods with ours in place of three of them."""
        if address in self._methods:
            return self._methods[address]
        theirs = _Methods.from_address(address)
        mine = _Methods.from_buffer_copy(theirs)
        write, truncate = _WRITE(theirs.write), _TRUNCATE(theirs.truncate)
        sync = _SYNC(theirs.sync)

        def on_write(file: Any, data: int, size: int, offset: int) -> int:
            with self._lock:
                self._add(file, "write", offset, ctypes.string_at(data, size))
                return write(file, data, size, offset)

        def on_truncate(file: Any, size: int) -> int:
            with self._lock:
                self._add(file, "truncate", size)
                return truncate(file, size)

        def on_sync(file: Any, flags: int) -> int:
            with self._lock:
                status = sync(file, flags)
                self._add(file, "sync")
                return status

        mine.write = self._callback(_WRITE, on_write)
        mine.truncate = self._callback(_TRUNCATE, on_truncate)
        mine.sync = self._callback(_SYNC, on_sync)
        self._methods[address] = mine
        return mine

    def _add(self, file: Any, kind: str, offset: int = 0, data: bytes = b"") -> None:
        name = self._files[ctypes.addressof(file.contents)]
        self.events.append(Event(kind, name, offset, data))


@dataclass
class _File:
    """A file: what is on the disk for sure, and what may be."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[Event] = field(default_factory=list)
    is_durable: bool = False  # whether the folder is sure to name it
    is_deleted: bool = False  # whether it was deleted, which the folder may not know yet


class Disk:
    """What a disk may hold after a power cut, told event by event."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def add(self, event: Event) -> None:
        """Lets something happen."""
        if event.kind == "note":
            return
        file = self._files.setdefault(event.file, _File())
        if event.kind == "delete":
            if event.offset:
                del self._files[event.file]
            else:
                file.is_deleted = True
            return
        if file.is_deleted:
            file = self._files[event.file] = _File()
        if event.kind == "sync":
            for change in file.pending:
                _apply(file.durable, change, None)
            file.pending, file.is_durable = [], True
        else:
            file.pending.append(event)

    def after_cut(self, chance: random.Random, kept: float) -> dict[str, bytes]:
        """Returns files as the power cut may leave them.

        Args:
            chance: Decides what is lost.
            kept: The probability of each unsynced write to be kept; of those that are not, some
                are torn.
        """
        files = {}
        for name, file in self._files.items():
            if (file.is_deleted or not file.is_durable) and chance.random() >= kept:
                if file.is_deleted and file.is_durable:
                    files[name] = bytes(file.durable)
                continue
            if file.is_deleted:
                continue
            content = bytearray(file.durable)
            for change in file.pending:
                if chance.random() < kept:
                    _apply(content, change, None)
                elif chance.random() < 0.25:
                    _apply(content, change, chance)
            files[name] = bytes(content)
        return files


def _apply(content: bytearray, change: Event, torn: random.Random | None) -> None:
    """Makes a change; where it is torn, in some of its sectors only."""
    if change.kind == "truncate":
        if torn is None:
            del content[change.offset :]
        return
    end = change.offset + len(change.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    start = change.offset
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        if torn is None or torn.random() < 0.5:
            content[start:stop] = change.data[start - change.offset : stop - change.offset]
        start = stop


def cuts(
    events: Sequence[Event], seed: int, kept: Sequence[float] = (0.0, 0.5, 1.0)
) -> Iterator[tuple[int, dict[str, bytes]]]:
    """Yields what a disk may hold if the power had failed just before or after each sync.

    Args:
        events: What was recorded.
        seed: Decides what is lost.
        kept: See `Disk.after_cut`; one state of the disk for each.

    Yields:
        How many of the events had happened, and the files' contents by name.
    """
    disk, chance = Disk(), random.Random(seed)
    for position, event in enumerate(events):
        if event.kind in ("sync", "delete"):
            for share in kept:
                yield position, disk.after_cut(chance, share)
        disk.add(event)
        if event.kind in ("sync", "delete", "note"):
            for share in kept:
                yield position + 1, disk.after_cut(chance, share)


def restore(files: dict[str, bytes], folder: Path) -> None:
    """Makes a folder hold these files and no others."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
