"""What does ``litemaas up`` keep between two starts? Secrets, ports and logs under one private directory."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Mapping
from pathlib import Path

from litemaas.core.keys import KEY_PREFIX, generate_key
from litemaas.db.embedded.state import keep_secret, make_private_directory


class StateDirectory:
    """The files under the state directory; all of them are mode 0600.

    Errors: StateDirectoryUnusable
    """

    def __init__(self, path: Path) -> None:
        self.path = make_private_directory(path)
        self.logs = self.path / "log"
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self._connection_file = self.path / "connection.env"
        self._demo_key_file = self.path / "demo.key"

    def master_key(self) -> str:
        """The kept master key, generated at the first start."""
        file = self.path / "master.key"
        kept = _read(file)
        if kept is None or not kept.startswith(KEY_PREFIX):
            kept = generate_key()
            write_private(file, kept)
        return kept

    def encryption_key(self) -> str:
        return keep_secret(self.path / "encryption.key")

    def mark(self) -> str:
        """What every process started for this directory carries in its environment, so that it is found again."""
        return keep_secret(self.path / "run.mark")

    @property
    def demo_key(self) -> str | None:
        return _read(self._demo_key_file)

    def keep_demo_key(self, key: str) -> None:
        write_private(self._demo_key_file, key)

    def port_file(self, name: str) -> Path:
        return self.path / f"{name}.port"

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def publish_connection(self, values: Mapping[str, str]) -> Path:
        """Says in ``connection.env`` how to reach the platform; the file is there only while it is ready."""
        lines = (f"{name}={shlex.quote(value)}" for name, value in values.items())
        write_private(self._connection_file, "\n".join(lines))
        return self._connection_file

    def withdraw_connection(self) -> None:
        self._connection_file.unlink(missing_ok=True)


def write_private(file: Path, text: str) -> None:
    """Whole or not at all, and readable by the owner only."""
    fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as stream:
        stream.write(text + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(file)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, UnicodeDecodeError):
        return None
