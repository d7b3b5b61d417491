"""The power fails before and after every sync, and any write that was not synced may be lost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qstore_tf.testing import light
from qstore_tf.testing.daily import daily_seed

# Writes transactions, closes and opens the database in between, and looks at all cuts.
CODE = """
import json, os, pathlib, random, shutil, sys, tempfile, threading
from qstore_tf import sqlite_files
from qstore_tf.store.catalog import Catalog
from qstore_tf.testing import power_cut
from qstore_tf.testing.crash import Workload

folder, mode = sys.argv[1:3]
seed, transactions, every, pages = map(int, sys.argv[3:])
work = Workload(seed, threads=2)
recorder = power_cut.Recorder(folder)
pathlib.Path(folder).mkdir()

def write(catalog, thread, numbers):
    for number in numbers:
        work.run(catalog, thread, number)
        recorder.note(str(thread))

if mode == "FULL":
    connect = sqlite_files.connect

    def connect_with_full(*arguments):
        raw = connect(*arguments)
        raw.execute("PRAGMA synchronous=FULL")
        return raw

    sqlite_files.connect = connect_with_full

with recorder.recording():
    for part in range(2):
        with Catalog(folder + "/x") as catalog:
            work.prepare(catalog)
            session = catalog._group._session
            session.execute(f"PRAGMA wal_autocheckpoint={pages}")
            session.execute(f"PRAGMA synchronous={mode}")
            numbers = range(part * transactions, (part + 1) * transactions)
            threads = [
                threading.Thread(target=write, args=(catalog, k, numbers))
                for k in range(work.threads)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

events = recorder.events
memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # no need to sync any more
place = pathlib.Path(tempfile.mkdtemp(dir=memory)) / "cut"
failures, looked, chance = [], 0, random.Random(seed)
for position, files in power_cut.cuts(events, seed):
    if chance.random() * every >= 1:
        continue
    told = [0] * work.threads
    for event in events[:position]:
        if event.kind == "note":
            told[int(event.file)] += 1
    power_cut.restore(files, place)
    looked += 1
    try:
        with Catalog(place / "x") as catalog:
            found = work.check(catalog)
            with catalog.read() as reader:
                checked = reader.execute("PRAGMA integrity_check").fetchall()
            assert checked == [("ok",)], checked
            if not all(a <= b <= a + 1 for a, b in zip(told, found)):
                failures.append(f"{position}: {told} were acknowledged, {found} are there")
            elif looked % 10 == 0 and any(found):
                work.run(catalog, 0, found[0])  # and it goes on
                work.check(catalog)
    except Exception as error:
        failures.append(f"{position}: {type(error).__name__} {error}")
shutil.rmtree(place.parent)
kinds = {kind: sum(e.kind == kind for e in events) for kind in ("write", "sync", "note", "delete")}
print(json.dumps({"looked": looked, **kinds, "failures": failures}))
"""


def look(
    folder: Path, transactions: int, every: int, mode: str = "EXTRA", pages: int = 12
) -> dict[str, Any]:
    """What came of it; every so many pages the log goes into the file."""
    text = light.run(CODE, folder / "db", mode, daily_seed(), transactions, every, pages)
    print(text[:500])
    return json.loads(text)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("transactions", "every"), [(5, 5), pytest.param(20, 1, marks=pytest.mark.slow)]
)
def test_nothing_that_was_acknowledged_is_lost(
    tmp_path: Path, transactions: int, every: int
) -> None:
    report = look(tmp_path, transactions, every)
    assert report["failures"] == []
    assert report["note"] == 4 * transactions
    assert report["sync"] > transactions
    assert report["delete"]  # the log, when the database was closed
    assert report["looked"] > 6 * transactions // every


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["FULL", "NORMAL", "OFF"])
def test_what_is_not_synced_is_seen_to_be_lost(tmp_path: Path, mode: str) -> None:
    # So the model can tell: this is what other settings of SQLite do. With FULL, the journal of the
    # very first transaction may come back, and undo the whole file.
    assert look(tmp_path, 5, 3, mode, 1000)["failures"]
