"""The results of a job in all shapes of the service.

    probabilities       {"0": 0.5, "3": 0.5}, qubit 0 is the least significant bit
    histogram, shots    {"0": 500, "3": 500} and ["3", "0", ...]; where shots were drawn
    ...-v2              by register and bit string: bit k of the text is qubit k of the register
    aggregated          {id of the circuit: probabilities, ...}, in the order of submission

The ideal simulator gives probabilities alone, as the service says of itself: shots are ignored.

With debiasing the shots are split among variants. Their average is the result; `sharpen=true` or
`aggregation=voting` votes: the most frequent outcome of each position among the variants counts.

On a machine the variants are the same circuit on other ions and by other pulses, so that errors
which depend on these average out. The published noise models have none: they are depolarizing, and
the same for all qubits, so that every variant has the same probabilities. So all variants are drawn
from those of the one circuit, an average with debiasing is as noisy as one without, and how much
debiasing helps on a machine cannot be seen here; what it costs, and its limits, can.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qstore_tf.ionq.emulator.records import Job, Part
from qstore_tf.ionq.emulator.submission import MULTI

VARIANTS = 5  # of a job with debiasing; its shots are split among them
JSON = "application/json"

# Id of an artifact -> its format.
FORMATS: Mapping[str, str] = {
    "probabilities": "ionq.result.probabilities.json.v1",
    "probabilities-v2": "ionq.result.probabilities.json.v2",
    "histogram": "ionq.result.histogram.json.v1",
    "histogram-v2": "ionq.result.histogram.json.v2",
    "shots": "ionq.result.shots.json.v1",
    "shots-v2": "ionq.result.shots.json.v2",
    "probabilities-aggregate": "ionq.result.probabilities-aggregate.json.v1",
}
_EXACT = ("probabilities", "probabilities-v2")
_DRAWN = ("histogram", "histogram-v2", "shots", "shots-v2")
# The shapes that older clients find by their address.
_BY_ADDRESS = ("probabilities", "histogram", "shots")


def available(kind: str, drawn: bool) -> tuple[str, ...]:
    """The ids of the artifacts of a job that is completed.

    Args:
        kind: The job's type.
        drawn: Whether shots were drawn.
    """
    if kind == MULTI:
        return ("probabilities-aggregate",)
    return (*_EXACT, *(_DRAWN if drawn else ()))


def index(job_id: str, kind: str, drawn: bool) -> dict[str, Any]:
    """What a job says of its results: by format, and by the names that older clients read."""
    made: dict[str, Any] = {}
    for artifact in available(kind, drawn):
        entry = {"id": artifact, "format": FORMATS[artifact], "media_type": JSON}
        made[FORMATS[artifact]] = entry
        if artifact in _BY_ADDRESS:
            made[artifact] = {"url": f"/v0.4/jobs/{job_id}/results/{artifact}", **entry}
        elif artifact == "probabilities-aggregate":
            url = f"/v0.4/jobs/{job_id}/results/probabilities/aggregated"
            made["probabilities"] = {"url": url, **entry}
    return made


def aggregated(ids: list[str], texts: list[str]) -> str:
    """The results of many circuits as one JSON text."""
    pairs = (f"{json.dumps(one)}:{text}" for one, text in zip(ids, texts, strict=True))
    return "{" + ",".join(pairs) + "}"


def shape(artifact: str, job: Job, part: Part, *, sharpen: bool = False) -> str:
    """The results of one circuit as JSON text.

    Args:
        artifact: An id of `FORMATS`, except that of all circuits.
        job: The job.
        part: The circuit, whose results are there.
        sharpen: Whether variants vote.
    """
    text = part.probabilities or "{}"
    if artifact == "probabilities" and not (sharpen and job.debiasing):
        return text
    states, numbers = _read(text)
    seed = zlib.crc32(part.id.encode())
    counts = _counts(numbers, job.shots)
    if sharpen and job.debiasing:
        states, counts = _vote(states, counts, seed)
        numbers = counts / counts.sum()
    registers = _registers(part)
    if artifact == "probabilities":
        return json.dumps(dict(zip(map(str, states), numbers.tolist(), strict=True)))
    if artifact == "histogram":
        return json.dumps(dict(zip(map(str, states), counts.tolist(), strict=True)))
    if artifact == "probabilities-v2":
        return json.dumps(
            {"probabilities": {"registers": _by_register(registers, states, numbers)}}
        )
    if artifact == "histogram-v2":
        return json.dumps({"histogram": {"registers": _by_register(registers, states, counts)}})
    drawn = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(states)), counts))
    if artifact == "shots":
        words = [str(state) for state in states]
        return json.dumps([words[k] for k in drawn.tolist()])
    rows = [
        {"registers": {name: _bits(state, qubits) for name, qubits in registers.items()}}
        for state in states
    ]
    return json.dumps({"shots": [rows[k] for k in drawn.tolist()]})


def variants(job: Job) -> list[dict[str, Any]]:
    """How the shots of a job with debiasing are split."""
    sizes = [len(part) for part in np.array_split(np.arange(job.shots), VARIANTS)]
    return [
        {"variant_id": f"{job.id}-{k}", "qubit_map": None, "shots": size}
        for k, size in enumerate(sizes)
    ]


def _read(text: str) -> tuple[list[int], NDArray[np.float64]]:
    data = json.loads(text)
    return [int(state) for state in data], np.array(list(data.values()), dtype=np.float64)


def _counts(numbers: NDArray[np.float64], shots: int) -> NDArray[np.int64]:
    """Whole numbers nearest to `shots * numbers` that add up to the shots."""
    wanted = numbers * shots
    counts = np.floor(wanted + 1e-6).astype(np.int64)
    missing = shots - int(counts.sum())
    if missing > 0:
        counts[np.argsort(counts - wanted, kind="stable")[:missing]] += 1
    return counts


def _vote(
    states: list[int], counts: NDArray[np.int64], seed: int
) -> tuple[list[int], NDArray[np.int64]]:
    """Splits shots among variants at random and takes the most frequent outcome of each row."""
    rng = np.random.default_rng([seed, 1])
    drawn = rng.permutation(np.repeat(np.arange(len(states)), counts))
    rows = drawn[: len(drawn) // VARIANTS * VARIANTS].reshape(-1, VARIANTS)
    votes = (rows[:, :, None] == rows[:, None, :]).sum(axis=2) + rng.random(rows.shape) * 0.5
    winners = rows[np.arange(len(rows)), votes.argmax(axis=1)]
    made = np.bincount(winners, minlength=len(states))
    kept = np.flatnonzero(made)
    return [states[k] for k in kept.tolist()], made[kept]


def _registers(part: Part) -> dict[str, list[int]]:
    named = json.loads(part.registers)
    if not named:
        return {"output_all": list(range(part.n_qubits))}
    return {name: [q for q in qubits if q is not None] for name, qubits in named.items()}


def _bits(state: int, qubits: list[int]) -> list[int]:
    return [state >> int(qubit) & 1 for qubit in qubits]


def _by_register(
    registers: dict[str, list[int]], states: list[int], numbers: NDArray[Any]
) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for name, qubits in registers.items():
        sums: dict[str, Any] = {}
        for state, number in zip(states, numbers.tolist(), strict=True):
            word = "".join(map(str, _bits(state, qubits)))
            sums[word] = sums.get(word, 0) + number
        made[name] = sums
    return made
