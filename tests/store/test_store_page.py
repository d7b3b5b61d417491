"""docs/store.md and docs/store_service.md: their examples run, and tables name what there is."""

import doctest
import re
from pathlib import Path

import pytest

from qstore_tf.store.cache.stats import CacheStats
from qstore_tf.store.service import app, metrics, schemas

DOCS = Path(__file__).resolve().parents[2] / "docs"
SERVICE = DOCS / "store_service.md"


@pytest.mark.parametrize("name", ["store.md", "store_service.md"])
def test_the_examples_of_the_page_run(name: str) -> None:
    result = doctest.testfile(str(DOCS / name), module_relative=False, encoding="utf-8")
    assert result.attempted > 10 and result.failed == 0


def test_the_tables_of_the_service_are_complete() -> None:
    text = SERVICE.read_text(encoding="utf-8")
    table = text[text.index("| POST") : text.index("| GET")]
    first = " ".join(re.findall(r"^\|(.*?)\|", table, flags=re.MULTILINE)[2:])
    verbs = re.findall(r"`(\w+)`", first)
    assert sorted(verbs) == sorted([*schemas.READS, *schemas.WRITES, "transaction"])
    for status in {status for _, status in app.STATUS} | {401, 403, 411, 413, 422}:
        assert re.search(rf"^\|.*\b{status}\b.*\|$", text, flags=re.MULTILINE), status
    counted = metrics.Metrics()
    counted.watch_caches(lambda: {"memory": CacheStats(0, 0)})
    counters = counted.text().decode()
    named = set(re.findall(r"^# TYPE (qstore_db_\w+) ", counters, flags=re.MULTILINE))
    named = {name for name in named if not name.endswith("_created")}
    assert named == set(re.findall(r"`(qstore_db_\w+)`", text))
    assert f"{schemas.MOST_ROWS:,}" in text and f"{schemas.MOST_QUERIES:,}" in text
    assert f"{app.MOST_BYTES >> 20} MiB" in text
