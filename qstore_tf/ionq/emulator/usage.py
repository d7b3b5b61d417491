"""What an organization has used: billed jobs by day, week or month, and by job, project or user."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from qstore_tf.ionq.emulator.answers import bad_request
from qstore_tf.ionq.emulator.pricing import compute_time_us
from qstore_tf.ionq.emulator.records import Filter, Job
from qstore_tf.ionq.emulator.states import is_billed
from qstore_tf.ionq.emulator.store import Store

GROUPS = ("job", "project", "user")
MODALITIES = ("daily", "weekly", "monthly")
_SHOWN = 5  # groups of a date


def usage(store: Store, organization: str, query: Mapping[str, str], now: float) -> dict[str, Any]:
    """Adds up the billed jobs of an organization.

    Args:
        store: The jobs.
        organization: Whose.
        query: `start_date`, `end_date` (both inclusive), `group_by` and `modality`.
        now: The time.

    Raises:
        Refusal: The query makes no sense.
    """
    start, end = _date(query, "start_date"), _date(query, "end_date")
    if start > end:
        bad_request('"start_date" is after "end_date"', "start_date")
    group_by, modality = query.get("group_by"), query.get("modality")
    if group_by not in GROUPS:
        bad_request(f'"group_by" must be one of {", ".join(GROUPS)}', "group_by")
    if modality not in MODALITIES:
        bad_request(f'"modality" must be one of {", ".join(MODALITIES)}', "modality")
    since = datetime.combine(start, datetime.min.time(), timezone.utc).timestamp()
    until = datetime.combine(end, datetime.min.time(), timezone.utc).timestamp() + 86_400
    billed = [
        job
        for job in store.jobs(Filter(organization=organization))
        if since <= job.submitted < until and is_billed(job, now)
    ]
    by_date: dict[date, list[Job]] = {}
    for job in billed:
        by_date.setdefault(_first_day(job, modality), []).append(job)
    return {
        "organization": organization,
        "modality": modality,
        "group_type": group_by,
        "start_date": start.isoformat(),
        "end_date": end.isoformat(),
        "usage_from": f"{start.isoformat()}T00:00:00Z",
        "usage_to": f"{(end + timedelta(days=1)).isoformat()}T00:00:00Z",
        "job_count": len(billed),
        **_totals(billed, "amount_total", "usage_unit", "amount_totals", "time_us_total"),
        "usage_data": [
            {
                "from": f"{day.isoformat()}T00:00:00Z",
                "job_count": len(jobs),
                **_totals(jobs),
                "group_usages": _groups(jobs, str(group_by)),
            }
            for day, jobs in sorted(by_date.items(), reverse=True)
        ],
    }


def _date(query: Mapping[str, str], name: str) -> date:
    try:
        return date.fromisoformat(query.get(name, ""))
    except ValueError:
        bad_request(f'"{name}" must be a date such as 2026-01-31', name)


def _first_day(job: Job, modality: str | None) -> date:
    day = datetime.fromtimestamp(job.submitted, timezone.utc).date()
    if modality == "monthly":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if modality == "weekly" else day


def _totals(
    jobs: list[Job],
    amount: str = "amount",
    unit: str = "amount_unit",
    amounts: str = "amounts",
    time_us: str = "time_us",
) -> dict[str, Any]:
    sums: dict[str, Decimal] = {}
    for job in jobs:
        name = (job.unit or "usd").upper()
        sums[name] = sums.get(name, Decimal(0)) + Decimal(job.price or 0)
    # With any credits, the service gives the total in credits; it has no rate for others here.
    main = "CREDIT" if "CREDIT" in sums else next(iter(sums), "USD")
    return {
        amount: float(sums.get(main, Decimal(0))),
        unit: main,
        amounts: [{"amount": float(value), "unit": name} for name, value in sums.items()],
        time_us: float(sum(compute_time_us(job.n_1q, job.n_2q, job.shots) for job in jobs)),
    }


def _groups(jobs: list[Job], group_by: str) -> list[dict[str, Any]]:
    groups: dict[str, list[Job]] = {}
    for job in jobs:
        name = {"job": job.id, "project": "", "user": job.submitter}[group_by]
        groups.setdefault(name, []).append(job)
    made = [
        {"group_id": name, "group_name": name, "job_count": len(members), **_totals(members)}
        for name, members in groups.items()
    ]
    return sorted(made, key=lambda group: -group["amount"])[:_SHOWN]
