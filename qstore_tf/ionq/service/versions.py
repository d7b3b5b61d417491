"""How the versions of IonQ's API differ, as a table, and the bodies of jobs in each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from qstore_tf.ionq.job_input import COMPACT, MAX_CIRCUITS

TOKEN = "qs_token"  # the name of our token in a job's metadata
_PREFIX = "qs-"  # before the token, in a job's name
_SINGLE, _MULTI = '{"circuit":', "ionq.multi-circuit.v1"


@dataclass(frozen=True, kw_only=True)
class Version:
    """What a version calls things.

    Attributes:
        target: The field of the machine.
        input: The field of the circuits.
        results: The path of the results of one circuit, below that of the job.
        aggregated: That of a job of several circuits.
        has_sessions: Whether there are sessions.
        has_costs: Whether a job's cost can be asked for.
        max_circuits: The most circuits of a job. The clients of v0.3 send one by one.
    """

    target: str
    input: str
    results: str
    aggregated: str
    has_sessions: bool
    has_costs: bool
    max_circuits: int


VERSIONS: Mapping[str, Version] = {
    "v0.4": Version(
        target="backend",
        input="input",
        results="/results/probabilities",
        aggregated="/results/probabilities/aggregated",
        has_sessions=True,
        has_costs=True,
        max_circuits=MAX_CIRCUITS,
    ),
    "v0.3": Version(
        target="target",
        input="body",
        results="/results",
        aggregated="/results",
        has_sessions=False,
        has_costs=False,
        max_circuits=1,
    ),
}


@dataclass(frozen=True, kw_only=True)
class Options:
    """What jobs have in common.

    Attributes:
        target: The machine, by its name in the API.
        shots: Number of shots.
        debiasing: Error mitigation; always said explicitly, as it is a matter of price.
        aggregation: How debiased results are put together; None: as the service does.
        noise: A noise model of the simulator; None: ideal.
        seed: Of the noise and the shots of the simulator.
        dry_run: Whether jobs are only checked and priced.
        session: The id of a session.
    """

    target: str = "simulator"
    shots: int = 1000
    debiasing: bool = False
    aggregation: str | None = None
    noise: str | None = None
    seed: int | None = None
    dry_run: bool = False
    session: str | None = None

    @property
    def is_simulator(self) -> bool:
        """Whether the target is the simulator, which is free."""
        return self.target == "simulator"

    @property
    def is_exact(self) -> bool:
        """Whether the service answers with exact probabilities and ignores shots."""
        return self.is_simulator and self.noise in (None, "ideal")

    @property
    def given_shots(self) -> int | None:
        """From how many shots results are; None: they are exact."""
        return None if self.is_exact else self.shots


@dataclass(frozen=True)
class Body:
    """A job that can be sent.

    Attributes:
        head: Everything but the circuits.
        circuits: Text of the circuits, `{"circuit":[...]}` separated by commas.
        n_qubits: Qubits of the largest circuit.
        n_circuits: Their number.
        gateset: The set of their gates, "native" or "qis".
    """

    head: Mapping[str, Any]
    circuits: str = field(repr=False)
    n_qubits: int
    n_circuits: int
    gateset: str = "native"

    @property
    def is_multi(self) -> bool:
        """Whether the job is one of several circuits."""
        return self.n_circuits > 1

    def input_text(self) -> str:
        """The circuits as the service takes them."""
        begin = f'{{"gateset":"{self.gateset}","qubits":{self.n_qubits},'
        if self.is_multi:
            return f'{begin}"circuits":[{self.circuits}]}}'
        return f'{begin}"circuit":{self.circuits[len(_SINGLE) : -1]}}}'

    def text(self, version: str) -> str:
        """The whole body."""
        head = json.dumps(self.head, **COMPACT)
        return f'{head[:-1]},"{VERSIONS[version].input}":{self.input_text()}}}'


def body(
    version: str,
    options: Options,
    token: str,
    circuits: str,
    n_qubits: int,
    n_circuits: int,
    gateset: str = "native",
) -> Body:
    """Returns the body of a job.

    Args:
        version: "v0.4" or "v0.3".
        options: What to ask for.
        token: What it is called in the journal; it stands in name and metadata.
        circuits: As in `Body`.
        n_qubits: Of the largest circuit.
        n_circuits: Number of circuits.
        gateset: As in `Body`.

    Example:
        >>> made = body("v0.4", Options(), "t1", '{"circuit":[]}', 1, 1)
        >>> made.text("v0.4")[-53:]
        '"input":{"gateset":"native","qubits":1,"circuit":[]}}'
    """
    names = VERSIONS[version]
    head: dict[str, Any] = {
        names.target: options.target,
        "name": name_of(token),
        "metadata": {TOKEN: token},
        "shots": options.shots,
    }
    if version == "v0.3":
        head["lang"] = "json"
        head["error_mitigation"] = {"debias": options.debiasing}
    else:
        head["type"] = _MULTI if n_circuits > 1 else "ionq.circuit.v1"
        head["settings"] = {"error_mitigation": {"debiasing": options.debiasing}}
        if options.session is not None:
            head["session_id"] = options.session
        if options.dry_run:
            head["dry_run"] = True
    if options.is_simulator:
        head["noise"] = {"model": options.noise or "ideal"}
        if options.seed is not None:
            head["noise"]["seed"] = options.seed
    return Body(head, circuits, n_qubits, n_circuits, gateset)


def name_of(token: str) -> str:
    """The name of a job with a token."""
    return _PREFIX + token


def token_of(name: object, metadata: object) -> str | None:
    """Returns the token of a job of ours from its name and metadata; None: it is not ours.

    Example:
        >>> token_of("qs-t1", None), token_of("other", {"qs_token": "t2"}), token_of("x", {})
        ('t1', 't2', None)
    """
    if isinstance(metadata, dict) and isinstance(metadata.get(TOKEN), str):
        return str(metadata[TOKEN])
    if isinstance(name, str) and name.startswith(_PREFIX):
        return name[len(_PREFIX) :]
    return None
