"""Which circuits go into which job, within the limits of the service; and back to the work."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from qstore_tf.errors import InputError, describe
from qstore_tf.ionq.job_input import MAX_BYTES, MAX_GATES
from qstore_tf.ionq.service.outcomes import Outcomes, anything, joined, nothing
from qstore_tf.ionq.service.versions import VERSIONS, Body, Options, body
from qstore_tf.ionq.service.work import Work

_LONGEST_NUMBER = 24  # characters of a double as text
_HEAD = 8192  # characters of a body beside its circuits
_BEFORE, _AFTER = "[", "]}"  # around the circuits in a template's text


@dataclass(frozen=True)
class Part:
    """The circuits of one job.

    Attributes:
        index: Its place among all parts.
        first: The position of its first circuit among all.
        pieces: `(work, begin, end)`: circuits `begin` to `end - 1` of that work, in order.
    """

    index: int
    first: int
    pieces: tuple[tuple[Work, int, int], ...] = field(repr=False)

    @property
    def n_circuits(self) -> int:
        """Number of circuits."""
        return sum(end - begin for _, begin, end in self.pieces)

    @property
    def n_wires(self) -> list[int]:
        """Number of wires of each circuit, in order."""
        return [work.n_qubits for work, begin, end in self.pieces for _ in range(end - begin)]

    def body(self, version: str, options: Options, token: str) -> Body:
        """What is sent; ConversionError where it is longer than a job may be."""
        texts = [
            _circuits(work.template.text(work.values[begin:end]))
            for work, begin, end in self.pieces
        ]
        n_qubits = max(work.n_qubits for work, _, _ in self.pieces)
        gateset = self.pieces[0][0].template.gateset
        circuits = ",".join(texts)
        return body(version, options, token, circuits, n_qubits, self.n_circuits, gateset)


def sizes(work: Sequence[Work], version: str, most: int | None) -> list[int]:
    """Returns how many circuits each job gets: as few jobs as the limits allow, evenly filled.

    Args:
        work: What is to be run.
        version: Of the API.
        most: The most circuits of a job; None: as many as the service takes.

    Raises:
        InputError: The circuits are of different gate sets, of which a job has one.
    """
    gatesets = sorted({each.template.gateset for each in work})
    if len(gatesets) > 1:
        raise InputError(
            describe(
                "Circuits of different gate sets cannot be run together",
                expected="one gate set",
                received=gatesets,
            )
        )
    circuits = min(VERSIONS[version].max_circuits, most or VERSIONS[version].max_circuits)
    kinds = [(each.n_gates, _longest(each)) for each in work if len(each)]
    found: list[int] = []
    count = gates = length = 0
    for (n_gates, size), total in zip(kinds, filter(None, map(len, work)), strict=True):
        left = total
        while left:
            room = min(
                circuits - count,
                (MAX_GATES - gates) // max(1, n_gates),
                (MAX_BYTES - _HEAD - length) // size,
            )
            if room < 1 and count:
                found.append(count)
                count = gates = length = 0
                continue
            taken = min(left, max(1, room))  # one that is too large alone is refused when written
            count, left = count + taken, left - taken
            gates, length = gates + taken * n_gates, length + taken * size
    if count:
        found.append(count)
    if len(set(kinds)) > 1:
        return found
    even, more = divmod(sum(found), len(found) or 1)
    return [even + (k < more) for k in range(len(found))]


def parts(work: Sequence[Work], counts: Sequence[int]) -> list[Part]:
    """Returns the parts with so many circuits each, which cover all work in order."""
    made: list[Part] = []
    position = begin = number = 0
    for index, count in enumerate(counts):
        pieces, left = [], count
        while left:
            each = work[number]
            taken = min(left, len(each) - begin)
            if taken:
                pieces.append((each, begin, begin + taken))
            left, begin = left - taken, begin + taken
            if begin == len(each):
                number, begin = number + 1, 0
        made.append(Part(index, position, tuple(pieces)))
        position += count
    return made


def by_work(
    found: Sequence[Sequence[Outcomes]], work: Sequence[Work], shots: int | None
) -> list[Outcomes]:
    """Puts the outcomes of parts together again as the works were given.

    Args:
        found: The outcomes of each part, a stretch for each of its pieces or for several at once.
        work: What was run.
        shots: From how many shots they are; None: exact.
    """
    stretches = [stretch for part in found for stretch in part]
    made: list[Outcomes] = []
    number = at = 0
    for each in work:
        pieces, left = [], len(each)
        while left:
            stretch = stretches[number]
            taken = min(left, len(stretch) - at)
            pieces.append(stretch.part(at, at + taken))
            left, at = left - taken, at + taken
            if at == len(stretch):
                number, at = number + 1, 0
        made.append(joined(pieces) if pieces else nothing(each.n_qubits, shots))
    return made


def filled(
    found: Mapping[int, list[Outcomes]], parts: Sequence[Part], shots: int | None
) -> list[list[Outcomes]]:
    """Returns outcomes for all parts: those that are there, and for others any that fit."""
    return [
        found[part.index]
        if part.index in found
        else [anything(work.n_qubits, end - begin, shots) for work, begin, end in part.pieces]
        for part in parts
    ]


def fingerprint(server: str, options: Options, work: Sequence[Work]) -> str:
    """Returns what tells the same work with the same options from any other, as text."""
    digest = hashlib.sha256(repr((server, options)).encode())
    for each in work:
        digest.update(repr((each.template, each.values.shape)).encode())
        digest.update(np.ascontiguousarray(each.values).tobytes())
    return digest.hexdigest()


def _circuits(text: str) -> str:
    begin = text.index(_BEFORE) + len(_BEFORE)
    return text[begin : len(text) - len(_AFTER)]


def _longest(work: Work) -> int:
    """The most characters that a circuit of some work has."""
    zeros = work.template.text(np.zeros((1, work.template.n_values)))
    return len(_circuits(zeros)) + 1 + _LONGEST_NUMBER * work.template.n_values
