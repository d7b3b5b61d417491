"""Runs the circuits of jobs in a thread of its own, all circuits of a job in one call."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from qstore_tf.errors import QstoreError
from qstore_tf.ionq.emulator.batches import Batch
from qstore_tf.ionq.emulator.machines import MACHINES, SIMULATOR, model_of
from qstore_tf.ionq.emulator.records import Job
from qstore_tf.ionq.emulator.settings import Settings, Simulator
from qstore_tf.ionq.emulator.store import Store
from qstore_tf.ionq.emulator.submission import read_input

_log = logging.getLogger(__name__)


class Worker:
    """Computes what jobs give, in the order in which they are handed over.

    Args:
        store: Where the results go.
        settings: The behaviour.
        simulate: Runs circuits, see `settings`.
    """

    def __init__(self, store: Store, settings: Settings, simulate: Simulator) -> None:
        self._store, self._settings, self._simulate = store, settings, simulate
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="ionq-worker")
        self.closed = False
        for job in store.unfinished():
            self.hand_over(job)

    def hand_over(self, job: Job, batch: Batch | None = None) -> Future[None]:
        """Has a job computed.

        Args:
            job: A job that is stored.
            batch: Its circuits; None to read them from the store.
        """
        return self._threads.submit(self._run, job, batch)

    def close(self) -> None:
        """Stops; what has not begun is taken up by the next worker on the same store.

        Jobs are stored and handed over in one transaction, so that none falls between two workers.
        """
        with self._store.transaction:
            self.closed = True
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, job: Job, batch: Batch | None) -> None:
        now = self._store.job(job.id)
        if now is None or now.canceled is not None or now.computed is not None:
            return
        clock: Callable[[], float] = self._settings.clock
        try:
            texts = [] if job.dry_run else self._texts(job, batch)
            self._store.set_results(job.id, texts, clock())
        except Exception as error:
            # The server goes on whatever the engine does; the job says what happened.
            if not isinstance(error, QstoreError):
                _log.exception("Job %s could not be computed", job.id)
            self._store.update_job(job.id, failure="SimulationError", message=str(error)[:1000])

    def _texts(self, job: Job, batch: Batch | None) -> list[str]:
        if batch is None:
            batch = read_input(job.type, self._store.input(job.id))
        noise, sampled = noise_of(job, self._settings.machine_noise)
        results = self._simulate(
            batch,
            noise=noise,
            shots=job.shots if sampled else None,
            seed=seed_of(job, self._settings.seed),
        )
        return [json.dumps({str(k): float(p) for k, p in result.items()}) for result in results]


def noise_of(job: Job, machine_noise: bool) -> tuple[str, bool]:
    """The noise model of a job, and whether its results are drawn shot by shot.

    The ideal simulator gives exact probabilities, whatever the shots.
    """
    if job.backend == SIMULATOR:
        return job.noise, job.noise != "ideal"
    return model_of(MACHINES[job.backend]) if machine_noise else "ideal", True


def seed_of(job: Job, seed: int) -> int:
    """The seed of a job: the noise seed that came with it, or one of its number."""
    if job.noise_seed is not None:
        return job.noise_seed % 2**32
    return zlib.crc32(f"{seed}:{job.number}".encode())
