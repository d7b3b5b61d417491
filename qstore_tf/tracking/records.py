"""What tracking hands out. Frozen, without behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DataVersion:
    """Which data a model was trained on.

    Attributes:
        namespace: The namespace of the quantum database.
        commit: The number of the last commit that the data were read at.
    """

    namespace: str
    commit: int


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        id: Its name, unique and made by the registry.
        name: What its user calls it.
        status: "running", "finished" or "failed".
        started_at: In ms since 1970.
        ended_at: Likewise; None while it runs.
        params: Settings by name.
    """

    id: str
    name: str
    status: str
    started_at: float
    ended_at: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelVersion:
    """One version of a registered model.

    Attributes:
        name: The model's name.
        version: 1, 2, ...; a number is never given twice.
        file: The name of its `.keras` file in the registry's folder.
        sha256: Of the file, in hexadecimal.
        size: Of the file, in bytes.
        packages: Versions of what wrote it, by package; "python" among them.
        programs: A hash of the circuits of its quantum layers; None where it has none. Models of
            the same circuits have the same, whatever their weights.
        data: Which data it was trained on; None where nobody said.
        run: The id of the run that made it; None likewise.
        description: In words.
        created_at: In ms since 1970.
        aliases: The aliases that point at it.
    """

    name: str
    version: int
    file: str
    sha256: str
    size: int
    packages: Mapping[str, str]
    programs: str | None = None
    data: DataVersion | None = None
    run: str | None = None
    description: str = ""
    created_at: float = 0.0
    aliases: tuple[str, ...] = ()
