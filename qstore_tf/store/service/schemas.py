"""What each verb's request holds, as OpenAPI shows it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

MOST_ROWS = 10_000
MOST_QUERIES = 1_000

Name = Annotated[str, Field(min_length=1, max_length=512)]
Filter = Annotated[
    dict[str, Any],
    Field(examples=[{"year": {"$gte": 2020}}], description="A metadata filter."),
]


class Packed(BaseModel):
    """An array as its bytes, little-endian."""

    model_config = ConfigDict(extra="forbid")
    dtype: Literal["float32", "float64", "complex64", "complex128"]
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=2)]
    base64: str


Numbers = Annotated[list[float], Field(description="Numbers [d].")] | Packed
Rows = Annotated[list[list[float]], Field(description="Numbers [B, d].")] | Packed
Entry = Annotated[
    str | Annotated[list[str | float | list[float] | Packed], Field(min_length=2, max_length=3)],
    Field(
        description="[name, weight], [name, weight, vector], or the name of a defined context.",
        examples=[["work", 0.7]],
    ),
]
Context = Annotated[
    str | dict[str, float] | None,
    Field(description="None, the name of a context, or weights of several, which sum to 1."),
]


class Body(BaseModel):
    """What every request may say.

    Attributes:
        namespace: The namespace that is meant.
        packed: Whether arrays of the answer are packed.
    """

    model_config = ConfigDict(extra="forbid")
    namespace: Name = "default"
    packed: bool = False


class Put(Body):
    """Stores items, in one commit."""

    ids: Annotated[list[Any], Field(max_length=MOST_ROWS, examples=[["a", "b"]])]
    vectors: Rows | None = None
    contexts: list[list[Entry] | None] | None = None
    coherence_time: list[float | None] | float | None = None
    metadata: list[dict[str, Any] | None] | None = None
    replace: bool = True
    alone: bool = False


class Patch(Body):
    """Changes what is given of one item."""

    id: Name
    vector: Numbers | None = None
    context: str | None = None
    contexts: list[Entry] | None = None
    coherence_time: float | None = None
    metadata: dict[str, Any] | None = None


class Remove(Body):
    """Removes items by names, or by a filter."""

    ids: Annotated[list[Name], Field(max_length=MOST_ROWS)] | Name | None = None
    filter: Filter | None = None


class Learn(Body):
    """Learns the weights of an item's contexts from one answer of a user."""

    id: Name
    vector: Numbers
    relevant: bool = True


class DefineContext(Body):
    """Declares a context, or defines it by orthonormal columns [d, r]."""

    name: Name
    basis: Rows | None = None


class CreateGroup(Body):
    """Makes a correlated group."""

    name: Name
    ids: Annotated[list[Name], Field(max_length=MOST_ROWS)]
    rho: float = 0.85


class DeleteGroup(Body):
    """Dissolves a correlated group."""

    name: Name


class Decohere(Body):
    """Archives what has decohered."""


class Restore(Body):
    """Takes items out of the archive."""

    ids: Annotated[list[Name], Field(max_length=MOST_ROWS)] | Name


class CreateNamespace(Body):
    """Makes a namespace; it has to be named."""

    namespace: Name
    dimension: Annotated[int, Field(ge=1, le=65_536)]
    metric: Literal["cosine", "dot", "l2", "fidelity"] | None = None
    dtype: Literal["float32", "complex64"] = "float32"
    contexts: Annotated[list[Name], Field(max_length=1024)] = []


class DeleteNamespace(Body):
    """Removes a namespace with all its items; it has to be named."""

    namespace: Name


class Namespaces(Body):
    """All namespaces that the key may see."""


class GetMany(Body):
    """Items by their names; null for those that are not there."""

    ids: Annotated[list[Name], Field(max_length=MOST_ROWS)]


class Count(Body):
    """How many items there are, or satisfy a filter."""

    filter: Filter | None = None


class List(Body):
    """Names of items, a page of them."""

    prefix: str = ""
    limit: Annotated[int, Field(ge=1, le=10_000)] = 100
    page_token: str | None = None
    archived: bool = False


class _Query(Body):
    context: Context = None
    mode: Literal["precise", "balanced", "exploratory"] = "balanced"
    top_k: Annotated[int, Field(ge=1, le=10_000)] = 10
    filter: Filter | None = None
    rank_by: Literal["score", "fidelity"] = "score"
    include_vectors: bool = False
    include_metadata: bool = True
    diversity: Literal["mmr", "qprp", "born"] | None = None
    barrier_threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    tunnel_probability: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=0)] | None = None
    shots: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    candidates: Annotated[int, Field(ge=1, le=5000)] | None = None
    overlap: Literal["inversion", "swap", "destructive_swap"] = "inversion"
    guarantee: bool = False


class QueryMany(_Query):
    """The items that queries [B, d] fit best."""

    vectors: Annotated[list[list[float]], Field(max_length=MOST_QUERIES)] | Packed
    tunneling: bool = False


class TunnelSearch(_Query):
    """One item for each basin of a query's landscape."""

    vector: Numbers
    search_space: Annotated[list[Name], Field(max_length=MOST_ROWS)] | None = None
    method: Literal["basins", "turns", "grover"] = "basins"


class EntangledGroups(Body):
    """Correlated groups and their members."""


class MeasureCorrelation(Body):
    """What is declared and was measured of two items."""

    a: Name
    b: Name


class ProposeGroups(Body):
    """Groups that the history of joint updates speaks for."""

    threshold: Annotated[float, Field(ge=0, le=1)] | None = None


class Stale(Body):
    """Members of groups whose vectors are least certain."""

    top_k: Annotated[int, Field(ge=1, le=10_000)] = 10


class Call(BaseModel):
    """One verb of a transaction."""

    model_config = ConfigDict(extra="forbid")
    verb: Name
    body: dict[str, Any]


class Transaction(BaseModel):
    """Verbs that write, all of which are done in one commit, or none."""

    model_config = ConfigDict(extra="forbid")
    calls: Annotated[list[Call], Field(max_length=MOST_ROWS)]


WRITES: dict[str, type[Body]] = {
    "put": Put,
    "patch": Patch,
    "remove": Remove,
    "learn": Learn,
    "define_context": DefineContext,
    "create_group": CreateGroup,
    "delete_group": DeleteGroup,
    "decohere": Decohere,
    "restore": Restore,
    "create_namespace": CreateNamespace,
    "delete_namespace": DeleteNamespace,
}
READS: dict[str, type[Body]] = {
    "namespaces": Namespaces,
    "get_many": GetMany,
    "count": Count,
    "list": List,
    "query_many": QueryMany,
    "tunnel_search": TunnelSearch,
    "entangled_groups": EntangledGroups,
    "measure_correlation": MeasureCorrelation,
    "propose_groups": ProposeGroups,
    "stale": Stale,
}
