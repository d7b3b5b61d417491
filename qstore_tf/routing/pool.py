"""A backend that runs each batch on several others at the same time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from qstore_tf.backends import registry
from qstore_tf.backends.arrays.base import Array, ArrayBackend, Gradients
from qstore_tf.backends.arrays.rows import PartSeed
from qstore_tf.backends.base import Backend, Batch, Capabilities
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.service.delivering import NotAllSent
from qstore_tf.routing.blocks import block_rows, block_seed, of_blocks
from qstore_tf.routing.budgets import as_budget, check_one_training, sharing
from qstore_tf.routing.carrying import Account, Carried, carry, in_order
from qstore_tf.routing.composed import Composed
from qstore_tf.routing.members import Member, dearest, members_of, within
from qstore_tf.routing.shares import Rows, alike
from qstore_tf.routing.speeds import Size
from qstore_tf.routing.work_done import WorkDone
from qstore_tf.routing.written import Written, fingerprint

_THREADS = 8  # for each member: shares of several batches, and what is dealt again


class Pool(Composed):
    """Runs each batch on all its backends at the same time, in shares by measured throughput.

    Results come in the order of the rows, whoever ran them. A backend that fails gets nothing more
    of the batch, and what it has not done goes to the others; after some failures it is left alone
    for a while. Circuits that cost money are run once: what a paid backend has completed is kept,
    also of a share that fails half-way, and what may be running there yet goes only to backends
    that cost nothing. Where there is none, a ShareError says what is missing, and the same call
    again takes it up, in another process too. docs/pool.md has more.

    The seed of a row does not depend on the share it is in: with simulators of one kind, the
    results are the same for every partition.

    It can do what all its backends can. Gradients by gradient="adjoint" need those of their own in
    each of them, and are summed; else they are further circuits.

    Args:
        backends: Names, backends, or mappings with "name" and "options".
        budget: What may be spent by all of them together: a Budget, or an amount of US dollars.
            None: each has its own, if any.
        journal: The file in which it is written who has which rows, where that costs money; None:
            pool.sqlite beside the journal of jobs.

    Raises:
        ConfigurationError: There is no backend, or one has another budget of its own.
        LibraryError: What one of the backends needs is not installed.

    Example:
        >>> pool = Pool(["tensorflow", "qsim"])
        >>> pool.capabilities.exact, pool.capabilities.adjoint
        (True, False)
        >>> pool.statistics()["qsim"]["circuits"]
        0
    """

    name = "pool"

    def __init__(
        self,
        backends: Sequence[str | Backend | ArrayBackend | Mapping[str, Any]] = (),
        budget: Budget | Mapping[str, Any] | int | float | str | None = None,
        journal: str | Path | None = None,
    ) -> None:
        """Makes the members; nothing runs before the first batch."""
        self.budget = as_budget(budget)
        members = members_of(sharing(backends, budget, self.budget))
        if self.budget is not None:
            members = tuple(member.with_budget(self.budget) for member in members)
        for member in members:
            if member.is_paid and any(
                isinstance(each, Composed) for each in within(member.backend)
            ):
                raise ConfigurationError(
                    describe(
                        f"{member.name!r} in a Pool has backends that cost money",
                        expected="one Pool with all of them, which writes down who has which rows",
                        received=member.backend,
                        hint="Give its backends to the Pool",
                    )
                )
        self._written = Written(journal, "pool")
        self._done = WorkDone([member.name for member in members])
        self._threads: tuple[int, ThreadPoolExecutor] | None = None
        super().__init__(members)

    def _dtypes(self, can: Sequence[Capabilities]) -> tuple[str, ...]:
        """Those of all members: each runs a share."""
        found = tuple(each for each in can[0].dtypes if all(each in own.dtypes for own in can))
        if not found:
            raise ConfigurationError(
                describe(
                    "The backends of a pool have no dtype in common",
                    expected="one that all of them run in",
                    received=[each.dtypes for each in can],
                    hint="Leave out the backend that runs in another dtype than the others",
                )
            )
        return found

    def get_config(self) -> dict[str, Any]:
        """Returns the keyword arguments that make the same Pool again.

        Without keys, journal, and what was measured.
        """
        return {
            "backends": [member.get_config() for member in self.members],
            "budget": self.budget and self.budget.get_config(),
        }

    def check(self, program: Program) -> None:
        """Raises ConfigurationError where no member can run the program; it says what each says."""
        check_one_training(self.budget)
        self._able(program)

    def expectation(
        self, batch: Batch, observables: Sequence[PauliSum], seed: Sequence[int] | None = None
    ) -> Array:
        """Returns expectations [B, K]; see `ArrayBackend.expectation`."""
        sums = tuple(observables)

        def run(member: Member, part: Batch, seed: Any) -> Array:
            return member.expectation(part, sums, seed)

        draws = not self.capabilities.exact
        return self._rows(batch, "forward", ("expectation", sums), run, seed if draws else None)

    def pull_expectation(
        self, batch: Batch, observables: Sequence[PauliSum], upstream: Array
    ) -> Gradients:
        """Returns the gradients, those by theta summed over the shares."""
        return self._gradients(
            batch,
            lambda member, part, rows: member.pull_expectation(part, observables, upstream[rows]),
        )

    def state_vector(self, batch: Batch) -> Array:
        """Returns the final states [B, 2^n]."""
        return self._rows(
            batch, "state", ("state",), lambda member, part, seed: member.state_vector(part)
        )

    def probabilities(self, batch: Batch) -> Array:
        """Returns the probabilities [B, 2^n] of the basis states."""
        return self._rows(
            batch, "state", ("chances",), lambda member, part, seed: member.probabilities(part)
        )

    def pull_state(self, batch: Batch, upstream: Array) -> Gradients:
        """Returns the gradients, those by theta summed over the shares."""
        return self._gradients(
            batch, lambda member, part, rows: member.pull_state(part, upstream[rows])
        )

    def sample(self, batch: Batch, shots: int, seed: Sequence[int]) -> Array:
        """Returns samples int64 [B, shots]; see `ArrayBackend.sample`."""

        def run(member: Member, part: Batch, seed: Any) -> Array:
            return member.sample(part, shots, seed)

        return self._rows(batch, "sample", ("sample", shots), run, seed, shots)

    def statistics(self) -> dict[str, dict[str, float]]:
        """Returns what each member has done so far, by its name.

        `circuits`: rows that it has run. `shares`: in how many calls. `failures`: how many of them
        failed. `seconds`: how long they took together. `circuits_per_second`: of all of them.
        `share`: of the circuits of all members. `trips`: how often it was left alone.
        """
        return self._done.by_member(self.members)

    def telemetry(self) -> dict[str, float]:
        """Returns the statistics of all members; see `callbacks.ReportsTelemetry`."""
        return self._done.as_dict(self.members)

    def _able(self, program: Program) -> list[Member]:
        """The members that can run a program."""
        reasons = {member.name: member.refusal(program) for member in self.members}
        able = [member for member in self.members if reasons[member.name] is None]
        if not able:
            said = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
            raise ConfigurationError(
                describe(
                    f"No backend of the pool can run this circuit: {said}",
                    hint="Give the pool a backend that can",
                )
            )
        return able

    def _rows(
        self,
        batch: Batch,
        kind: str,
        what: tuple[Any, ...],
        run: Callable[[Member, Batch, Any], Array],
        seed: Sequence[int] | None = None,
        shots: int | None = None,
    ) -> Array:
        """Returns [B, ...], what `run` returns for each row."""
        count, able = len(batch.inputs), {each.name: each for each in self._able(batch.program)}
        if not count:
            return run(next(iter(able.values())), batch, seed)
        if any(each.is_rehearsing for each in able.values()):
            # An estimate says the most: whatever the shares are, and wherever they move.
            sums = what[1] if kind == "forward" else None
            most = dearest(able.values(), batch.program, sums, count, shots)
            return run(most, batch, seed)
        # Members that draw here do so in blocks, each with a seed of its own.
        draws = seed is not None and not all(each.is_remote for each in able.values())
        unit = block_rows(count) if draws else 1
        rows_a_call = unit if draws else -(-count // len(able))

        def work(name: str, rows: Rows) -> Array:
            member = able[name]
            if seed is None:
                return run(member, _part(batch, rows), None)
            if member.is_remote:
                return run(member, _part(batch, rows), PartSeed(seed, rows))
            found: list[Array] = []
            for number, block, place in of_blocks(rows, unit, count):
                found.append(run(member, _part(batch, block), block_seed(seed, number))[place])
            return np.concatenate(found)

        def carried(account: Account | None) -> Array:
            done = self._carry(batch, able, kind, work, unit, rows_a_call, shots, account)
            found: Array = in_order(done.results, count)
            return found

        if not any(each.is_paid for each in able.values()):
            return carried(None)
        with self._written.batch(fingerprint(batch, what, self.members)) as account:
            return carried(account)

    def _gradients(
        self, batch: Batch, run: Callable[[Member, Batch, Rows], Gradients]
    ) -> Gradients:
        count, able = len(batch.inputs), {each.name: each for each in self._able(batch.program)}
        if not count:
            return run(next(iter(able.values())), batch, np.arange(0))

        def work(name: str, rows: Rows) -> Gradients:
            return run(able[name], _part(batch, rows), rows)

        rows_a_call = -(-count // len(able))
        found = self._carry(batch, able, "gradient", work, 1, rows_a_call, None, None).results
        if len(found) == 1:
            return found[0][1]
        theta = np.sum([each.theta for _, each in found], axis=0, dtype=np.float64)
        initial = None
        if batch.initial is not None:
            initial = in_order([(rows, each.initial) for rows, each in found], count)
        inputs = in_order([(rows, each.inputs) for rows, each in found], count)
        return Gradients(inputs, theta.astype(batch.theta.dtype), initial)

    def _carry(
        self,
        batch: Batch,
        able: Mapping[str, Member],
        kind: str,
        work: Callable[[str, Rows], Any],
        unit: int,
        rows_a_call: int,
        shots: int | None,
        account: Account | None,
    ) -> Carried:
        check_one_training(self.budget, running=True)
        admitted = {name for name, member in able.items() if member.breaker.admit()}

        def weigh(usable: Sequence[str]) -> dict[str, float]:
            # Those that are to be left alone come last: better they than nobody.
            names = [name for name in usable if name in admitted] or usable
            given = batch.program, kind, shots, rows_a_call
            speeds = {name: self._speed(able[name], *given) for name in names}
            return alike(speeds)

        def timed(name: str, rows: Rows) -> Any:
            begun = time.perf_counter()
            try:
                found = work(name, rows)
            except NotAllSent:
                raise
            except Exception as error:
                self._done.failed(name, time.perf_counter() - begun, error)
                raise
            self._done.ran(name, len(rows), time.perf_counter() - begun)
            return found

        carried = carry(len(batch.inputs), able, timed, weigh, self._executor(), unit, account)
        self._done.moved(carried)
        return carried

    @staticmethod
    def _speed(
        member: Member, program: Program, kind: str, shots: int | None, rows_a_call: int
    ) -> float:
        """Circuits per second in calls of so many rows, which share what a call takes."""
        size = Size.of(program, kind, member.shots if shots is None else shots, rows_a_call)
        return member.speeds.circuits_per_second(member.name, member.kind, size)

    def _executor(self) -> ThreadPoolExecutor:
        """The threads of this process: they do not live on in a child that was forked."""
        with self._lock:
            if self._threads is None or self._threads[0] != os.getpid():
                made = ThreadPoolExecutor(_THREADS * len(self.members), "qstore-pool")
                self._threads = os.getpid(), made
            return self._threads[1]


def _part(batch: Batch, rows: Rows) -> Batch:
    """Some rows of a batch; the batch itself where those are all."""
    if len(rows) == len(batch.inputs):
        return batch
    initial = None if batch.initial is None else batch.initial[rows]
    return replace(batch, inputs=batch.inputs[rows], initial=initial)


registry.register("pool", Pool)
