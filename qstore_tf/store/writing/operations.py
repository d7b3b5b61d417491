"""Which operation carries out which verb that writes, and those on whole namespaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.store.arguments.names import check_context_name, check_id
from qstore_tf.store.arguments.vectors import check_dimension
from qstore_tf.store.catalog import namespaces
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.writing import aging, grouping, items
from qstore_tf.store.writing.items import Operation
from qstore_tf.store.writing.session import Session


def create_namespace(
    namespace: str, dimension: int, metric: str | None, dtype: str, contexts: Sequence[str]
) -> Operation:
    """Makes a namespace; see `WriteVerbs.create_namespace`."""
    check_id(namespace, "the name of a namespace")
    size = check_dimension(dimension)
    for context in contexts:
        check_context_name(context)

    def operation(session: Session) -> None:
        chosen = metric or session.metric
        allowed = ("float32", "complex64") if chosen == "fidelity" else ("float32",)
        if chosen not in METRICS or dtype not in allowed:
            raise ConfigurationError(
                describe(
                    f"Namespace {namespace!r} cannot be made",
                    expected=f"a metric of {', '.join(METRICS)}, and dtype 'float32', or "
                    "'complex64' with metric 'fidelity'",
                    received={"metric": chosen, "dtype": dtype},
                )
            )
        if namespaces.find(session.writer, namespace) is not None:
            raise ConfigurationError(
                describe(f"There is a namespace {namespace!r} already", hint="Use another name.")
            )
        session.create_namespace(namespace, size, chosen, dtype, contexts)

    return operation


def delete_namespace(namespace: str) -> Operation:
    """Removes a namespace; see `WriteVerbs.delete_namespace`."""

    def operation(session: Session) -> None:
        session.settle()
        namespaces.drop(session.writer, namespaces.get(session.writer, namespace).number)

    return operation


OPERATIONS: dict[str, Callable[..., Operation]] = {
    "put": items.put,
    "patch": items.patch,
    "remove": items.remove,
    "learn": items.learn,
    "define_context": items.define_context,
    "create_group": grouping.create,
    "delete_group": grouping.dissolve,
    "archive": aging.archive,
    "decohere": aging.decohere,
    "refresh": aging.refresh,
    "restore": aging.restore,
    "create_namespace": create_namespace,
    "delete_namespace": delete_namespace,
}
