"""The rooms of `qstore_tf.distribute`: imports run one way, and one object holds the state."""

import ast
import graphlib
from pathlib import Path

import pytest

from tests.test_import_order import PACKAGE, dotted, own_imports

# Each may import itself and what stands before it.
ORDER = ("session", "launch", "group", "keras", "checkpoints", "strategy", "fault_tolerance")
MODULES = sorted((PACKAGE / "distribute").rglob("*.py"))


def room_of(name: str) -> str:
    """The room of a module: 'qstore_tf.distribute.group.channel' -> 'group'."""
    return name.split(".")[2]


def imports_within(path: Path) -> list[str]:
    """The modules of the rooms that a module imports, in functions too; never its own package."""
    own = dotted(path)
    names = [name for name, _ in own_imports(path) if name.startswith("qstore_tf.distribute.")]
    return [name for name in names if name != own and not own.startswith(f"{name}.")]


def test_every_module_has_a_room() -> None:
    rooms = {room_of(dotted(path)) for path in MODULES if dotted(path) != "qstore_tf.distribute"}
    assert rooms == set(ORDER)


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_imports_between_rooms_run_one_way(path: Path) -> None:
    if dotted(path) == "qstore_tf.distribute":
        assert imports_within(path) == []
        return
    allowed = ORDER[: ORDER.index(room_of(dotted(path))) + 1]
    assert [name for name in imports_within(path) if room_of(name) not in allowed] == []


def test_there_is_no_cycle_even_by_imports_in_functions() -> None:
    graph = {dotted(path): imports_within(path) for path in MODULES}
    graphlib.TopologicalSorter(graph).prepare()


def test_no_module_has_a_global_statement() -> None:
    found = [
        f"{dotted(path)}:{node.lineno}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Global)
    ]
    assert found == []
