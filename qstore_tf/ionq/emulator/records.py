"""What is stored of jobs, their circuits and sessions, and which jobs a list holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as it was accepted, and what is planned for it. Times are seconds since 1970.

    Attributes:
        id: Its id.
        number: Counts all jobs, in the order of their acceptance; 0 until it is stored.
        organization: Whose it is.
        submitter: The key that sent it, by its id.
        version: Of the API by which it came, "v0.3" or "v0.4".
        backend: The machine, by its name in the API.
        type: Such as "ionq.circuit.v1".
        name: As it was sent.
        metadata: JSON text, as it was sent; "null" if it was not.
        shots: Number of shots.
        dry_run: Whether nothing is to be run.
        session: The id of its session.
        settings: JSON text of an object.
        noise: The noise model's name.
        noise_seed: Its seed, if one was sent.
        n_qubits: Of the largest circuit.
        n_circuits: Number of circuits.
        n_1q: Number of one-qubit gates, of all circuits.
        n_2q: Number of two-qubit gates.
        debiasing: Whether error mitigation is on.
        submitted: When it came.
        ready: When it is checked.
        starts: When a machine takes it.
        ends: When the machine is done.
        computed: When the results were there; None until then.
        canceled: When it was canceled; None if it was not.
        failure: The code of its failure; None if there is none.
        message: What the failure says.
        failure_billed: Whether it costs something nevertheless.
        stuck: The status that it does not get beyond; None if it does.
        price: The estimated cost, as text; None where there is no price.
        unit: Of the price.
    """

    id: str
    number: int = 0
    organization: str
    submitter: str
    version: str
    backend: str
    type: str
    name: str | None
    metadata: str
    shots: int
    dry_run: bool
    session: str | None
    settings: str
    noise: str
    noise_seed: int | None
    n_qubits: int
    n_circuits: int
    n_1q: int
    n_2q: int
    debiasing: bool
    submitted: float
    ready: float
    starts: float
    ends: float
    computed: float | None = None
    canceled: float | None = None
    failure: str | None = None
    message: str | None = None
    failure_billed: bool = False
    stuck: str | None = None
    price: str | None = None
    unit: str | None = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """One circuit of a job, which has an id of its own: the job's where it is the only one.

    Attributes:
        id: The id by which its results are fetched.
        name: As it was sent.
        n_qubits: Its number of qubits.
        n_1q: Its number of one-qubit gates.
        n_2q: Its number of two-qubit gates.
        registers: JSON text of an object, register to qubits.
        probabilities: JSON text of an object, state to probability; None until they are there.
    """

    id: str
    name: str | None
    n_qubits: int
    n_1q: int
    n_2q: int
    registers: str = "{}"
    probabilities: str | None = None


@dataclass(frozen=True, kw_only=True)
class Session:
    """A session and its limits. Times are seconds since 1970."""

    id: str
    organization: str
    creator: str
    backend: str
    created: float
    ended: float | None = None
    ender: str | None = None
    most_jobs: int | None = None
    most_minutes: int | None = None
    most_cost: str | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Filter:
    """Which jobs a list holds; None: any."""

    organization: str | None = None
    ids: Sequence[str] | None = None
    backends: Sequence[str] | None = None
    session: str | None = None
    submitter: str | None = None
    before: int | None = None  # only jobs of a smaller number
    until: float | None = None  # only jobs that had come by then
