"""Does a backup hold everything of one moment, come back exactly, and does nothing but a good one come back at all?"""

from __future__ import annotations

import asyncio
import json
import random
import zipfile
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest

from litemaas.control.app import Settings, create_app
from litemaas.control.backup.service import Backups
from litemaas.control.backup.store import BackupStore, Info
from litemaas.core.ledger import COLUMNS
from litemaas.db.backup.archive import MANIFEST, BackupRefused, Keys, decrypt, encrypt, verify
from litemaas.db.backup.dump import digest_of
from litemaas.db.rollups import fold

from .conftest import ENCRYPTION_KEY, MASTER_KEY
from .people import ROLES, add_user, browser, start_session
from .test_usage import any_record

ODD = 'commas, "quotes", {braces}\r\nbreaks\ttabs \\ backslashes \\N é 漢字 🎈'


async def quiet(_: dict[str, Any]) -> None:
    return None


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        master_key=MASTER_KEY,
        encryption_key=ENCRYPTION_KEY,
        backup_target=str(tmp_path / "b"),
    )


@pytest.fixture
def backups(database_url: str, tmp_path: Path) -> Backups:
    return Backups(database_url, ENCRYPTION_KEY, BackupStore(str(tmp_path / "b")))


@pytest.fixture
async def filled(database: asyncpg.Connection) -> None:
    """People, odd texts, bytes, arrays, null, large numbers, and a ledger over many days."""
    await add_user(database, "ann", ["user"], full_name=ODD, groups=[ODD, "", "b,c"], metadata=json.dumps({"k": ODD}))
    await add_user(database, "bob", ["user"], full_name=None)
    await database.execute("insert into banners (id, name, created_by, updated_by) values ('1', $1, 'x', 'x')", ODD)
    await database.execute(
        "insert into brand_images (kind, media_type, content, etag, updated_by)"
        " values ('login-logo', 'image/png', $1, 'e', 'x')",
        bytes(range(256)),
    )
    await database.execute("insert into budget_windows values ('user:ann', now(), 9223372036854775807, 0, 3)")
    dice = random.Random(3)
    rows = [[any_record(dice, n)[column] for column in COLUMNS] for n in range(200)]
    await database.copy_records_to_table("usage_records", records=rows, columns=list(COLUMNS))
    await fold(database)


async def digests(database: asyncpg.Connection) -> dict[str, str]:
    """What every table holds, but for what goes on by itself while a control plane runs."""
    names = await database.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
        " and not relispartition and relname not in ('duties', 'jobs', 'audit', 'sessions', 'changes')"
    )
    found = {}
    for row in names:
        columns = await database.fetch(
            "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 and not attisdropped",
            row["relname"],
        )
        found[row["relname"]] = await digest_of(database, row["relname"], [c["attname"] for c in columns])
    return found


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(60):
        while (found := await look()) is None:  # noqa: ASYNC110 — it is another task that ends, in the database
            await asyncio.sleep(0.05)
        return found


@pytest.mark.parametrize("encrypted", [False, True])
async def test_what_comes_back_is_exactly_what_was_there(
    backups: Backups, filled: None, database: asyncpg.Connection, encrypted: bool
):
    before = await digests(database)
    info = await backups.create("tests", quiet, encrypted=encrypted)
    await database.execute("delete from usage_records; delete from users; update banners set name = 'changed'")
    assert await digests(database) != before
    name = await database.fetchval("select current_database()")
    outcome, safety = await backups.restore(info, name, "tests", quiet)
    assert outcome.success
    assert await digests(database) == before
    assert await database.fetchval("select full_name from users where id = 'ann'") == ODD
    assert (await backups.store.find(safety.id)).trigger == "before restore"
    # Sequences go on, and the triggers of the ledger work again.
    await database.execute("insert into budget_events values ('x', now(), 'soft', 1, 1)")
    record = any_record(random.Random(9), 999)
    await database.copy_records_to_table("usage_records", records=[[record[c] for c in COLUMNS]], columns=list(COLUMNS))
    assert await database.fetchval("select count(*) from usage_deltas") >= 1
    both = 'select (select count(*) from "LiteLLM_SpendLogs") = (select count(*) from usage_records)'
    assert await database.fetchval(both), "views read the tables that came back"
    assert await database.fetchval("select nextval(pg_get_serial_sequence('audit', 'id'))") >= 1


async def test_a_backup_of_another_time_zone_is_not_put_in_the_place_of_what_is_there(
    backups: Backups, filled: None, database: asyncpg.Connection
):
    info = await backups.create("tests", quiet, encrypted=False)
    await database.execute("update installation set timezone = 'Europe/Berlin'")
    name = await database.fetchval("select current_database()")
    with pytest.raises(BackupRefused, match="LITEMAAS_TIMEZONE=UTC"):
        await backups.restore(info, name, "tests", quiet)
    assert await database.fetchval("select timezone from installation") == "Europe/Berlin"


async def test_a_backup_is_of_one_moment_while_people_go_on_writing(
    backups: Backups, filled: None, database: asyncpg.Connection
):
    async def write_meanwhile(progress: dict[str, Any]) -> None:
        await add_user(database, f"late{progress['done']}", ["user"])

    info = await backups.create("tests", write_meanwhile, encrypted=False)
    outcome = await backups.rehearse(info, "try_it", quiet)
    assert outcome.success, outcome.mismatches
    assert await database.fetchval("select count(*) from users") > 10
    manifest = await backups.verify(info)
    assert next(table.rows for table in manifest.tables if table.name == "users") == 2


async def test_a_rehearsal_leaves_nothing_behind_and_touches_nothing(
    backups: Backups, filled: None, database: asyncpg.Connection
):
    info = await backups.create("tests", quiet, encrypted=False)
    before = await digests(database)
    outcome = await backups.rehearse(info, "scratch_1", quiet)
    assert (outcome.success, outcome.mismatches) == (True, [])
    assert outcome.rows == info.rows > 200
    assert await digests(database) == before
    assert await database.fetchval("select to_regnamespace('scratch_1')") is None
    for name in ("public", "pg_evil", "a; drop schema public", "A", ""):
        with pytest.raises(BackupRefused):
            await backups.rehearse(info, name, quiet)


def rewritten(path: Path, change: Callable[[str, bytes], bytes]) -> None:
    with zipfile.ZipFile(path) as old:
        members = {name: change(name, old.read(name)) for name in old.namelist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in members.items():
            new.writestr(name, content)


async def test_what_was_tampered_with_is_refused_and_nothing_changes(
    backups: Backups, filled: None, database: asyncpg.Connection, tmp_path: Path
):
    info = await backups.create("tests", quiet, encrypted=False)
    good = (tmp_path / "b" / f"{info.id}.zip").read_bytes()
    before, name, target = (
        await digests(database),
        await database.fetchval("select current_database()"),
        tmp_path / "bad.zip",
    )
    changes: list[Callable[[str, bytes], bytes]] = [
        lambda member, content: content.replace(b"ann", b"eve") if member == "tables/users.copy" else content,
        lambda member, content: content.replace(b'"rows":2', b'"rows":3') if member == MANIFEST else content,
        lambda member, content: b"" if member == "manifest.sig" else content,
        lambda member, content: content + b"mallory\n" if member == "tables/users.copy" else content,
    ]
    for change in changes:
        target.write_bytes(good)
        rewritten(target, change)
        with pytest.raises(BackupRefused):
            await backups.restore_file(target, name)
    for cut in (b"", b"not a zip", good[: len(good) // 2]):
        target.write_bytes(cut)
        with pytest.raises(BackupRefused):
            await backups.restore_file(target, name)
    target.write_bytes(good)
    with pytest.raises(BackupRefused, match="signature"):
        verify(target, Keys.of("the key of another installation"))
    with pytest.raises(BackupRefused, match="name"):
        await backups.restore_file(target, "another_name")
    assert await digests(database) == before
    assert await database.fetchval("select to_regnamespace('litemaas_restoring')") is None


def test_an_encrypted_file_cannot_be_cut_moved_or_read(tmp_path: Path):
    keys = Keys.of("a passphrase of an installation")
    plain, sealed, back = tmp_path / "plain", tmp_path / "sealed", tmp_path / "back"
    plain.write_bytes(random.Random(1).randbytes((2 << 20) + 17))
    encrypt(plain, sealed, keys)
    decrypt(sealed, back, keys)
    assert back.read_bytes() == plain.read_bytes()
    whole, block = sealed.read_bytes(), (1 << 20) + 16
    assert plain.read_bytes()[:64] not in whole
    head, first, second, rest = (
        whole[:26],
        whole[26 : 26 + block],
        whole[26 + block : 26 + 2 * block],
        whole[26 + 2 * block :],
    )
    for bad in (
        head + first + second,
        head + second + first + rest,
        head + first + second + rest[:-1],
        whole[:-1] + b"x",
    ):
        sealed.write_bytes(bad)
        with pytest.raises(BackupRefused):
            decrypt(sealed, back, keys)


async def test_no_usable_secret_is_in_a_backup(backups: Backups, client: httpx2.AsyncClient, tmp_path: Path):
    made = (await client.post("/api/v1/admin/keys", json={"alias": "a"})).json()
    model = {
        "name": "m",
        "deployments": [
            {"provider": "openai", "engine_model": "m", "api_base": "http://e/v1", "api_key": "engine-secret-1"}
        ],
    }
    await client.post("/api/v1/admin/models", json=model)
    info = await backups.create("tests", quiet, encrypted=False)
    with zipfile.ZipFile(tmp_path / "b" / f"{info.id}.zip") as archive:
        everything = b"".join(archive.read(name) for name in archive.namelist())
    for secret in (made["secret"], "engine-secret-1", MASTER_KEY, ENCRYPTION_KEY):
        assert secret.encode() not in everything


async def test_the_store_keeps_to_its_folder(tmp_path: Path, backups: Backups, filled: None):
    info = await backups.create("tests", quiet, encrypted=False)
    (tmp_path / "secret.json").write_text("{}")
    for odd in ("../secret", "..%2Fsecret", "", "x" * 300, f"{info.id}/../{info.id}"):
        with pytest.raises(Exception, match="not found"):
            await backups.store.find(odd)
    assert [one.id for one in await backups.store.every()] == [info.id]
    await backups.store.delete(info)
    assert await backups.store.every() == []


async def test_only_the_newest_scheduled_backups_are_kept(backups: Backups, filled: None):
    manual = await backups.create("tests", quiet, encrypted=False)
    made: list[Info] = [await backups.create("tests", quiet, encrypted=False, trigger="schedule") for _ in range(3)]
    ids = sorted((info.id for info in made), reverse=True)
    assert set(await backups.prune(1)) == set(ids[1:])
    assert {info.id for info in await backups.store.every()} == {manual.id, ids[0]}


# -- through the API --------------------------------------------------------------------------------------------------------


async def ended(client: httpx2.AsyncClient, job_id: str) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        answer = await client.get(f"/api/v1/admin/jobs/{job_id}")
        job: dict[str, Any] = answer.json()
        return job if answer.status_code == 200 and job["state"] not in ("queued", "running") else None

    return await until(look)


async def test_an_administrator_makes_tries_downloads_and_restores_a_backup(
    app: Any, client: httpx2.AsyncClient, database: asyncpg.Connection, filled: None
):
    await add_user(database, "root", ["admin"])
    async with browser(app, await start_session(database, "root")) as admin:
        started = await admin.post("/api/v1/admin/backups")
        assert started.status_code == 202, started.text
        second = await admin.post("/api/v1/admin/backups")
        job = await ended(admin, started.json()["job_id"])
        assert job["state"] == "succeeded", job
        if second.status_code == 202:  # the first had ended already
            await ended(admin, second.json()["job_id"])
        else:
            assert second.status_code == 409
        backup_id = job["result"]["backup_id"]
        assert backup_id in {row["id"] for row in (await admin.get("/api/v1/admin/backups")).json()["data"]}
        tried = await ended(
            admin, (await admin.post(f"/api/v1/admin/backups/{backup_id}/test-restore")).json()["job_id"]
        )
        assert (tried["result"]["success"], tried["result"]["mismatches"]) == (True, [])
        file = await admin.get(f"/api/v1/admin/backups/{backup_id}/download")
        assert file.content[:2] == b"PK"
        await database.execute("delete from users where id = 'bob'")
        wrong = await admin.post(f"/api/v1/admin/backups/{backup_id}/restore", json={"confirmation": "production"})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "confirmation")
        name = (await admin.get("/api/v1/admin/backups/capabilities")).json()["database"]
        restoring = await admin.post(f"/api/v1/admin/backups/{backup_id}/restore", json={"confirmation": name})
        assert restoring.status_code == 202, restoring.text
        job = await ended(client, restoring.json()["job_id"])
        assert job["state"] == "succeeded", job
        assert (await admin.get("/api/v1/admin/backups")).status_code == 401
    assert await database.fetchval("select count(*) from users where id = 'bob'") == 1
    assert await database.fetchval("select kind from changes order by seq desc limit 1") == "all"


async def test_what_undoes_everything_asks_for_a_recent_sign_in(app: Any, database: asyncpg.Connection):
    await add_user(database, "root", ROLES["admin"])
    async with browser(app, await start_session(database, "root", age=timedelta(hours=1))) as admin:
        for method, path in (("GET", "download"), ("POST", "restore")):
            answer = await admin.request(
                method, f"/api/v1/admin/backups/20260101T000000Z-00000000/{path}", json={"confirmation": "x"}
            )
            assert (answer.status_code, answer.json()["code"]) == (403, "REAUTHENTICATION_REQUIRED")


async def test_without_a_place_backups_say_so(database_url: str):
    app = create_app(Settings(database_url=database_url, master_key=MASTER_KEY, encryption_key=ENCRYPTION_KEY))
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {MASTER_KEY}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://control", headers=headers) as client:
        answer = await client.get("/api/v1/admin/backups")
        assert (answer.status_code, "LITEMAAS_BACKUP_TARGET" in answer.json()["detail"]) == (503, True)


async def test_nothing_is_written_while_a_backup_is_restored(client: httpx2.AsyncClient, database: asyncpg.Connection):
    from litemaas.db.backup.load import MAINTENANCE_LOCK

    async with database.transaction():
        await database.execute("select pg_advisory_xact_lock($1)", MAINTENANCE_LOCK)
        for path in ("/api/v1/admin/keys", "/litellm/key/generate"):
            assert (await client.post(path, json={})).status_code == 503
        assert (await client.get("/api/v1/admin/keys")).status_code == 200
    assert (await client.post("/api/v1/admin/keys", json={})).status_code == 201


async def test_how_recent_a_sign_in_must_be_is_a_setting(
    app: Any, client: httpx2.AsyncClient, database: asyncpg.Connection
):
    await add_user(database, "root", ROLES["admin"])
    path = "/api/v1/admin/backups/20260101T000000Z-00000000/download"
    async with browser(app, await start_session(database, "root", age=timedelta(minutes=30))) as admin:
        assert (await admin.get(path)).json()["code"] == "REAUTHENTICATION_REQUIRED"
        put = await client.put("/api/v1/admin/settings/sessions", json={"recent_minutes": 60})
        assert put.status_code == 200, put.text
        assert (await admin.get(path)).status_code == 404
