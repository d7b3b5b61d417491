"""Reads settings from TOML, YAML and JSON files; a key that stands twice is an error in all."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qstore_tf.errors import ConfigurationError, LibraryError, describe
from qstore_tf.training.secret_keys import refuse_secrets

_MOST_BYTES = 1_000_000


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the settings of a file.

    Args:
        path: A file that ends in .toml, .yaml, .yml or .json.

    Raises:
        ConfigurationError: There is no such file, it cannot be read, is no table of settings, or
            holds a secret.
        LibraryError: A YAML file needs PyYAML, which is not installed.

    Example:
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp()) / "train.toml"
        >>> _ = file.write_text('epochs = 3\\n[[backends]]\\nname = "a"\\ntype = "native"\\n')
        >>> read_settings(file)
        {'epochs': 3, 'backends': [{'name': 'a', 'type': 'native'}]}
    """
    file = Path(path)
    reader = _READERS.get(file.suffix.lower())
    if reader is None:
        raise ConfigurationError(
            describe(
                "This is no file of settings",
                expected="a name that ends in .toml, .yaml, .yml or .json",
                received=str(path),
            )
        )
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise ConfigurationError(
                describe(
                    f"{str(path)!r} is too large for a file of settings",
                    expected=f"at most {_MOST_BYTES} bytes",
                    received=file.stat().st_size,
                )
            )
        written = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            describe(
                f"The settings cannot be read ({error.strerror})",
                expected="a file",
                received=str(path),
            )
        ) from error
    except UnicodeDecodeError as error:
        raise _unreadable(path, error) from error
    settings = reader(written, path)
    if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
        raise ConfigurationError(
            describe(
                f"{str(path)!r} holds no table of settings",
                expected="names and values, such as epochs = 20",
                received=type(settings).__name__,  # its content may be what nobody should see
            )
        )
    refuse_secrets(settings, repr(str(path)))
    return settings


def _unreadable(path: Any, error: Exception) -> ConfigurationError:
    # Some parsers quote the line, and a line may hold what nobody should see.
    told = str(error).split("\n")[0] if isinstance(error, UnicodeDecodeError) else _position(error)
    return ConfigurationError(
        describe(f"{str(path)!r} cannot be read: {told}", hint="Mend the file there")
    )


def _position(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:  # of PyYAML
        problem = getattr(error, "problem", None) or "it is no YAML"
        return f"{problem} (line {mark.line + 1}, column {mark.column + 1})"
    return str(error)


def _toml(written: str, path: Any) -> Any:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(written)
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(path, error) from None


def _json(written: str, path: Any) -> Any:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            called = [name for name, _ in pairs]
            twice = next(name for name in called if called.count(name) > 1)
            raise ValueError(f"the key {twice!r} stands twice")
        return found

    try:
        return json.loads(written, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise _unreadable(path, error) from None


def _yaml(written: str, path: Any) -> Any:
    try:
        import yaml
    except ImportError as error:
        raise LibraryError(
            describe(
                f"{str(path)!r} needs PyYAML, which is not installed",
                hint="Install it with: pip install 'qstore-tf[yaml]'; or write TOML or JSON",
            )
        ) from error

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen = set()
            for key, _ in node.value:
                name = getattr(key, "value", None)
                if isinstance(name, str) and name in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {name!r} stands twice", key.start_mark
                    )
                seen.add(name if isinstance(name, str) else None)
            return super().construct_mapping(node, deep=deep)

        def compose_node(self, parent: Any, index: Any) -> Any:
            # Repeated parts may be nested into more than memory holds.
            if self.check_event(yaml.AliasEvent):
                mark = self.peek_event().start_mark
                raise yaml.composer.ComposerError(None, None, "aliases are not read", mark)
            return super().compose_node(parent, index)

    # YAML 1.1 takes 1e-3 for text.
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        _number_with_exponent(),
        list("-+0123456789."),
    )
    try:
        return yaml.load(written, Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _unreadable(path, error) from None


def _number_with_exponent() -> Any:
    import re

    return re.compile(r"^[-+]?[0-9][0-9_]*(\.[0-9_]*)?[eE][-+]?[0-9]+$")


_READERS: dict[str, Callable[[str, Any], Any]] = {
    ".toml": _toml,
    ".json": _json,
    ".yaml": _yaml,
    ".yml": _yaml,
}
