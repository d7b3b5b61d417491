"""From a name or an object to a store of vectors."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from qstore_tf.errors import ConfigurationError, describe, did_you_mean
from qstore_tf.store.vectors.base import VectorBackend

# name: (module, class)
STORES = {
    "memory": ("qstore_tf.store.vectors.memory", "MemoryVectors"),
    "pgvector": ("qstore_tf.store.vectors.pgvector", "PgVectors"),
    "qdrant": ("qstore_tf.store.vectors.qdrant", "QdrantVectors"),
    "pinecone": ("qstore_tf.store.vectors.pinecone", "PineconeVectors"),
}
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def open_store(store: Any, **options: Any) -> VectorBackend:
    """Returns a store of vectors.

    Args:
        store: "memory", "pgvector", "qdrant", "pinecone"; "package.module:factory", a function or
            class that returns one; or an object that follows `VectorBackend`, returned as it is.
        **options: Arguments of the store or the factory, such as `url`; none for an object.

    Returns:
        The store.

    Raises:
        ConfigurationError: An unknown name, options that do not fit, or an object that lacks
            methods; the message names them.
        LibraryError: A library is missing; the message says how to install it.

    Example:
        >>> open_store("memory").name
        'memory'
        >>> open_store("qstore_tf.store.vectors.memory:MemoryVectors").capabilities.durable
        False
    """
    if not isinstance(store, str) and callable(store):
        return _checked(_made(store, store, options), store)
    if not isinstance(store, str):
        if options:
            raise ConfigurationError(
                describe(
                    "A store that is given as an object takes no options",
                    received=sorted(options),
                    hint="Make the object with them.",
                )
            )
        return _checked(store, store)
    if store in STORES:
        module, attribute = STORES[store]
        factory = getattr(importlib.import_module(module), attribute)
    elif _FACTORY.fullmatch(store):
        factory = _named(store)
    else:
        raise ConfigurationError(
            describe(
                f"There is no store of vectors called {store!r}",
                hint=did_you_mean(store, STORES) + " Your own: 'package.module:factory'.",
            )
        )
    return _checked(_made(factory, store, options), store)


def _made(factory: Any, store: Any, options: dict[str, Any]) -> Any:
    try:
        inspect.signature(factory).bind(**options)
    except (TypeError, ValueError) as error:  # ValueError: one without a signature
        if isinstance(error, TypeError):
            raise ConfigurationError(
                describe(f"The store {store!r} cannot be made ({error})", received=sorted(options))
            ) from error
    return factory(**options)


def _named(store: str) -> Any:
    """The object that 'package.module:name' names."""
    module, _, path = store.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for attribute in path.split("."):
            found = getattr(found, attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigurationError(
            describe(
                f"The store {store!r} cannot be imported ({error})",
                expected="'package.module:factory'",
            )
        ) from error
    return found


def _checked(made: Any, store: Any) -> VectorBackend:
    wanted = {name for name in vars(VectorBackend) if not name.startswith("_")}
    wanted |= {"name", "capabilities"}
    lacking = [name for name in sorted(wanted) if not hasattr(made, name)]
    if lacking:
        raise ConfigurationError(
            describe(
                f"{store!r} is no store of vectors: it lacks {', '.join(lacking)}",
                hint="See qstore_tf.store.vectors.base.VectorBackend.",
            )
        )
    return made  # type: ignore[no-any-return]
