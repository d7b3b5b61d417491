"""The verbs: what they take and return, whatever carries them out.

A verb becomes a `Call`. A database carries it out at once, a transaction keeps it, a client sends
it to a service. So all of them have the same verbs, with the same words on them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qstore_tf.store.arguments.contexts import as_contexts
from qstore_tf.store.records import BatchResult


@dataclass(frozen=True, eq=False)
class Call:
    """A verb that somebody used.

    Attributes:
        verb: Its name in `writing.OPERATIONS` or `answering.ANSWERS`.
        namespace: The namespace that is meant; None for the database's default.
        arguments: By name, as they were given.
    """

    verb: str
    namespace: str | None
    arguments: dict[str, Any]


class WriteVerbs(ABC):
    """Verbs that change a database.

    Each returns what it did; in a transaction, which has not done it yet, each returns None.
    """

    @abstractmethod
    def _do(self, verb: str, namespace: str | None, **arguments: Any) -> Any:
        """Carries a call out, or keeps it for the commit."""

    def insert(
        self,
        id: str,
        vector: Any = None,
        contexts: Iterable[Any] | None = None,
        coherence_time: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        namespace: str | None = None,
    ) -> BatchResult:
        """Stores a new item.

        Args:
            id: Its name, 1 to 512 bytes.
            vector: Numbers [d]. The first item of a namespace sets d.
            contexts: Its contexts: `(name, weight)` for a context in which the item has its vector,
                `(name, weight, vector)` for one with a vector of its own, or names alone of
                contexts that `define_context` defined. Weights sum to 1.
            coherence_time: tau in ms of its decay; None for the database's default, which keeps
                items for ever.
            metadata: Strings, numbers, bools and lists of strings by key.
            namespace: Where to; None for the database's default.

        Returns:
            What was stored, in which commit.

        Raises:
            ItemError: It cannot be stored: a wrong dimension, NaN, a zero vector, metadata of a
                wrong type, weights that do not sum to 1, or an id that is there already. Nothing
                was.

        Example:
            >>> import qstore_tf as qs
            >>> db = qs.store.QuantumDatabase()
            >>> db.insert("a", [0.6, 0.8], contexts=[("work", 0.7), ("home", 0.3)]).stored
            1
        """
        return self._put(
            False,
            [id],
            None if vector is None else [vector],
            [contexts],
            [coherence_time],
            [metadata],
            namespace,
            alone=True,
        )

    def upsert(
        self,
        id: str,
        vector: Any = None,
        contexts: Iterable[Any] | None = None,
        coherence_time: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        *,
        namespace: str | None = None,
    ) -> BatchResult:
        """Stores an item, in place of one of the same name where there is one.

        A member of correlated groups stays one, and the step of its vector moves its partners, as
        `update` does. Arguments and errors are those of `insert`.

        Example:
            >>> import qstore_tf as qs
            >>> db = qs.store.QuantumDatabase()
            >>> db.upsert("a", [0.6, 0.8]).stored, db.upsert("a", [1.0, 0.0]).stored, db.count()
            (1, 1, 1)
        """
        return self._put(
            True,
            [id],
            None if vector is None else [vector],
            [contexts],
            [coherence_time],
            [metadata],
            namespace,
            alone=True,
        )

    def insert_many(
        self,
        ids: Sequence[str],
        vectors: Any = None,
        contexts: Sequence[Any] | None = None,
        coherence_time: Sequence[float | None] | float | None = None,
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
        *,
        namespace: str | None = None,
    ) -> BatchResult:
        """Stores new items in one commit. Rows that cannot be stored are left out, and named.

        Args:
            ids: B names.
            vectors: Numbers [B, d].
            contexts: Of each item, as in `insert`.
            coherence_time: Of each item, or one number for all.
            metadata: Of each item.
            namespace: Where to.

        Returns:
            How many were stored, and the others with their errors: `result.check()` raises the
            first.

        Raises:
            ItemError: Something is wrong with all of it, such as its shape.

        Example:
            >>> import qstore_tf as qs
            >>> db = qs.store.QuantumDatabase()
            >>> result = db.insert_many(["a", "b"], [[1.0, 0.0], [0.0, 0.0]])
            >>> result.stored, result.errors[0].id
            (1, 'b')
        """
        return self._put(False, ids, vectors, contexts, coherence_time, metadata, namespace)

    def upsert_many(
        self,
        ids: Sequence[str],
        vectors: Any = None,
        contexts: Sequence[Any] | None = None,
        coherence_time: Sequence[float | None] | float | None = None,
        metadata: Sequence[Mapping[str, Any] | None] | None = None,
        *,
        namespace: str | None = None,
    ) -> BatchResult:
        """Stores items in one commit, in place of those of the same names. See `insert_many`."""
        return self._put(True, ids, vectors, contexts, coherence_time, metadata, namespace)

    def _put(
        self,
        replace: bool,
        ids: Sequence[str],
        vectors: Any,
        contexts: Sequence[Any] | None,
        coherence_time: Sequence[float | None] | float | None,
        metadata: Sequence[Mapping[str, Any] | None] | None,
        namespace: str | None,
        alone: bool = False,
    ) -> BatchResult:
        result: BatchResult = self._do(
            "put",
            namespace,
            ids=ids,
            vectors=vectors,
            contexts=contexts,
            coherence_time=coherence_time,
            metadata=metadata,
            replace=replace,
            alone=alone,
        )
        return result

    def update(
        self,
        id: str,
        vector: Any = None,
        *,
        context: str | None = None,
        contexts: Iterable[Any] | None = None,
        coherence_time: float | None = None,
        metadata: Mapping[str, Any] | None = None,
        namespace: str | None = None,
    ) -> BatchResult:
        """Changes what is given of an item, and prepares it anew: its age starts again.

        The step of the vector moves the item's partners in correlated groups by its conditional
        mean: one member that moves by D moves each partner by rho D. Several members that are
        written in one transaction are taken together, in any order.

        Args:
            id: The item.
            vector: Its new vector [d].
            context: The context whose own vector this is; None for the item's vector.
            contexts: All its contexts anew, as in `insert`.
            coherence_time: Its new coherence time in ms.
            metadata: Keys to set; the others stay. A value of None removes its key.
            namespace: Where it is.

        Raises:
            NotFoundError: There is no such item.
            ItemError: Something cannot be stored; nothing was.
        """
        result: BatchResult = self._do(
            "patch",
            namespace,
            id=id,
            vector=vector,
            context=context,
            contexts=as_contexts(contexts),
            coherence_time=coherence_time,
            metadata=metadata,
        )
        return result

    def delete(
        self,
        ids: str | Iterable[str] | None = None,
        *,
        filter: Mapping[str, Any] | None = None,
        namespace: str | None = None,
    ) -> int:
        """Removes items for good, archived ones too.

        Args:
            ids: One name or several; those that are not there are no error.
            filter: A metadata filter instead: all items that satisfy it.
            namespace: Where from.

        Returns:
            How many were removed.
        """
        names = ids if ids is None or isinstance(ids, str) else list(ids)
        found: int = self._do("remove", namespace, ids=names, filter=filter)
        return found

    def feedback(
        self, id: str, vector: Any, relevant: bool = True, *, namespace: str | None = None
    ) -> dict[str, float]:
        """Learns from one answer of a user: the weights of an item's contexts follow Bayes' rule.

        After a positive test on q, Lueders' rule makes p_c proportional to p_c F(q, v_c); after a
        negative one, to p_c (1 - F(q, v_c)).

        Args:
            id: The item that was shown.
            vector: The query q it was shown for [d].
            relevant: What the user said.
            namespace: Where it is.

        Returns:
            The new weights by context.

        Raises:
            NotFoundError: There is no such item.
            ItemError: It has fewer than two contexts, or the outcome had no probability.
        """
        found: dict[str, float] = self._do(
            "learn", namespace, id=id, vector=vector, relevant=relevant
        )
        return found

    def create_entangled_group(
        self,
        group_id: str,
        entity_ids: Iterable[str],
        correlation_strength: float = 0.85,
        *,
        namespace: str | None = None,
    ) -> None:
        """Makes a group of items whose vectors move together.

        The members' vectors take joint Gaussian steps of correlation rho = `correlation_strength`
        between each two: what is written to one moves the others by the conditional mean, in the
        same transaction. This is classical statistics; nothing travels without the commit.

        Args:
            group_id: The group's name.
            entity_ids: At least two items that have one vector each.
            correlation_strength: rho, from -1/(k - 1) to 1 for k members.
            namespace: Where the items are.

        Raises:
            CorrelationError: No joint distribution has these correlations; the message names the
                pair. Or the group exists, or has fewer than two members.
            NotFoundError: An item is not there.
            ItemError: An item has contexts with vectors of their own.
        """
        self._do(
            "create_group",
            namespace,
            name=group_id,
            ids=[entity_ids] if isinstance(entity_ids, str) else list(entity_ids),
            rho=correlation_strength,
        )

    def delete_entangled_group(self, group_id: str, *, namespace: str | None = None) -> None:
        """Dissolves a group; its members stay where they are, and move no more.

        Raises:
            NotFoundError: There is no such group.
        """
        self._do("delete_group", namespace, name=group_id)

    def define_context(self, name: str, basis: Any = None, *, namespace: str | None = None) -> None:
        """Declares a context, or defines it by a subspace.

        An item that is inserted with the name alone has in this context its vector's projection
        B B^T v, made as long as v, and the weight |B^T v|^2 / |v|^2, by the Born rule, divided by
        the sum over its contexts.

        Args:
            name: The context's name.
            basis: Orthonormal columns B [d, r]; None only declares the name.
            namespace: Where.

        Raises:
            ItemError: The columns are not orthonormal, or do not fit the namespace.
        """
        self._do("define_context", namespace, name=name, basis=basis)

    def restore(self, ids: str | Iterable[str], *, namespace: str | None = None) -> int:
        """Takes items out of the archive, prepared anew.

        Returns:
            How many were there.
        """
        names = ids if isinstance(ids, str) else list(ids)
        found: int = self._do("restore", namespace, ids=names)
        return found

    def create_namespace(
        self,
        name: str,
        dimension: int,
        metric: str | None = None,
        dtype: str = "float32",
        contexts: Sequence[str] = (),
    ) -> None:
        """Makes a namespace before its first item does.

        Args:
            name: Its name.
            dimension: d of its vectors.
            metric: "cosine", "dot", "l2" or "fidelity"; None for the database's.
            dtype: "float32", or "complex64" with metric "fidelity".
            contexts: Contexts to declare.

        Raises:
            ConfigurationError: The metric or dtype is unknown, or the namespace exists.
        """
        self._do(
            "create_namespace",
            name,
            dimension=dimension,
            metric=metric,
            dtype=dtype,
            contexts=list(contexts),
        )

    def delete_namespace(self, name: str) -> None:
        """Removes a namespace with all its items.

        Raises:
            NotFoundError: There is none of this name.
        """
        self._do("delete_namespace", name)

    def apply_decoherence(self, *, namespace: str | None = None) -> int:
        """Archives (or deletes, by the settings) the items that have decohered, in one commit.

        Returns:
            How many there were.
        """
        found: int = self._do("decohere", namespace)
        return found
