"""Rows of a report as aligned text and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from qstore_tf.ionq.money.estimating import text_table

Row = Sequence[str]


def as_text(titles: Row, rows: Sequence[Row], left: int = 2) -> str:
    """Writes rows below titles in columns.

    Args:
        titles: Of the columns.
        rows: A cell for each.
        left: Columns that are aligned to the left; the others are numbers.
    """
    return text_table([tuple(titles), *(tuple(row) for row in rows)], left=left)


def as_markdown(titles: Row, rows: Sequence[Row], left: int = 2) -> str:
    """Writes rows as a Markdown table; arguments as `as_text`.

    Example:
        >>> print(as_markdown(("what", "n"), [("a|b", "1")], left=1))
        | what | n |
        |---|--:|
        | a\\|b | 1 |
    """
    rule = "|".join("---" if place < left else "--:" for place in range(len(titles)))
    lines = [_line(titles), f"|{rule}|", *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(cells: Row) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
