"""Names and objects become stores, and what cannot is told why."""

import pytest

from qstore_tf.errors import ConfigurationError, LibraryError
from qstore_tf.store.vectors.base import VectorBackend, require
from qstore_tf.store.vectors.memory import MemoryVectors
from qstore_tf.store.vectors.names import open_store


def make_a_store():
    return MemoryVectors()


def test_a_name_an_object_a_class_and_a_path_make_a_store():
    store = MemoryVectors()
    assert open_store(store) is store
    for given in ("memory", "qstore_tf.store.vectors.memory:MemoryVectors"):
        assert isinstance(open_store(given), VectorBackend)
    assert isinstance(open_store(make_a_store), MemoryVectors)
    assert isinstance(open_store(MemoryVectors), MemoryVectors)


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        ("memori", {}, "Did you mean 'memory'"),
        ("no.such.module:Store", {}, "cannot be imported"),
        ("qstore_tf.store.vectors.memory:Absent", {}, "cannot be imported"),
        ("memory", {"url": "x"}, "cannot be made.*url"),
        (MemoryVectors(), {"url": "x"}, "takes no options"),
        (object(), {}, "lacks capabilities, close, create, delete"),
        ("collections:OrderedDict", {}, "lacks capabilities"),
        (7, {}, "lacks"),
    ],
)
def test_what_cannot_become_a_store(given, options, words):
    with pytest.raises(ConfigurationError, match=words):
        open_store(given, **options)


def test_a_missing_library_names_the_extra():
    with pytest.raises(LibraryError, match=r"'none' needs no_such_library.*qstore-tf\[none\]"):
        require("no_such_library.part", "none", "none")
