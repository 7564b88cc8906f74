"""Does the portal have words for everything that the audit trail says, in each of its languages?"""

from __future__ import annotations

import ast
import csv
import re
from collections.abc import Iterator

from tests.architecture.conftest import ROOT

CONTROL = ROOT / "src/litemaas/control"
TEXTS = ROOT / "portal/texts/audit.tsv"
WORDS = ROOT / "portal/src/concepts/audit/words.ts"
ACTION = re.compile(r"[a-z_]+(\.[a-z_]+)+")
WRITES = re.compile(r"\b(record|record_many|record_refusal|note)\(")
PUT_TOGETHER = {
    "pass_through.create", "pass_through.update", "price_terms.discounts", "price_terms.margins", "backup.create.cancelled",
    "backup.restore.cancelled", "backup.test_restore.cancelled", "usage.check.started", "usage.check.cancelled",
    "usage.recompute.started", "usage.recompute.cancelled",
}  # fmt: skip
"""Actions of which a part is only known when they are written."""
CALLS = ("record", "record_many", "record_refusal")


def texts() -> dict[str, list[str]]:
    with TEXTS.open(encoding="utf-8", newline="") as file:
        return {row[0]: row[1:] for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}


def same() -> dict[str, str]:
    return dict(re.findall(r'^\s+"?([a-z_-]+)"?: "([a-z_]+)",?$', WORDS.read_text(encoding="utf-8"), re.MULTILINE)) | {
        "sign-in": "auth"
    }


def sources() -> Iterator[ast.Module]:
    for file in CONTROL.rglob("*.py"):
        source = file.read_text(encoding="utf-8")
        if WRITES.search(source):
            yield ast.parse(source)


def actions() -> set[str]:
    """Words with a dot in modules that write records; what begins with no subject that records have is something else."""
    subjects = {name.removeprefix("audit_of_") for name in texts() if name.startswith("audit_of_")}
    found = {
        node.value
        for tree in sources() for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and ACTION.fullmatch(node.value)
    }  # fmt: skip
    return {one for one in found if one.partition(".")[0] in subjects} | PUT_TOGETHER


def types() -> set[str]:
    found = set()
    for tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
                kind = node.args[2] if len(node.args) > 2 else None
                if isinstance(kind, ast.Constant):
                    found.add(str(kind.value))
    return found


def first_parts() -> set[str]:
    """Of actions that are written where they are recorded."""
    found = set()
    for tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in (*CALLS, "note"):
                action = node.args[1] if len(node.args) > 1 else None
                if isinstance(action, ast.Constant) and ACTION.fullmatch(str(action.value)):
                    found.add(str(action.value).partition(".")[0])
    return found


def test_every_action_has_words():
    known, alike = texts(), same()
    assert len(actions()) > 130
    without = {
        one for one in actions()
        if f"audit_of_{one.partition('.')[0]}" not in known
        or any(f"audit_did_{alike.get(verb, verb)}" not in known for verb in one.split(".")[1:])
    }  # fmt: skip
    assert without == set()


def test_every_type_and_every_subject_has_words():
    known, alike = texts(), same()
    assert len(types()) > 20
    assert {one for one in types() | first_parts() if f"audit_of_{alike.get(one, one)}" not in known} == set()


def test_no_word_is_for_an_action_that_there_is_not():
    alike = same()
    said = {alike.get(verb, verb) for one in actions() for verb in one.split(".")[1:]}
    assert {name for name in texts() if name.startswith("audit_did_")} - {f"audit_did_{verb}" for verb in said} == set()
