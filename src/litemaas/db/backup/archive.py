"""What is in a backup file? A ZIP with a signed manifest and one member of rows per table: data only, no statement to run.

``manifest.json`` names format, application and schema version, tables with columns, row counts and checksums, sequences and
partitions; ``manifest.sig`` is its HMAC-SHA256 under a key made of the installation's encryption key. Each table's member is
PostgreSQL's COPY text format. An encrypted file is this ZIP in blocks of 1 MiB under AES-256-GCM, each bound to its place
and to whether it is the last one, so that none can be moved, left out or cut off.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT = 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
_MAGIC = b"LMAASENC1\n"
_BLOCK = 1 << 20
_TAG = 16
_MAX_MANIFEST = 16 << 20


class BackupRefused(Exception):
    """The file cannot be used; the message says why, in words for an administrator."""


class TableEntry(msgspec.Struct, frozen=True):
    """``sha256``: of the member's bytes; ``digest``: of the rows, whatever their order."""

    name: str
    columns: list[str]
    rows: int
    sha256: str
    digest: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    format: int
    application: str
    revision: str
    created_at: str
    """RFC 3339, the moment of the snapshot."""
    tables: list[TableEntry]
    sequences: dict[str, int | None]
    partitions: list[str]
    change: int
    """The newest number of the change feed."""

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


def member_of(table: str) -> str:
    return f"tables/{table}.copy"


class Keys(msgspec.Struct, frozen=True):
    """What signs and encrypts backups; made of the installation's encryption key, never stored in a file."""

    signing: bytes
    sealing: bytes

    @classmethod
    def of(cls, encryption_key: str) -> Keys:
        made = [hashlib.sha256(f"litemaas/backup/{use}/{encryption_key}".encode()).digest() for use in ("sign", "seal")]
        return cls(*made)


def sign(archive: zipfile.ZipFile, manifest: Manifest, keys: Keys) -> None:
    """Writes the manifest and its signature as the last members."""
    written = msgspec.json.encode(manifest)
    archive.writestr(MANIFEST, written)
    archive.writestr(SIGNATURE, hmac.new(keys.signing, written, hashlib.sha256).hexdigest())


def read_manifest(archive: zipfile.ZipFile, keys: Keys) -> Manifest:
    """Errors: BackupRefused when it is missing, not ours, changed, or of a newer format."""
    try:
        if archive.getinfo(MANIFEST).file_size > _MAX_MANIFEST or archive.getinfo(SIGNATURE).file_size > 1024:
            raise BackupRefused("The backup's manifest is too large to be one.")
        written, signature = archive.read(MANIFEST), archive.read(SIGNATURE)
    except (KeyError, zipfile.BadZipFile, OSError):
        raise BackupRefused("This is no backup of LiteMaaS: it has no manifest.") from None
    expected = hmac.new(keys.signing, written, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature, expected.encode()):
        raise BackupRefused(
            "The signature is wrong: the file was changed, or made with another LITEMAAS_ENCRYPTION_KEY."
        )
    try:
        manifest = msgspec.json.decode(written, type=Manifest)
    except msgspec.MsgspecError:
        raise BackupRefused("The backup was made by a version that this one does not know.") from None
    if manifest.format != FORMAT:
        raise BackupRefused(f"The backup has format {manifest.format}; this version reads format {FORMAT}.")
    return manifest


def open_archive(path: Path) -> zipfile.ZipFile:
    """Errors: BackupRefused."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError):
        raise BackupRefused("The file is not a backup, or it is cut off.") from None


def rows_of(archive: zipfile.ZipFile, table: TableEntry) -> Iterator[bytes]:
    """The bytes of a table's member. Errors: BackupRefused at the end when they are not those that were signed."""
    digest = hashlib.sha256()
    try:
        with archive.open(member_of(table.name)) as member:
            while block := member.read(_BLOCK):
                digest.update(block)
                yield block
    except (KeyError, zipfile.BadZipFile, OSError, EOFError):
        raise BackupRefused(f"The rows of {table.name} are missing or damaged.") from None
    if digest.hexdigest() != table.sha256:
        raise BackupRefused(f"The rows of {table.name} are not those that were backed up.")


def verify(path: Path, keys: Keys) -> Manifest:
    """Reads the whole file. Errors: BackupRefused."""
    with open_archive(path) as archive:
        manifest = read_manifest(archive, keys)
        for table in manifest.tables:
            for _ in rows_of(archive, table):
                pass
        return manifest


# -- encryption -----------------------------------------------------------------------------------------------------------


def is_encrypted(path: Path) -> bool:
    """Errors: BackupRefused."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        raise BackupRefused("The file cannot be read.") from None


def encrypt(source: Path, target: Path, keys: Keys) -> None:
    """Writes ``source`` encrypted to ``target``, which only its owner may read."""
    salt = os.urandom(16)
    cipher = AESGCM(hashlib.sha256(keys.sealing + salt).digest())
    with source.open("rb") as plain, open_private(target) as sealed:
        sealed.write(_MAGIC + salt)
        place, block = 0, plain.read(_BLOCK)
        while True:
            following = plain.read(_BLOCK)
            sealed.write(cipher.encrypt(_nonce(place), block, _bound(following)))
            if not following:
                return
            place, block = place + 1, following


def decrypt(source: Path, target: Path, keys: Keys) -> None:
    """Errors: BackupRefused."""
    with source.open("rb") as sealed, open_private(target) as plain:
        if sealed.read(len(_MAGIC)) != _MAGIC:
            raise BackupRefused("The file is not an encrypted backup.")
        cipher = AESGCM(hashlib.sha256(keys.sealing + sealed.read(16)).digest())
        place, block = 0, sealed.read(_BLOCK + _TAG)
        while True:
            following = sealed.read(_BLOCK + _TAG)
            try:
                plain.write(cipher.decrypt(_nonce(place), block, _bound(following)))
            except InvalidTag:
                raise BackupRefused(
                    "The backup cannot be decrypted: it was changed or cut off, or another LITEMAAS_ENCRYPTION_KEY was used."
                ) from None
            if not following:
                return
            place, block = place + 1, following


def open_private(path: Path) -> BinaryIO:
    """A new file with mode 0600."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _nonce(place: int) -> bytes:
    return place.to_bytes(12, "big")


def _bound(following: bytes) -> bytes:
    return b"more" if following else b"last"
