"""Where do backups lie? In a folder, or in an S3-compatible bucket; one interface over both, by obstore.

A backup's id is its file's name without the ending; names are made here, so none can lead out of the folder. Beside each file
lies a small ``.json`` with what its manifest says, so that a list reads no backup.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from litemaas.core.errors import NotFound, ServiceUnavailable

_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_CHUNK = 1 << 20
_FAILURES = (BaseError, OSError)


class Info(msgspec.Struct, frozen=True, kw_only=True):
    """``size``: bytes of the file."""

    id: str
    created_at: datetime
    created_by: str
    size: int
    encrypted: bool
    application: str
    revision: str
    tables: int
    rows: int
    trigger: str
    """``manual``, ``schedule`` or ``before restore``."""


class BackupStore:
    """Every method: ServiceUnavailable when the folder or bucket does not answer."""

    def __init__(self, target: str | None) -> None:
        """``target``: None = nowhere; a folder, or ``s3://bucket/prefix`` (the rest from ``AWS_…``)."""
        self.target = target or ""
        self._opened: ObjectStore | None = None

    @property
    def kind(self) -> str:
        """``none``, ``folder``, or the scheme of the address."""
        if not self.target:
            return "none"
        return self.target.partition("://")[0] if "://" in self.target else "folder"

    def _store(self) -> ObjectStore:
        if not self.target:
            raise ServiceUnavailable("There is no place for backups: set LITEMAAS_BACKUP_TARGET.")
        if self._opened is None:
            try:
                if "://" in self.target:
                    self._opened = from_url(self.target)
                else:
                    Path(self.target).mkdir(mode=0o700, parents=True, exist_ok=True)
                    self._opened = LocalStore(self.target)
            except _FAILURES:
                raise away() from None
        return self._opened

    async def put(self, path: Path, info: Info) -> None:
        store = self._store()
        try:
            await obstore.put_async(store, f"{info.id}.zip", path)
            await obstore.put_async(store, f"{info.id}.json", msgspec.json.encode(info))
        except _FAILURES:
            raise away() from None

    async def every(self) -> list[Info]:
        """The newest first."""
        store, found = self._store(), []
        try:
            async for batch in obstore.list(store):
                for item in batch:
                    name = item["path"].rpartition("/")[2]
                    if name.endswith(".json") and _ID.fullmatch(name.removesuffix(".json")):
                        found.append(await self._info(name.removesuffix(".json")))
        except _FAILURES:
            raise away() from None
        return sorted((info for info in found if info is not None), key=lambda info: info.id, reverse=True)

    async def find(self, backup_id: str) -> Info:
        """Errors: NotFound."""
        info = await self._info(backup_id) if _ID.fullmatch(backup_id) else None
        if info is None:
            raise NotFound("The backup was not found.")
        return info

    async def _info(self, backup_id: str) -> Info | None:
        try:
            kept = await obstore.get_async(self._store(), f"{backup_id}.json")
            return msgspec.json.decode(bytes(await kept.bytes_async()), type=Info)
        except (FileNotFoundError, msgspec.MsgspecError):
            return None
        except _FAILURES:
            raise away() from None

    async def read(self, info: Info) -> AsyncIterator[bytes]:
        """Errors: NotFound."""
        try:
            found = await obstore.get_async(self._store(), f"{info.id}.zip")
        except FileNotFoundError:
            raise NotFound("The backup's file is gone.") from None
        except _FAILURES:
            raise away() from None
        async for chunk in found.stream(min_chunk_size=_CHUNK):
            yield bytes(chunk)

    async def fetch(self, info: Info, target: Path) -> None:
        """Copies a backup's file to ``target``."""
        with target.open("wb") as file:
            async for chunk in self.read(info):
                file.write(chunk)

    async def delete(self, info: Info) -> None:
        try:
            # The description goes first: what is listed can be read.
            await obstore.delete_async(self._store(), f"{info.id}.json")
            await obstore.delete_async(self._store(), f"{info.id}.zip")
        except FileNotFoundError:
            return
        except _FAILURES:
            raise away() from None


def away() -> ServiceUnavailable:
    return ServiceUnavailable("The place of the backups does not answer. See LITEMAAS_BACKUP_TARGET.")
