"""The verbs that only read; see `verbs`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qstore_tf.errors import NotFoundError, describe
from qstore_tf.store.arguments.vectors import as_row
from qstore_tf.store.records import Item, Namespace, Page, QueryResult

if TYPE_CHECKING:
    from qstore_tf.store.definitions.correlation import Correlation
    from qstore_tf.store.items.correlations import Proposal


class ReadVerbs(ABC):
    """Verbs that leave a database as it is."""

    @abstractmethod
    def _ask(self, verb: str, namespace: str | None, **arguments: Any) -> Any:
        """Carries a call out."""

    def namespaces(self) -> Sequence[Namespace]:
        """All namespaces, by name."""
        found: Sequence[Namespace] = self._ask("namespaces", None)
        return found

    def get(self, id: str, *, namespace: str | None = None) -> Item:
        """Returns an item as it stands now; its vector has the steps of its groups in it.

        With `refresh_on_read=True` in the settings, its age starts again.

        Args:
            id: The item; it may be in the archive.
            namespace: Where it is.

        Raises:
            NotFoundError: There is no such item.
        """
        [found] = self.get_many([id], namespace=namespace)
        if found is None:
            raise NotFoundError(
                describe(
                    f"There is no item {id!r}"
                    + (f" in namespace {namespace!r}" if namespace else ""),
                    hint="Use get_many for items that may not be there: it returns None for them.",
                )
            )
        return found

    def get_many(
        self, ids: Sequence[str], *, namespace: str | None = None
    ) -> Sequence[Item | None]:
        """Returns items, None for those that are not there."""
        names = [ids] if isinstance(ids, str) else list(ids)
        found: Sequence[Item | None] = self._ask("get_many", namespace, ids=names)
        return found

    def count(
        self, *, filter: Mapping[str, Any] | None = None, namespace: str | None = None
    ) -> int:
        """How many items there are, or satisfy a filter; archived ones do not count."""
        found: int = self._ask("count", namespace, filter=filter)
        return found

    def list(
        self,
        prefix: str = "",
        limit: int = 100,
        page_token: str | None = None,
        *,
        archived: bool = False,
        namespace: str | None = None,
    ) -> Page:
        """Returns names of items in order, a page of them.

        Args:
            prefix: What they start with.
            limit: How many at most, up to 10,000.
            page_token: The `next_token` of the page before.
            archived: Whether to list the archive instead.
            namespace: Where to look.

        Example:
            >>> import qstore_tf as qs
            >>> db = qs.store.QuantumDatabase()
            >>> _ = db.insert_many(["a1", "a2", "b"], [[1.0]] * 3)
            >>> page = db.list("a", limit=1)
            >>> page.ids, db.list("a", page_token=page.next_token).ids
            (('a1',), ('a2',))
        """
        found: Page = self._ask(
            "list", namespace, prefix=prefix, limit=limit, page_token=page_token, archived=archived
        )
        return found

    def query(
        self,
        vector: Any,
        context: str | Mapping[str, float] | None = None,
        mode: str = "balanced",
        enable_tunneling: bool = False,
        top_k: int = 10,
        *,
        filter: Mapping[str, Any] | None = None,
        rank_by: str = "score",
        include_vectors: bool = False,
        namespace: str | None = None,
        **options: Any,
    ) -> QueryResult:
        """Finds the items that a query fits best.

        Args:
            vector: The query q [d].
            context: What the items are measured in: None for all contexts, sum_c p_c F(q, v_c); a
                name for p_c F(q, v_c) of that context; weights by name, which sum to 1, for the
                coherent |sum_c sqrt(w_c p_c) <q|v_c>|^2.
            mode: "balanced", "precise" or "exploratory": `docs/store.md` states what each promises.
            enable_tunneling: Whether matches come from several basins, not only the nearest.
            top_k: How many matches.
            filter: A metadata filter; it is applied before the search, so that min(k, number of
                items that satisfy it) matches come.
            rank_by: "score", or "fidelity" to order by F(q, v_c) alone.
            include_vectors: Whether matches carry their vectors.
            namespace: Where to search.
            options: Further ones of `Query`.

        Returns:
            The matches, best first; equal scores in the order of ids.

        Raises:
            ItemError: The query does not fit the namespace.
            NotFoundError: There is no such namespace or context.
        """
        [result] = self.query_many(
            as_row(vector),
            context,
            mode,
            enable_tunneling,
            top_k,
            filter=filter,
            rank_by=rank_by,
            include_vectors=include_vectors,
            namespace=namespace,
            **options,
        )
        return result

    def query_many(
        self,
        vectors: Any,
        context: str | Mapping[str, float] | None = None,
        mode: str = "balanced",
        enable_tunneling: bool = False,
        top_k: int = 10,
        *,
        namespace: str | None = None,
        **options: Any,
    ) -> Sequence[QueryResult]:
        """Runs many queries at once, [B, d], in about a fifth of the time of single ones."""
        found: Sequence[QueryResult] = self._ask(
            "query_many",
            namespace,
            vectors=vectors,
            context=context,
            mode=mode,
            tunneling=enable_tunneling,
            top_k=top_k,
            **options,
        )
        return found

    def tunnel_search(
        self,
        query: Any,
        barrier_threshold: float | None = None,
        search_space: Sequence[str] | None = None,
        context: str | Mapping[str, float] | None = None,
        top_k: int = 10,
        *,
        method: str = "basins",
        namespace: str | None = None,
        **options: Any,
    ) -> QueryResult:
        """Finds one item for each basin of the query's landscape, the best energy first.

        The energy of an item is 1 - F; a basin is a local minimum of it among items that resemble
        each other, its barrier how far one has to climb from the best item to reach it. So matches
        stand for different kinds of answers. `docs/store.md` has the definitions, and how this
        compares with MMR.

        Args:
            query: q [d].
            barrier_threshold: The highest barrier, in [0, 1]; None for the settings'.
            search_space: Names of the items to look at; None for all.
            context: As in `query`.
            top_k: The most matches.
            method: "basins"; "turns" to fill `top_k` from the basins in turn; or "grover", for the
                best items within reach by a simulated Grover search whose calls are counted,
                beside those of a scan.
            namespace: Where to search.
            options: Further ones of `Query`.

        Returns:
            Matches with `energy`, `barrier`, `transmission` and `path`.
        """
        found: QueryResult = self._ask(
            "tunnel_search",
            namespace,
            vector=query,
            search_space=[search_space]
            if isinstance(search_space, str)
            else None
            if search_space is None
            else list(search_space),
            method=method,
            context=context,
            top_k=top_k,
            barrier_threshold=barrier_threshold,
            **options,
        )
        return found

    def entangled_groups(self, *, namespace: str | None = None) -> dict[str, Sequence[str]]:
        """The correlated groups, with the names of their members."""
        found: dict[str, Sequence[str]] = self._ask("entangled_groups", namespace)
        return found

    def measure_correlation(self, a: str, b: str, *, namespace: str | None = None) -> Correlation:
        """What is declared and what was measured of the correlation of two items.

        Raises:
            NotFoundError: An item is not there.
        """
        found: Correlation = self._ask("measure_correlation", namespace, a=a, b=b)
        return found

    def propose_groups(
        self, threshold: float | None = None, *, namespace: str | None = None
    ) -> Sequence[Proposal]:
        """Groups that the history of joint updates speaks for; none is created.

        Needs `auto_detect_correlations=True`, which keeps that history.

        Args:
            threshold: What the lower confidence bound of rho must reach; by default the setting
                `correlation_threshold`.
            namespace: Where to look.
        """
        found: Sequence[Proposal] = self._ask("propose_groups", namespace, threshold=threshold)
        return found

    def stale(self, top_k: int = 10, *, namespace: str | None = None) -> Sequence[Item]:
        """The members of groups whose vectors are least certain, worst first.

        Each step that a partner took leaves (1 - rho^2) |D|^2 / d of variance per coordinate; what
        has added up since an item was written is its staleness. Embed these anew first.
        """
        found: Sequence[Item] = self._ask("stale", namespace, top_k=top_k)
        return found
