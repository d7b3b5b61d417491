"""What the jobs of this process are run for at the moment, as cost trackers note it.

Who begins a phase ends it; but Keras tells its callbacks nothing when `fit` ends with an error. So
a phase may be bound to a call in progress, by its frame: once no thread runs that call any more,
the phase is over, whoever should have ended it.
"""

from __future__ import annotations

import sys
import threading
from types import FrameType


class Phase:
    """A phase that has begun.

    Attributes:
        name: "train", "validation" or "predict".
        call: The frame of the call that it is bound to; None: it lasts until it is ended.
    """

    def __init__(self, name: str, call: FrameType | None = None) -> None:
        self.name, self.call = name, call
        self._thread = threading.get_ident()

    @property
    def is_over(self) -> bool:
        """Whether the call has ended, however it ended."""
        if self.call is None:
            return False
        frame = sys._current_frames().get(self._thread)
        while frame is not None and frame is not self.call:
            frame = frame.f_back
        return frame is None


class Phases:
    """The phases of a process, the latest on top. Safe for threads.

    Example:
        >>> phases = Phases()
        >>> train, validation = phases.begin("train"), phases.begin("validation")
        >>> phases.current
        'validation'
        >>> phases.end(validation)
        >>> phases.current
        'train'
        >>> phases.end(train)
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: list[Phase] = []

    @property
    def current(self) -> str | None:
        """ "train", "validation" or "predict"; None: not said."""
        latest = self.latest
        return None if latest is None else latest.name

    @property
    def latest(self) -> Phase | None:
        """The phase itself; None: not said."""
        with self._lock:
            # What is over is let go: its frame holds the data of the training.
            self._begun = [phase for phase in self._begun if not phase.is_over]
            return self._begun[-1] if self._begun else None

    def begin(self, name: str, call: FrameType | None = None) -> Phase:
        """Begins a phase, which holds for jobs of all threads.

        Args:
            name: "train", "validation" or "predict".
            call: The frame of a call of this thread, with which it ends at the latest.
        """
        phase = Phase(name, call)
        with self._lock:
            self._begun = [each for each in self._begun if not each.is_over] + [phase]
        return phase

    def end(self, phase: Phase | None) -> None:
        """Ends a phase; one that is over already stays so."""
        with self._lock:
            self._begun = [each for each in self._begun if each is not phase]


PHASES = Phases()
