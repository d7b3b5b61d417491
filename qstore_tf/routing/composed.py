"""What backends have in common that are made of members: what they can do, shots, identity."""

from __future__ import annotations

import copy
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from qstore_tf.backends.arrays.base import ArrayBackend
from qstore_tf.backends.base import Backend, Capabilities, WithAccount
from qstore_tf.checks import check_shots
from qstore_tf.routing.members import Member

if TYPE_CHECKING:
    from typing_extensions import Self


class Composed(WithAccount, ArrayBackend):
    """A backend made of members, which can do what all of them can.

    Attributes:
        members: The backends, each with a name of its own.
        shots: Shots of each circuit, where it was given a number.

    Args:
        members: At least one.
    """

    def __init__(self, members: tuple[Member, ...]) -> None:
        """Keeps the members; nothing runs."""
        self.shots: int | None = None
        self._views: dict[int, Self] = {}  # by shots, so that what is made for them is found again
        self._lock = threading.Lock()
        self._use(members)

    def _use(self, members: tuple[Member, ...]) -> None:
        self.members = members
        self.remote = any(member.is_remote for member in members)
        can = [member.capabilities for member in members]
        self.capabilities = Capabilities(
            state_vector=all(each.state_vector for each in can),
            exact=all(each.exact for each in can),
            adjoint=all(each.adjoint for each in can),
            dtypes=self._dtypes(can),
            samples=all(each.samples for each in can),
        )

    def _dtypes(self, can: Sequence[Capabilities]) -> tuple[str, ...]:
        """Those that it runs in: of any member."""
        return tuple(dict.fromkeys(dtype for each in can for dtype in each.dtypes))

    def inner_backends(self) -> tuple[Backend | ArrayBackend, ...]:
        """Returns the backends that it is made of."""
        return tuple(member.backend for member in self.members)

    def with_shots(self, shots: int) -> Self:
        """Returns this backend with a number of shots; members, measurements, budget are shared.

        Members that do not estimate from shots by themselves draw as many samples.
        """
        number = check_shots(shots)
        with self._lock:
            if number not in self._views:
                other = copy.copy(self)
                other.shots = number
                other._use(tuple(member.with_shots(number) for member in self.members))
                self._views[number] = other
            return self._views[number]
