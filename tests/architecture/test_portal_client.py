"""Is the portal's typed client what the control plane's contract says now?"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture
def portal(root: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """tools/portal.py"""
    spec = importlib.util.spec_from_file_location("portal_tool", root / "tools/portal.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module


def test_the_typed_client_is_made_from_the_current_contract(portal: ModuleType):
    made_from = portal.digest_in(portal.CLIENT.read_text(encoding="utf-8"))
    assert made_from == portal.digest_of(portal.contract()), "the contract has changed: make portal-client"


def test_only_what_types_depend_on_makes_a_client_stale(portal: ModuleType):
    described = {"paths": {"/a": {"get": {"summary": "Before", "parameters": [{"name": "title", "description": "x"}]}}}}
    reworded = {"paths": {"/a": {"get": {"summary": "After", "parameters": [{"name": "title"}]}}}}
    renamed = {"paths": {"/a": {"get": {"parameters": [{"name": "name"}]}}}}
    members = [{"properties": {"title": {"type": kind}}} for kind in ("string", "integer")]
    assert portal.digest_of(described) == portal.digest_of(reworded) != portal.digest_of(renamed)
    assert portal.digest_of(members[0]) != portal.digest_of(members[1])


def test_a_node_that_is_missing_or_too_old_is_named(
    portal: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "is not here" in portal.missing_node()
    for name, says in (("node", "v18.19.1"), ("npm", "10")):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {says}\n", encoding="ascii")
        (tmp_path / name).chmod(0o755)
    assert "v18.19.1 is too old" in portal.missing_node()
    (tmp_path / "node").write_text("#!/bin/sh\necho v22.4.0\n", encoding="ascii")
    assert portal.missing_node() is None
