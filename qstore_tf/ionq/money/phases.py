"""What the jobs of this process are run for at the moment, as cost trackers note it."""

from __future__ import annotations


class Phases:
    """The phase of a process.

    Attributes:
        current: "train", "validation" or "predict"; None: not said.
    """

    def __init__(self) -> None:
        self.current: str | None = None


PHASES = Phases()
