"""Processes killed by signal 9 at random moments lose nothing that was acknowledged."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest

from qstore_tf.store.catalog import Catalog, Connection
from qstore_tf.testing import light
from qstore_tf.testing.crash import Workload
from qstore_tf.testing.daily import daily_seed

CODE = "from qstore_tf.testing import crash; crash.main()"


@pytest.mark.parametrize("runs", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_a_killed_process_loses_nothing(tmp_path: Path, runs: int) -> None:
    report = json.loads(light.run(CODE, tmp_path / "x", runs, daily_seed()))
    print(report)
    assert report["failures"] == []
    assert report["runs"] == runs
    assert report["acknowledged"] > runs  # they did write


def test_the_check_of_crashes_sees_what_is_missing(tmp_path: Path) -> None:
    work = Workload(daily_seed())
    with Catalog(tmp_path / "x") as catalog:
        work.prepare(catalog)
        for number in range(6):
            work.run(catalog, 0, number)
        assert work.check(catalog) == [6, 0, 0]
        for broken in (
            "UPDATE settings SET value = '4' WHERE name = 'last-0'",
            "DELETE FROM items WHERE key = '0-5-0'",
            "UPDATE items SET metadata = NULL WHERE key = '0-4-0'",
            "DELETE FROM members",
            "UPDATE groups SET accumulator = substr(accumulator, 1, 9) WHERE name = 'g0'",
            "INSERT INTO item_contexts VALUES (99999, 1, 1.0, NULL)",
        ):
            with pytest.raises(Undo):
                catalog.write(lambda w, broken=broken: break_and_check(w, broken, work))
        assert work.check(catalog) == [6, 0, 0]


class Undo(Exception):
    pass


def break_and_check(writer: Connection, broken: str, work: Workload) -> None:
    class Inside:
        @staticmethod
        def read() -> contextlib.AbstractContextManager[Connection]:
            return contextlib.nullcontext(writer)

    writer.execute(broken)
    with pytest.raises((AssertionError, ValueError)):
        work.check(Inside)  # type: ignore[arg-type]
    raise Undo
