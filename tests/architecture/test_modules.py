"""Is each module what the style asks for? It opens with its question, has a name of the domain, and is of a readable length."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

LONGEST_MODULE, LONGEST_FUNCTION = 500, 60

LONG_MODULES: dict[str, str] = {
    "tests/integration/test_embedded_postgres.py": "every way in which a server can be found, lost and refused",
    "tests/integration/gateway/test_http_client.py": "dialogues with an upstream, one after the other",
    "tests/unit/gateway/http/test_conversation.py": "dialogues with the server, one after the other; they share their writing",
}
LONG_FUNCTIONS: dict[str, str] = {}
"""``path:name`` → why it is better as one."""

_NAMES_THAT_SAY_NOTHING = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc", "stuff"}


def _python_files(root: Path, tracked_files: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    for path in tracked_files:
        if path.suffix == ".py":
            yield path.relative_to(root).as_posix(), path


def test_every_module_opens_with_a_docstring(root: Path, tracked_files: tuple[Path, ...]):
    silent = [
        name
        for name, path in _python_files(root, tracked_files)
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_no_module_is_too_long_without_a_reason(root: Path, tracked_files: tuple[Path, ...]):
    lengths = {name: len(path.read_bytes().splitlines()) for name, path in _python_files(root, tracked_files)}
    assert {name: n for name, n in lengths.items() if n > LONGEST_MODULE and name not in LONG_MODULES} == {}


def test_no_function_is_too_long_without_a_reason(root: Path, tracked_files: tuple[Path, ...]):
    too_long = {}
    for name, path in _python_files(root, tracked_files):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > LONGEST_FUNCTION and f"{name}:{node.name}" not in LONG_FUNCTIONS:
                    too_long[f"{name}:{node.name}"] = length
    assert too_long == {}


@pytest.mark.parametrize("exceptions", [LONG_MODULES, LONG_FUNCTIONS])
def test_an_exception_is_for_something_that_is_there(root: Path, exceptions: dict[str, str]):
    for place, reason in exceptions.items():
        assert (root / place.partition(":")[0]).exists(), place
        assert len(reason.split()) > 3, place


def test_no_file_has_a_name_that_says_nothing(root: Path, tracked_files: tuple[Path, ...]):
    nameless = [
        path.relative_to(root).as_posix()
        for path in tracked_files
        if any(part.partition(".")[0].lower() in _NAMES_THAT_SAY_NOTHING for part in path.relative_to(root).parts)
        and path.parent.name != "agnosticv"  # AgnosticV reads a catalogue item from a file of this name
    ]
    assert nameless == []
