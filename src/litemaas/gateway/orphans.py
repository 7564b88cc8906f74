"""What happens to the journal of a worker that does not come back? Another one stores it and returns the leases.

A journal's lock is free exactly while nobody works under its name. So whoever gets the lock may send what the dead worker
could not, in the dead worker's name, and then knows what of its leases was not spent.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.accountant import Accountant, RecordStore
from litemaas.gateway.journal import Journal

if TYPE_CHECKING:
    from litemaas.gateway.adapters.leases import Leases
    from litemaas.gateway.metrics import Metrics
    from litemaas.gateway.settings import JournalSettings

_LOOK_EVERY_S = 5.0
_TAKEN_S, _ASK_EVERY_S = 1.0, 0.05
_ADOPTED = "adopted"
log = structlog.get_logger(__name__)


def open_journal(directory: Path, settings: JournalSettings) -> Journal:
    """The journal of a worker that starts; waits while another one is adopting it.

    Errors: ServiceUnavailable when a living process has it.
    """
    gives_up_at = time.monotonic() + _TAKEN_S
    while True:
        try:
            journal = Journal(directory, settings.segment_bytes, settings.max_bytes)
        except (ServiceUnavailable, FileNotFoundError):  # the second: it was adopted and removed at this moment
            if (directory / _ADOPTED).exists():
                gives_up_at = time.monotonic() + _TAKEN_S
            elif time.monotonic() > gives_up_at:
                raise
            time.sleep(_ASK_EVERY_S)
        else:
            (directory / _ADOPTED).unlink(missing_ok=True)  # of somebody who died of it
            return journal


class Orphans:
    """The journals under ``directory``, but the one of ``own_id``. ``store_of``: where the records of a worker go."""

    def __init__(
        self, directory: Path, own_id: str, settings: JournalSettings, store_of: Callable[[str], RecordStore],
        leases: Leases, metrics: Metrics,
    ) -> None:  # fmt: skip
        self._directory = directory
        self._own_id = own_id
        self._settings = settings
        self._store_of = store_of
        self._leases = leases
        self._metrics = metrics

    async def look_after(self) -> None:
        """Runs until it is cancelled. Siblings that start at the same time have their turn first."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Adopts what is there now, as far as the database and the disk let it."""
        with suppress(ServiceUnavailable, TimeoutError, OSError):
            await self.adopt_all()

    async def adopt_all(self) -> None:
        """Errors: ServiceUnavailable, TimeoutError, OSError; what is left is there the next time."""
        for directory in sorted(self._directory.iterdir()):
            if directory.name != self._own_id and directory.name[0] != "." and _may_be_orphan(directory):
                with suppress(FileNotFoundError):  # another one was quicker
                    await self._adopt(directory)

    async def _adopt(self, directory: Path) -> None:
        name = directory.name
        try:
            journal = Journal(directory, self._settings.segment_bytes, self._settings.max_bytes)
        except ServiceUnavailable:
            return  # its worker lives
        try:
            (directory / _ADOPTED).touch(mode=0o600)
            waiting = journal.waiting_bytes
            await Accountant(journal, self._store_of(name), self._metrics, 0.0).empty()
            await self._leases.return_leases_of(name)
        finally:
            (directory / _ADOPTED).unlink(missing_ok=True)
            journal.close()
        _remove(directory)
        if waiting:
            log.info("the journal of a worker that is gone was stored", worker=name, bytes=waiting)


def _may_be_orphan(directory: Path) -> bool:
    """One that holds nothing but what a person must look at was adopted before."""
    return directory.is_dir() and (any(directory.glob("*.log")) or not (directory / "rejected").exists())


def _remove(directory: Path) -> None:
    """Only if it is empty, and in one step: a worker of this name may be about to begin in it."""
    lock = os.open(directory / "lock", os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not any(directory.glob("*.log")) and not (directory / "rejected").exists():
            grave = directory.with_name(f".{directory.name}")
            shutil.rmtree(grave, ignore_errors=True)
            directory.rename(grave)
            shutil.rmtree(grave)
    except BlockingIOError:
        pass  # it has begun
    finally:
        os.close(lock)
