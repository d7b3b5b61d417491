"""Reads every module's imports and holds the package to its one direction."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "qstore_tf"

# Each part may import itself and what stands above it.
ORDER = (
    "errors",
    "credentials",
    "sqlite_files",
    "limits",
    "caching",
    "memory",
    "circuits",
    "shifts",
    "checks",
    "cc",
    "ionq",
    "store",
    "ops",
    "backends",
    "routing",
    "gradients",
    "execution",
    "layers",
    "optimizers",
    "callbacks",
    "distribute",
    "tracking",
    "training",
    "compat",
    "cli",
)
# Rooms and modules that import neither TensorFlow nor Keras nor any other framework.
FREE_OF_FRAMEWORKS = (
    "errors",
    "credentials",
    "sqlite_files",
    "limits",
    "caching",
    "memory",
    "circuits",
    "shifts",
    "checks",
    "cc",
    "ionq",
    "store",
    "backends.base",
    "backends.extras",
    "backends.forecast",
    "backends.registry",
    "backends.arrays",
    # Router and what it needs of Pool, but what calls backends that compute in TensorFlow.
    *(
        f"routing.{name}"
        for name in (
            *(
                "advice",
                "budgets",
                "choosing",
                "composed",
                "explaining",
                "health",
                "limits",
                "members",
                "payers",
            ),
            *("requests", "router", "scores", "shares", "speeds", "tally", "written"),
        )
    ),
)
FRAMEWORKS = ("tensorflow", "keras", "tf_keras", "torch", "jax")
FREE = ("testing", "__init__", "__main__")  # may import anything; only tests import `testing`


@functools.cache
def modules() -> tuple[Path, ...]:
    return tuple(sorted(p for p in PACKAGE.rglob("*.py") if "node_modules" not in p.parts))


@functools.cache
def names() -> frozenset[str]:
    return frozenset(dotted(path) for path in modules())


@functools.cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def dotted(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(name: str) -> str:
    """The part a dotted module name belongs to: 'qstore_tf.ops.plain' -> 'ops'."""
    pieces = name.split(".")
    return pieces[1] if len(pieces) > 1 else "__init__"


def is_free_of_frameworks(name: str) -> bool:
    """Whether a module promises to import no framework."""
    within = name.removeprefix("qstore_tf").removeprefix(".")
    # What a package exports lazily may need one.
    return within in ("", "backends", "routing") or any(
        within == free or within.startswith(f"{free}.") for free in FREE_OF_FRAMEWORKS
    )


def is_typing_block(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports_of(path: Path, *, top_level_only: bool = False) -> Iterator[tuple[str, int]]:
    """Yields (dotted name, line) of everything a module imports, typing-only imports left out."""
    package = dotted(path) if path.name == "__init__.py" else dotted(path).rpartition(".")[0]
    waiting: list[ast.AST] = list(tree_of(path).body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                kept = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*kept, base] if base else kept)
            yield base, node.lineno
            yield from ((f"{base}.{alias.name}", node.lineno) for alias in node.names)
        elif is_typing_block(node):
            waiting.extend(node.orelse)  # type: ignore[attr-defined]
        elif top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        else:
            waiting.extend(ast.iter_child_nodes(node))


def own_imports(path: Path, *, top_level_only: bool = False) -> Iterator[tuple[str, int]]:
    """The imports that name a module of the package (names inside a module resolve to it)."""
    known = names()
    for name, line in imports_of(path, top_level_only=top_level_only):
        if name == "qstore_tf" or name.startswith("qstore_tf."):
            while name not in known and "." in name:
                name = name.rpartition(".")[0]
            yield name, line


# The rooms of circuits/, each of which may import itself and those before it.
CIRCUITS = (
    "symbols",
    "primitives",
    "program",
    "gates",
    "observables",
    "theta_blocks",
    "grouping",
    "operation",
    "circuit",
    "compiling",
    "reference",
    "optimizing",
    "drawing",
    "formats",
    "unified",
    "reading",
    "arguments",
    "ansatz",
    "encodings",
    "__init__",
)


# The same of store/. What users hold stands at the root: what is plain first, the database last.
STORE = (
    "records",
    "config",
    "definitions",
    "arguments",
    "circuits",
    "tunneling",
    "index",
    "catalog",
    "items",
    "vectors",
    "cache",
    "verbs",
    "writing",
    "queries",
    "transaction",
    "database",
    "aio",
    "service",
    "command",
    "__init__",
)
ROOMS = {"circuits": CIRCUITS, "store": STORE}


def room_of(name: str) -> str:
    pieces = name.split(".")
    return pieces[2] if len(pieces) > 2 else "__init__"


@pytest.mark.parametrize("part", ROOMS)
def test_the_rooms_of_a_part_are_those_of_its_order(part: str) -> None:
    assert {room_of(dotted(p)) for p in modules() if part_of(dotted(p)) == part} == set(ROOMS[part])


@pytest.mark.parametrize("part", ROOMS)
def test_rooms_import_only_from_rooms_before_theirs(part: str) -> None:
    order = ROOMS[part]
    wrong = [
        f"{dotted(path)}, line {line}: {name}"
        for path in modules()
        if part_of(dotted(path)) == part
        for name, line in own_imports(path)
        # `from qstore_tf.circuits import reference` also yields the bare package.
        if part_of(name) == part
        and name != f"qstore_tf.{part}"
        and order.index(room_of(name)) > order.index(room_of(dotted(path)))
    ]
    assert not wrong, f"imports from rooms after their own: {wrong}"


def test_every_part_of_the_package_has_a_place_in_the_order() -> None:
    parts = {part_of(dotted(p)) for p in modules()}
    assert parts <= set(ORDER) | set(FREE)


def test_modules_import_only_from_parts_above_their_own() -> None:
    wrong = [
        f"{dotted(path)}, line {line}: {name}"
        for path in modules()
        if (part := part_of(dotted(path))) not in FREE
        for name, line in own_imports(path)
        # `from qstore_tf.x import y` also yields the bare package, which imports nothing early.
        if name != "qstore_tf"
        and (part_of(name) not in ORDER or ORDER.index(part_of(name)) > ORDER.index(part))
    ]
    assert not wrong, f"imports from below: {wrong}"


def test_what_promises_no_framework_imports_none() -> None:
    wrong = [
        f"{dotted(path)}, line {line}: {name}"
        for path in modules()
        if is_free_of_frameworks(dotted(path))
        for name, line in (
            *((n, line) for n, line in imports_of(path) if n.split(".")[0] in FRAMEWORKS),
            *(
                (n, line)
                for n, line in own_imports(path, top_level_only=True)
                if not is_free_of_frameworks(n)
            ),
        )
    ]
    assert not wrong, f"imports of frameworks: {wrong}"


def test_no_module_imports_with_a_wildcard() -> None:
    stars = [
        f"{dotted(path)}, line {node.lineno}"
        for path in modules()
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert not stars, f"wildcard imports: {stars}"


def test_nothing_in_the_package_imports_the_testing_helpers() -> None:
    wrong = [
        f"{dotted(path)}:{line}"
        for path in modules()
        if part_of(dotted(path)) != "testing"
        for name, line in own_imports(path)
        if part_of(name) == "testing"
    ]
    assert not wrong


def test_there_is_no_import_cycle() -> None:
    # Imports inside functions count too: they would only hide that two modules are one.
    graph = {
        dotted(path): {
            name
            for name, _ in own_imports(path)
            if name != dotted(path) and not dotted(path).startswith(f"{name}.")
        }
        for path in modules()
    }
    done: set[str] = set()
    trail: list[str] = []

    def visit(name: str) -> None:
        assert name not in trail, "import cycle: " + " -> ".join([*trail, name])
        if name in done:
            return
        trail.append(name)
        for other in sorted(graph.get(name, ())):
            visit(other)
        trail.pop()
        done.add(name)

    for name in graph:
        visit(name)
