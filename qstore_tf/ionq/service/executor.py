"""Runs work on IonQ's service."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from qstore_tf.errors import JobFailedError, ServiceError, describe
from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.prices import PriceTable
from qstore_tf.ionq.service.outcomes import Outcomes, nothing
from qstore_tf.ionq.service.results import decode
from qstore_tf.ionq.service.server import Server
from qstore_tf.ionq.service.work import Work


class Executor:
    """Runs work on one target."""

    def __init__(
        self,
        server: Server | None = None,
        target: str = "simulator",
        *,
        shots: int = 1000,
        debiasing: bool = False,
        aggregation: str | None = None,
        noise: str | None = None,
        noise_seed: int | None = None,
        dry_run: bool = False,
        max_in_flight: int = 4,
        max_circuits: int | None = None,
        deadline_s: float | None = None,
        journal: str | Path | None = None,
        budget: Budget | None = None,
        tracker: Any = None,
        prices: PriceTable | None = None,
        session: str | None = None,
        transport: str = "http",
    ) -> None:
        self.server, self.target, self.shots = server or Server(), target, shots
        self.noise, self.noise_seed, self.debiasing = noise, noise_seed, debiasing

    def run(
        self, work: Sequence[Work], shots: int | None = None, seed: int | None = None
    ) -> list[Outcomes]:
        """Returns the outcomes of each work, in order."""
        shots = self.shots if shots is None else shots
        is_simulator = self.target == "simulator"
        exact = is_simulator and self.noise in (None, "ideal")
        given = None if exact else shots
        if not sum(map(len, work)):
            return [nothing(each.n_qubits, given) for each in work]
        circuits = [c for each in work for c in each.template.circuits(each.values)]
        n_wires = [each.n_qubits for each in work for _ in range(len(each))]
        token = uuid.uuid4().hex
        body: dict[str, Any] = {
            "type": "ionq.multi-circuit.v1",
            "name": f"qs-{token}",
            "backend": self.target,
            "shots": shots,
            "metadata": {"qs_token": token},
            "settings": {"error_mitigation": {"debiasing": self.debiasing}},
            "input": {
                "gateset": "native",
                "qubits": max(n_wires),
                "circuits": [{"circuit": c} for c in circuits],
            },
        }
        if is_simulator:
            body["noise"] = {"model": self.noise or "ideal", "seed": seed or self.noise_seed}
        with httpx.Client(
            headers={"Authorization": f"apiKey {self.server.key()}"}, timeout=30
        ) as client:
            made = client.post(f"{self.server.url}/jobs", content=json.dumps(body))
            if made.status_code not in (200, 201):
                raise ServiceError(describe("The service refused a job", received=made.text))
            path = f"{self.server.url}/jobs/{made.json()['id']}"
            while (job := client.get(path).json())["status"] != "completed":
                if job["status"] in ("failed", "canceled"):
                    raise JobFailedError(describe("A job failed", received=job.get("failure")))
                time.sleep(0.05)
            answer = client.get(f"{path}/results/probabilities/aggregated").json()
        stretches = decode(answer, n_wires, given)
        table = iter(stretches)
        found, current, at = [], next(table), 0
        for each in work:
            if not len(each):
                found.append(nothing(each.n_qubits, given))
                continue
            if at == len(current):
                current, at = next(table), 0
            found.append(current.part(at, at + len(each)))
            at += len(each)
        return found

    def telemetry(self) -> dict[str, float]:
        """Returns counts."""
        return {}
