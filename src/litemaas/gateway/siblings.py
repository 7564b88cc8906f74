"""What have all workers of this machine counted? Each tells its numbers on a private socket; who is scraped adds them up.

Counters of all workers are summed, gauges carry a label ``worker``. A counter never goes backwards: before a worker tells its
numbers, it keeps them in a file; from there the next worker of this name goes on, and whoever is scraped in between reads it.
So a killed worker takes with it only what nobody has seen yet. (Labels with the start of each worker would keep every dead
one's series for ever, and ``sum`` over them would fall when Prometheus forgets one.)
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from litemaas.gateway.metrics import Metrics

_ANSWERS_WITHIN_S = 0.5
_MAX_BYTES = 64 * 1024 * 1024
_SOCKET, _KEPT = ".sock", ".counted"
log = structlog.get_logger(__name__)


class Sample(msgspec.Struct, array_like=True):
    name: str
    labels: dict[str, str]
    value: float


class Family(msgspec.Struct, array_like=True):
    name: str
    kind: str
    text: str
    samples: list[Sample]


_decoder = msgspec.msgpack.Decoder(list[Family])


class Siblings:
    """The workers whose numbers are in ``directory``; this one is ``name``.

    Fails: open; a worker that does not answer in time is counted with what it told last, and the counter of those grows.
    """

    def __init__(self, directory: Path, name: str, metrics: Metrics) -> None:
        self._name = name
        self._metrics = metrics
        self._fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        # A socket's path may have no more than 107 bytes; a state directory may lie deeper than that.
        self._directory = Path(f"/proc/self/fd/{self._fd}")
        self._server: asyncio.Server | None = None
        self._former = self._kept_by(name)

    async def start(self) -> None:
        """Lets the siblings ask."""
        path = self._directory / f"{self._name}{_SOCKET}"
        path.unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(str(path))
        path.chmod(0o600)  # nobody can connect before it listens
        sock.setblocking(False)
        self._server = await asyncio.start_unix_server(self._tell, sock=sock)
        self._report()

    async def stop(self) -> None:
        """Keeps the last numbers for those who are asked later."""
        self._report()
        if self._server is not None:
            self._server.close()
            (self._directory / f"{self._name}{_SOCKET}").unlink(missing_ok=True)
        os.close(self._fd)

    async def render(self) -> bytes:
        """The numbers of all, in Prometheus' text format."""
        names = {path.stem for path in self._directory.iterdir() if path.suffix in (_SOCKET, _KEPT)} - {self._name}
        told = dict(zip(names, await asyncio.gather(*map(self._ask, names)), strict=True))
        told[self._name] = self._report()
        return _rendered(told[name] for name in sorted(told))

    async def _tell(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError):
            writer.write(msgspec.msgpack.encode(self._report()))
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                await writer.drain()
        writer.close()

    async def _ask(self, name: str) -> list[Family]:
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                reader, writer = await asyncio.open_unix_connection(str(self._directory / f"{name}{_SOCKET}"))
                try:
                    return _decoder.decode(await _everything(reader))
                finally:
                    writer.close()
        except (FileNotFoundError, ConnectionRefusedError):
            pass  # it is dead
        except (OSError, TimeoutError, msgspec.DecodeError) as error:
            self._metrics.silent_workers += 1
            log.warning("a worker does not tell its numbers", of=name, error=type(error).__name__)
        return self._kept_by(name)

    def _report(self) -> list[Family]:
        """What this worker and those of its name before it have counted; from here on it is not forgotten."""
        families = _summed([self._former, _families(self._metrics.collect(), self._name)])
        kept = [family for family in families if family.kind != "gauge"]
        path = self._directory / f"{self._name}{_KEPT}"
        fresh = path.with_suffix(".fresh")
        try:
            fresh.unlink(missing_ok=True)
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(msgspec.msgpack.encode(kept))
            fresh.replace(path)
        except OSError as error:
            log.warning("the counters cannot be kept", reason=error.strerror)
        return families

    def _kept_by(self, name: str) -> list[Family]:
        with suppress(OSError, msgspec.DecodeError):
            return _decoder.decode((self._directory / f"{name}{_KEPT}").read_bytes())
        return []


async def _everything(reader: asyncio.StreamReader) -> bytes:
    pieces = []
    size = 0
    while piece := await reader.read(1 << 20):
        pieces.append(piece)
        size += len(piece)
        if size > _MAX_BYTES:
            raise OSError("too much was told")
    return b"".join(pieces)


def _families(metrics: Iterable[Metric], worker: str) -> list[Family]:
    return [
        Family(metric.name, metric.type, metric.documentation, [
            Sample(s.name, {**s.labels, "worker": worker} if metric.type == "gauge" else dict(s.labels), float(s.value))
            for s in metric.samples
        ])
        for metric in metrics
    ]  # fmt: skip


def _summed(reports: Iterable[list[Family]]) -> list[Family]:
    families: dict[str, Family] = {}
    found: dict[tuple[str, tuple[tuple[str, str], ...]], Sample] = {}
    for family in (family for report in reports for family in report):
        into = families.setdefault(family.name, Family(family.name, family.kind, family.text, []))
        into.kind = family.kind  # the newest says what it is
        for sample in family.samples:
            key = (sample.name, tuple(sample.labels.items()))
            known = found.get(key)
            if known is None:
                found[key] = known = Sample(sample.name, sample.labels, 0.0)
                into.samples.append(known)
            known.value += sample.value
    return list(families.values())


class _Summed(Collector):
    def __init__(self, families: Iterable[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            metric = Metric(family.name, family.text, family.kind)
            for sample in family.samples:
                metric.add_sample(sample.name, sample.labels, sample.value)
            yield metric


def _rendered(reports: Iterable[list[Family]]) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Summed(_summed(reports)))
    return generate_latest(registry)
