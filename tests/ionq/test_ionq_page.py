"""docs/ionq.md: its examples run, and its prices are those of the tables."""

import doctest
from pathlib import Path

from qstore_tf.ionq.prices import TABLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ionq.md"


def test_the_examples_of_the_page_run() -> None:
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert result.attempted > 10 and result.failed == 0


def test_the_page_has_every_price_and_its_date() -> None:
    rows = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:2] == "| "]
    for table in TABLES:
        of_provider = [row for row in rows if row.casefold().startswith(f"| {table.provider} ")]
        amounts = {table.per_circuit, table.per_shot, table.per_1q_gate, table.per_2q_gate}
        found = [
            row
            for row in of_provider
            if all(str(amount) in row for amount in amounts if amount)
            and all(
                name.replace("-", " ") in row.casefold().replace("-", " ") for name in table.targets
            )
        ]
        assert len(found) == 1, table.title
        assert str(table.date) in found[0]
        assert ("no longer sold" in found[0]) == (not table.listed)
