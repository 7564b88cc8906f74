"""How is a backup made, tried and brought back? The work of jobs, by the parts that the command line uses as well."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from litemaas.control.backup.store import BackupStore, Info
from litemaas.core.errors import ServiceUnavailable
from litemaas.db.backup import archive, dump, load
from litemaas.db.backup.archive import Keys, Manifest
from litemaas.db.backup.dump import Progress
from litemaas.db.backup.load import Restored
from litemaas.kit.version import version

Tell = Callable[[dict[str, Any]], Awaitable[None]]
_MANUAL = "manual"


class Backups:
    """Makes, reads and restores backups of one database in one store."""

    def __init__(self, database_url: str, encryption_key: str, store: BackupStore, scratch: str | None = None) -> None:
        """``scratch``: where files lie while they are made; None = the system's place for temporary files."""
        self._database_url = database_url
        self.keys = Keys.of(encryption_key)
        self.store = store
        self._scratch = scratch

    async def create(self, actor: str, tell: Tell, *, encrypted: bool, trigger: str = _MANUAL) -> Info:
        """Errors: ServiceUnavailable when the store does not take it."""
        now = datetime.now(UTC)
        async with self._folder() as folder:
            made, sealed = folder / "plain", folder / "sealed"
            manifest = await dump.dump(self._database_url, made, self.keys, version(), _reporting(tell))
            kept = made
            if encrypted:
                await asyncio.to_thread(archive.encrypt, made, sealed, self.keys)
                kept = sealed
            info = Info(
                id=f"{now:%Y%m%dT%H%M%S}Z-{secrets.token_hex(4)}", created_at=now, created_by=actor,
                size=kept.stat().st_size, encrypted=encrypted, application=manifest.application,
                revision=manifest.revision, tables=len(manifest.tables), rows=manifest.rows, trigger=trigger,
            )  # fmt: skip
            await self.store.put(kept, info)
        return info

    async def verify(self, info: Info) -> Manifest:
        """Reads the whole file: signature and checksums. Errors: BackupRefused."""
        async with self._opened(info) as path:
            return await asyncio.to_thread(archive.verify, path, self.keys)

    async def rehearse(self, info: Info, schema: str, tell: Tell) -> Restored:
        """Errors: BackupRefused."""
        async with self._opened(info) as path:
            return await load.rehearse(self._database_url, path, self.keys, schema, _reporting(tell))

    async def restore(self, info: Info, database: str, actor: str, tell: Tell) -> tuple[Restored, Info]:
        """Returns what was restored, and the backup that was made of what was there before. Errors: BackupRefused."""
        async with self._opened(info) as path:
            await asyncio.to_thread(archive.verify, path, self.keys)
            safety = await self.create(actor, tell, encrypted=info.encrypted, trigger="before restore")
            return await load.restore(self._database_url, path, self.keys, database, _reporting(tell)), safety

    async def restore_file(self, path: Path, database: str) -> Restored:
        """From a file at hand, without the store. Errors: BackupRefused."""
        async with self._plain(path) as plain:
            await asyncio.to_thread(archive.verify, plain, self.keys)
            return await load.restore(self._database_url, plain, self.keys, database)

    async def verify_file(self, path: Path) -> Manifest:
        """Errors: BackupRefused."""
        async with self._plain(path) as plain:
            return await asyncio.to_thread(archive.verify, plain, self.keys)

    async def prune(self, kept: int) -> list[str]:
        """Deletes the oldest scheduled backups beyond ``kept``; others are only deleted by people."""
        scheduled = [info for info in await self.store.every() if info.trigger == "schedule"]
        for info in scheduled[kept:]:
            await self.store.delete(info)
        return [info.id for info in scheduled[kept:]]

    @asynccontextmanager
    async def _opened(self, info: Info) -> AsyncIterator[Path]:
        async with self._folder() as folder:
            await self.store.fetch(info, fetched := folder / "fetched")
            async with self._plain(fetched) as plain:
                yield plain

    @asynccontextmanager
    async def _plain(self, path: Path) -> AsyncIterator[Path]:
        if not archive.is_encrypted(path):
            yield path
            return
        async with self._folder() as folder:
            await asyncio.to_thread(archive.decrypt, path, folder / "plain", self.keys)
            yield folder / "plain"

    @asynccontextmanager
    async def _folder(self) -> AsyncIterator[Path]:
        try:
            with tempfile.TemporaryDirectory(prefix="litemaas-backup-", dir=self._scratch) as name:
                yield Path(name)
        except OSError as error:
            raise ServiceUnavailable(
                f"The backup's temporary file cannot be written ({type(error).__name__})."
            ) from None


def _reporting(tell: Tell) -> dump.Report:
    began = datetime.now(UTC)

    async def report(progress: Progress) -> None:
        elapsed = (datetime.now(UTC) - began).total_seconds()
        await tell(msgspec.to_builtins(progress) | {"elapsed_s": round(elapsed, 1)})

    return report
