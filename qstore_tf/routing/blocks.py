"""Seeds of rows that do not depend on who runs them: blocks of a batch, by its size alone.

A block is the least that a simulator that draws is given, and always whole; its seed follows from
the batch's and from its place. So whoever runs it draws the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

# Most blocks of a batch: a multiple of the numbers of members that are usual, so that shares are
# even, and not so many that calls cost more than draws.
BLOCKS = 12


def block_rows(count: int) -> int:
    """Returns how many rows each block of a batch has, the last one perhaps fewer.

    Example:
        >>> block_rows(24), block_rows(25), block_rows(1)
        (2, 3, 1)
    """
    return max(1, -(-count // BLOCKS))


def block_seed(seed: Sequence[int], number: int) -> NDArray[np.int64]:
    """Returns the seed of a block: that of the batch for the first, another for each other.

    Only the first of the two numbers changes, as in `ops.seeds.derived_seed`.

    Example:
        >>> block_seed([5, 7], 0).tolist(), block_seed([5, 7], 3).tolist()[1]
        ([5, 7], 7)
    """
    first, second = (int(word) for word in seed)
    if number:
        words = [first % 2**64, second % 2**64, number]
        first = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> np.uint64(1))
    return np.array([first, second], np.int64)


def of_blocks(
    rows: NDArray[np.int64], size: int, count: int
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Yields the blocks that have some rows: number, all rows of the block, and places of those.

    Args:
        rows: Numbers of rows, ascending.
        size: Rows of a block.
        count: Rows of the batch.

    Example:
        >>> [(n, b.tolist(), p.tolist()) for n, b, p in of_blocks(np.array([1, 2, 4]), 2, 5)]
        [(0, [0, 1], [1]), (1, [2, 3], [0]), (2, [4], [0])]
    """
    numbers, begins = np.unique(rows // size, return_index=True)
    for number, mine in zip(numbers.tolist(), np.split(rows, begins[1:]), strict=True):
        first = number * size
        yield number, np.arange(first, min(first + size, count)), mine - first
