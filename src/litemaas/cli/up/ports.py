"""Is a port free, and who has it otherwise? Asked before anything starts."""

from __future__ import annotations

import contextlib
import errno
import socket
import sys
from pathlib import Path

from litemaas.cli.up.demo import SERVERS
from litemaas.cli.up.errors import CannotStart
from litemaas.cli.up.options import UpOptions
from litemaas.cli.up.state import StateDirectory, write_private
from litemaas.db.embedded.state import remembered_port

_LISTENING = "0A"  # Linux: include/net/tcp_states.h, TCP_LISTEN


class HeldPort:
    """A port nobody else gets while our part is still loading.

    On Linux a socket that is bound and does not listen lets one with SO_REUSEADDR listen there and keeps the system from
    giving the number away; elsewhere it would be in the way, so there the port is only looked at.
    """

    def __init__(self, host: str, port: int) -> None:
        """Errors: OSError"""
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        self._socket = socket.socket(family, kind, protocol)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind(address)
        except OSError:
            self._socket.close()
            raise
        self.host = host
        self.number: int = self._socket.getsockname()[1]
        if sys.platform != "linux":
            self._socket.close()

    @property
    def url(self) -> str:
        """How a program on this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104  read, not bound
        return f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{self.number}"

    def release(self) -> None:
        self._socket.close()


def hold_ports(options: UpOptions, state: StateDirectory) -> dict[str, HeldPort]:
    """A port for everything that listens, by name.

    Errors: CannotStart
    """
    gateway, control = options.environment.gateway, options.environment.control
    wanted = {
        "gateway": (gateway.host, gateway.port, "LITEMAAS_GATEWAY__PORT"),
        "control": (control.host, control.port, "LITEMAAS_CONTROL__PORT"),
    }
    ports = {name: hold_port(*listen, state.port_file(name)) for name, listen in wanted.items()}
    for name in SERVERS if options.demo else ():
        ports[name] = hold_any_port("127.0.0.1", state.port_file(f"sim-{name}"))
    return ports


def hold_port(host: str, wanted: int, setting: str, record: Path) -> HeldPort:
    """The wanted port; for 0 last time's while it is free, else one from the system.

    Errors: CannotStart naming port, setting and, where the system tells, who has the port.
    """
    if wanted == 0:
        return hold_any_port(host, record)
    try:
        return HeldPort(host, wanted)
    except OSError as error:
        raise CannotStart(_why_not(error, host, wanted, setting)) from None


def hold_any_port(host: str, record: Path) -> HeldPort:
    """Last time's port while it is free, else one from the system, which is remembered."""
    former = remembered_port(record)
    if former is not None:
        with contextlib.suppress(OSError):
            return HeldPort(host, former)
    try:
        held = HeldPort(host, 0)
    except OSError as error:
        raise CannotStart(
            f"{host!r} is no address of this machine that can be listened on: {error.strerror}."
        ) from None
    write_private(record, str(held.number))
    return held


def _why_not(error: OSError, host: str, port: int, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        holder = holder_of(port)
        who = f" by {holder}" if holder else ""
        return f"port {port} is in use{who}: stop it, or set {setting} to another port (0 lets the system choose)."
    if error.errno == errno.EACCES:
        return f"port {port} may not be opened by this user: set {setting} to a port above 1023."
    return f"port {port} of {host!r} cannot be opened ({error.strerror}): set {setting.replace('PORT', 'HOST')}."


def holder_of(port: int) -> str | None:
    """Who listens on a port, like ``nginx (process 4711)``; None where the system does not tell us."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening_inodes(Path("/proc/net", table), port)}
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*") if wanted else ():
        with contextlib.suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                with contextlib.suppress(OSError):
                    if str(descriptor.readlink()) in wanted:
                        return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return None


def _listening_inodes(table: Path, port: int) -> list[str]:
    try:
        lines = table.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    rows = [line.split() for line in lines]
    return [row[9] for row in rows if row[3] == _LISTENING and int(row[1].rpartition(":")[2], 16) == port]
