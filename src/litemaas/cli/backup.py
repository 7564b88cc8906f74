"""How are backups made, checked and brought back by hand, without a running control plane?"""

from __future__ import annotations

import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

app = typer.Typer(help="Make, list, verify and try backups; needs the same LITEMAAS_ variables as the control plane.")
T = TypeVar("T")


@app.command()
def create(
    encrypted: Annotated[bool, typer.Option("--encrypted", help="Encrypt it with the installation's key.")] = False,
) -> None:
    """Back up everything as it is at this moment."""
    info = _run(_backups().create("command line", _show, encrypted=encrypted))
    print(f"{info.id}  {info.rows} rows of {info.tables} tables, {info.size} bytes")


@app.command("list")
def list_backups() -> None:
    """List backups, the newest first."""
    for info in _run(_backups().store.every()):
        print(
            f"{info.id}  {info.created_at:%Y-%m-%d %H:%M:%S}  {info.size:>12} bytes  {info.rows:>10} rows  {info.trigger}"
        )


@app.command()
def verify(backup: Annotated[str, typer.Argument(help="A backup's id or a file.")]) -> None:
    """Read a whole backup: signature, checksums, version."""
    backups = _backups()

    async def checked() -> Any:
        return await backups.verify(await backups.store.find(backup))

    manifest = _run(backups.verify_file(Path(backup)) if Path(backup).is_file() else checked())
    print(
        f"good: {manifest.rows} rows of {len(manifest.tables)} tables of {manifest.created_at}, schema {manifest.revision}"
    )


@app.command("test-restore")
def rehearse(
    backup: Annotated[str, typer.Argument(help="A backup's id.")],
    schema: Annotated[str, typer.Option(help="The scratch schema's name.")] = "litemaas_try",
) -> None:
    """Restore into a scratch schema, compare, and take it back."""
    backups = _backups()

    async def tried() -> Any:
        return await backups.rehearse(await backups.store.find(backup), schema, _show)

    outcome = _run(tried())
    for line in (*outcome.warnings, *outcome.mismatches):
        print(line)
    print(f"{'good' if outcome.success else 'NOT good'}: {outcome.rows} rows of {outcome.tables} tables")
    if not outcome.success:
        raise typer.Exit(1)


def restore(backup: str, database: str) -> None:
    """Puts a backup, by id or file, in the place of everything; ``database``: its name, typed to confirm."""
    backups = _backups()

    async def restored() -> Any:
        info = await backups.store.find(backup)
        return (await backups.restore(info, database, "command line", _show))[0]

    outcome = _run(backups.restore_file(Path(backup), database) if Path(backup).is_file() else restored())
    for line in outcome.warnings:
        print(line)
    print(f"restored: {outcome.rows} rows of {outcome.tables} tables")


def _backups() -> Any:
    from litemaas.control.app.settings import Settings, check_settings
    from litemaas.control.backup.service import Backups
    from litemaas.control.backup.store import BackupStore
    from litemaas.kit.settings import SettingsError, load_settings

    try:
        settings = check_settings(load_settings(Settings, os.environ))
    except SettingsError as error:
        _give_up(str(error))
    return Backups(settings.database_url, settings.encryption_key, BackupStore(settings.backup_target))


async def _show(progress: dict[str, Any]) -> None:
    print(f"  {progress['done']}/{progress['tables']}  {progress['table']}", file=sys.stderr)


def _run(work: Coroutine[Any, Any, T]) -> T:
    import asyncio

    import asyncpg

    from litemaas.core.errors import LiteMaaSError
    from litemaas.db.backup.archive import BackupRefused

    try:
        return asyncio.run(work)
    except (BackupRefused, LiteMaaSError) as refusal:
        _give_up(str(refusal))
    except (asyncpg.PostgresError, OSError) as error:
        _give_up(f"The database cannot be used: {type(error).__name__}.")


def _give_up(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise typer.Exit(1)
