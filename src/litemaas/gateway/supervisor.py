"""Who keeps several workers on one port? A small process that starts, watches, replaces and ends them, and sees no traffic.

Each worker has a listening socket of its own on the shared port (SO_REUSEPORT); the supervisor opens and keeps it. So a
replacement goes on with the very queue of the worker that leaves, and no connection is lost between the two. When a worker
dies, its socket is closed at once: who connects then comes to the others.

SIGTERM, SIGINT: all leave; a second one, or the deadline, cuts running calls off. SIGHUP: one worker after another is replaced.

Names are ``<worker id>-0`` and so on, one more than there are workers: whoever is replaced leaves while its successor works,
and two living workers never share a name. The next life of a name finds its journal; one that stays behind is adopted.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import structlog

from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.listening import SharedPort
from litemaas.gateway.settings import GatewaySettings, worker_id_of
from litemaas.gateway.worker_process import WRONG_SETTINGS, WorkerDidNotStart, WorkerProcess
from litemaas.kit.logging import configure_logging
from litemaas.kit.settings import SettingsError, load_settings

_FIRST_PAUSE_S, _LONGEST_PAUSE_S, _STEADY_AFTER_S = 0.1, 10.0, 60.0
_LAST_WORDS_S = 10.0
"""What a worker needs after its last call: to store records, to return leases."""
_HURRY_S = 5.0
log = structlog.get_logger(__name__)


class Slot:
    """The place of one worker: its listening socket, and who works there."""

    def __init__(self, listening: socket.socket, worker: WorkerProcess) -> None:
        self.listening = listening
        self.worker = worker
        self.turn = asyncio.Lock()
        self._pause_s = _FIRST_PAUSE_S
        self._since = asyncio.get_running_loop().time()

    async def pause(self) -> None:
        """Before somebody is started again; longer each time while nobody stays."""
        now = asyncio.get_running_loop().time()
        if now - self._since > _STEADY_AFTER_S:
            self._pause_s = _FIRST_PAUSE_S
        pause_s, self._pause_s = self._pause_s, min(self._pause_s * 2, _LONGEST_PAUSE_S)
        self._since = now + pause_s
        await asyncio.sleep(pause_s)


class Supervisor:
    """Keeps ``settings.gateway.workers`` workers on a port. ``environ``: their settings; each gets a name of its own."""

    def __init__(self, settings: GatewaySettings, environ: Mapping[str, str], port: SharedPort) -> None:
        own = settings.gateway
        self._own = own
        self._environ = {name: value for name, value in environ.items() if name.startswith("LITEMAAS_")}
        name = worker_id_of(own)
        self._free_names = [f"{name}-{number}" for number in range(own.workers + 1)]
        self._numbers = Path(settings.state_dir).absolute() / "workers" / name
        self._had_terminal = os.isatty(0)
        self._port = port
        self._slots: list[Slot] = []
        self._alive: set[WorkerProcess] = set()
        self._asked, self._hurry, self._replace = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Runs until it is told to stop.

        Errors: SettingsError, ServiceUnavailable or OSError when the workers cannot start.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: (self._hurry if self._asked.is_set() else self._asked).set())
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)
        lock = self._take_numbers()
        work = asyncio.create_task(self._work(), name="work")
        asked = asyncio.create_task(self._asked.wait(), name="asked")
        try:
            await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            asked.cancel()
            outcome, _ = await asyncio.gather(work, asked, return_exceptions=True)
            await self._end_all()
            os.close(lock)
        if isinstance(outcome, WorkerDidNotStart):
            raise SettingsError(str(outcome)) if outcome.status == WRONG_SETTINGS else ServiceUnavailable(str(outcome))
        if isinstance(outcome, Exception):
            raise outcome

    def _hang_up(self) -> None:
        """Sent by a person it means a replacement, and by a terminal that was closed under us the end."""
        (self._asked if self._had_terminal and not os.isatty(0) else self._replace).set()

    def _take_numbers(self) -> int:
        """The directory in which the workers tell their numbers, emptied of those of an earlier run.

        Errors: ServiceUnavailable when another supervisor has it.
        """
        self._numbers.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self._numbers / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            raise ServiceUnavailable(f"another gateway already runs as {self._numbers.name!r}") from None
        for path in self._numbers.iterdir():
            if path.name != "lock":
                path.unlink()
        return lock

    # -- work ---------------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        names = [self._free_names.pop(0) for _ in range(self._own.workers)]
        started = await asyncio.gather(*map(self._open_slot, names), return_exceptions=True)
        for outcome in started:
            if isinstance(outcome, BaseException):
                raise outcome
        log.info("the workers serve", host=self._own.host, port=self._port.number, workers=len(self._slots))
        await asyncio.gather(self._replace_on_demand(), *map(self._keep, self._slots))

    async def _open_slot(self, name: str) -> None:
        listening = self._port.open()
        try:
            self._slots.append(Slot(listening, await self._started(name, listening)))
        except BaseException:
            listening.close()
            raise

    async def _started(self, name: str, listening: socket.socket) -> WorkerProcess:
        """A worker that serves.

        Errors: WorkerDidNotStart.
        """
        environ = {**self._environ, "LITEMAAS_GATEWAY__WORKER_ID": name}
        try:
            worker = await WorkerProcess.start(name, listening, environ, self._numbers)
        except OSError as error:
            raise WorkerDidNotStart(f"no process can be started: {error.strerror}") from error
        self._alive.add(worker)
        try:
            await worker.until_ready()
        except WorkerDidNotStart:
            await self._end(worker, _HURRY_S)
            raise
        return worker

    async def _keep(self, slot: Slot) -> None:
        """Starts anew who ends without being asked to."""
        while True:
            worker = slot.worker
            await worker.ended()
            async with slot.turn:
                if slot.worker is worker:
                    self._alive.discard(worker)
                    slot.listening.close()
                    log.error("a worker died", worker=worker.name, how=worker.how_it_ended())
                    await self._restart(slot)

    async def _restart(self, slot: Slot) -> None:
        name = slot.worker.name
        while True:
            await slot.pause()
            try:
                await self._reopen(slot, name)
            except WorkerDidNotStart as failure:
                log.error("a worker cannot be started; trying again", worker=name, reason=str(failure))  # noqa: TRY400
            else:
                return

    async def _reopen(self, slot: Slot, name: str) -> None:
        try:
            listening = self._port.open()
        except OSError as error:
            raise WorkerDidNotStart(f"the port cannot be opened: {error.strerror}") from error
        try:
            slot.worker = await self._started(name, listening)
        except BaseException:
            listening.close()
            raise
        slot.listening = listening

    # -- replacement --------------------------------------------------------------------------------------------------

    async def _replace_on_demand(self) -> None:
        while True:
            await self._replace.wait()
            self._replace.clear()
            try:
                for slot in self._slots:
                    await self._replace_in(slot)
            except WorkerDidNotStart as failure:
                log.error("the workers are not replaced; those there go on", reason=str(failure))  # noqa: TRY400
            else:
                log.info("the workers were replaced")

    async def _replace_in(self, slot: Slot) -> None:
        """The new worker serves before the old one leaves; both have the same queue of connections."""
        async with slot.turn:
            name = self._free_names.pop(0)
            former = slot.worker
            try:
                slot.worker = await self._started(name, slot.listening)
            except BaseException:
                self._free_names.insert(0, name)
                raise
            await self._retire(former)
            self._free_names.append(former.name)

    async def _retire(self, worker: WorkerProcess) -> None:
        worker.terminate()
        await self._end(worker, self._own.drain_timeout_s + _LAST_WORDS_S)

    async def _end(self, worker: WorkerProcess, patience_s: float) -> None:
        if not await _gone({worker}, patience_s):
            log.warning("a worker did not leave in time", worker=worker.name)
            worker.kill()
            await worker.ended()
        self._alive.discard(worker)

    # -- end ----------------------------------------------------------------------------------------------------------

    async def _end_all(self) -> None:
        """The supervisor's own hold on the sockets goes first: when the last worker closes one, nobody waits there in vain."""
        for slot in self._slots:
            slot.listening.close()
        self._port.close()
        for worker in self._alive:
            worker.terminate()
        hurry = asyncio.create_task(self._hurry.wait(), name="hurry")
        gone = asyncio.create_task(_gone(self._alive, self._own.drain_timeout_s + _LAST_WORDS_S), name="gone")
        await asyncio.wait({hurry, gone}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        gone.cancel()
        if not await _gone(self._alive, 0.0):
            for worker in self._alive:
                worker.terminate()
            if not await _gone(self._alive, _HURRY_S):
                log.warning("workers did not leave in time")
            for worker in self._alive:
                worker.kill()
            await _gone(self._alive, _HURRY_S)


async def _gone(workers: set[WorkerProcess], within_s: float) -> bool:
    """Whether all have ended in time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within_s):
            await asyncio.gather(*(worker.ended() for worker in workers))
    return not any(worker.is_running for worker in workers)


def run(environ: Mapping[str, str]) -> None:
    """The entry of ``litemaas gateway``: one worker is this very process, several get a supervisor.

    Errors: SettingsError; ServiceUnavailable; OSError.
    """
    settings = load_settings(GatewaySettings, environ)
    if settings.gateway.workers == 1:
        from litemaas.gateway.app import run as work_alone  # only here: a supervisor stays small

        work_alone(environ)
        return
    if sys.platform != "linux":
        raise SettingsError("LITEMAAS_GATEWAY__WORKERS: more than one worker needs Linux")
    configure_logging(settings.log_level)
    asyncio.run(_supervise(settings, environ))


async def _supervise(settings: GatewaySettings, environ: Mapping[str, str]) -> None:
    await Supervisor(settings, environ, SharedPort(settings.gateway.host, settings.gateway.port)).run()
