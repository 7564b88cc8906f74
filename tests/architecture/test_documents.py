"""Is what is written still true? Paths and links lead somewhere, decisions have their parts, generated pages are current."""

from __future__ import annotations

import importlib
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from litemaas.gateway.endpoints.table import EndpointTable
from litemaas.gateway.settings import GatewaySection

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
_HEADINGS = ["Context", "Decision", "Alternatives", "Consequences"]
_LINK = re.compile(r"\]\((?!https?:|#)(?P<target>[^)#\s]+)(?:#[^)]*)?\)")
_CODE = re.compile(r"```.*?```", re.DOTALL)


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_path_in_where_exists():
    rows = (ROOT / "docs" / "where.md").read_text(encoding="utf-8").splitlines()
    cells = [row.rstrip(" |").rpartition(" | ")[2] for row in rows if row.startswith("| ")]
    paths = [path for cell in cells for path in re.findall(r"`([^`\s]+)`", cell)]
    assert len(paths) > 40
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_to_a_file(page: Path):
    targets = [match["target"] for match in _LINK.finditer(_CODE.sub("", page.read_text(encoding="utf-8")))]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("decision", DECISIONS, ids=lambda path: path.stem)
def test_every_decision_has_its_four_headings_and_is_in_the_list(decision: Path):
    text = decision.read_text(encoding="utf-8")
    number = decision.stem[:4]
    assert text.startswith(f"# {number}: ")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == _HEADINGS
    assert f"[{number}]({decision.name})" in (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")


def test_the_reference_that_is_read_off_the_code_is_current():
    differences = _module(ROOT / "docs" / "generate.py").differences()
    assert not differences, f"run `python docs/generate.py`:\n{differences}"


def test_the_glossary_names_what_is_in_the_code(modules: dict[str, Path]):
    rows = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    names = [
        name for row in rows if row.startswith("| ") for name in re.findall(r"`([^`]+)`", row.rsplit(" | ", 1)[-1])
    ]
    unknown = []
    for name in names:
        module, _, member = name.rpartition(".")
        if f"litemaas.{module}" in modules and member[0].isupper():
            found = hasattr(importlib.import_module(f"litemaas.{module}"), member)
        elif name.removeprefix("litemaas.").replace("/", ".").removesuffix(".py") in {m[9:] for m in modules}:
            found = True
        else:  # a member, column, table or setting
            word = name.rpartition(".")[2].removeprefix("LITEMAAS_").rpartition("__")[2].lower()
            found = any(word in path.read_text(encoding="utf-8").lower() for path in modules.values())
        if not found:
            unknown.append(name)
    assert len(names) > 40
    assert unknown == []


def test_the_readme_names_no_inference_path_that_is_not_served():
    line = next(
        row for row in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if row.startswith("| Models")
    )
    served = {*EndpointTable(GatewaySection()).paths(), "/v1/models"}
    assert [path for path in re.findall(r"`(/[a-z0-9/]+)`", line) if path not in served] == []


def test_the_licence_is_the_whole_apache_licence():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert text.lstrip().startswith("Apache License\n")
    assert text.rstrip().endswith("limitations under the License.")
    assert len(text.split()) == 1581
