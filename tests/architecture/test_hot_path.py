"""Can everything in the list of compiled modules be compiled, and is nothing that runs per call forgotten?"""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
SOURCE = PROJECT / "src" / "litemaas"


def hot_path() -> list[str]:
    spec = importlib.util.spec_from_file_location("compile_tool", PROJECT / "tools" / "compile.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return list(tool.HOT_PATH)


@pytest.mark.parametrize("name", hot_path())
def test_no_class_of_a_compiled_module_is_made_by_msgspec(name: str) -> None:
    tree = ast.parse((SOURCE / f"{name}.py").read_text())
    bases = [ast.unparse(base) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for base in node.bases]
    assert [base for base in bases if "Struct" in base] == []


def test_every_stage_of_the_requests_way_is_compiled() -> None:
    tree = ast.parse((SOURCE / "gateway" / "proxy.py").read_text())
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    stages = {name.removeprefix("litemaas.").replace(".", "/") for name in modules if name.startswith("litemaas.")}
    rare = {"gateway/conversions", "gateway/answer_cache"}  # where the work takes minutes, or mostly others' code
    assert stages - set(hot_path()) == {"core/errors", "gateway/errors"} | rare


def test_no_class_that_stays_interpreted_inherits_from_a_compiled_one() -> None:
    compiled = {f"litemaas.{name.replace('/', '.')}" for name in hot_path()}
    found = []
    for path in SOURCE.rglob("*.py"):
        module = ".".join(("litemaas", *path.relative_to(SOURCE).with_suffix("").parts))
        if module in compiled:
            continue
        tree = ast.parse(path.read_text())
        theirs = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.ImportFrom) and node.module in compiled
            for alias in node.names
        }
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        found += [f"{module}.{c.name}" for c in classes for base in c.bases if ast.unparse(base) in theirs]
    assert found == []
