"""As whom does a server run that refuses to be root? No user is made, nothing outside the state directory changes."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from litemaas.db.embedded.errors import StateDirectoryUnusable

_NOBODY_UID = 65534


class Identity(StrEnum):
    """How a server's process differs from ours."""

    AS_WE_ARE = "as-we-are"
    NAMESPACE = "namespace"
    """In a user namespace our user id has another number; towards files it is still ours, without root's override."""
    NOBODY = "nobody"
    """The unprivileged user id every system has, for containers that forbid namespaces."""
    NOBODY_OVERRIDING = "nobody-overriding"
    """The same, but it may enter directories that root made private, such as a clone under /root."""


@dataclass(frozen=True)
class Disguise:
    """An identity with its numbers: the user id inside the process, and the one that owns its files on disk."""

    identity: Identity
    uid: int
    owner: int


AS_WE_ARE = Disguise(Identity.AS_WE_ARE, uid=-1, owner=-1)


def possible_identities() -> tuple[Identity, ...]:
    """What to try on this machine, the least surprising first."""
    if os.geteuid() == 0:
        return (Identity.NAMESPACE, Identity.NOBODY, Identity.NOBODY_OVERRIDING)
    if sys.platform == "linux" and not _has_name(os.geteuid()):
        # A container with an arbitrary user id, as on OpenShift: initdb wants one that /etc/passwd knows
        return (Identity.NAMESPACE, Identity.AS_WE_ARE)
    return (Identity.AS_WE_ARE,)


async def choose_disguise(
    identities: Sequence[Identity], state_dir: Path, works: Callable[[Disguise], Awaitable[str | None]]
) -> Disguise:
    """The first identity under which the server runs and reaches its files.

    ``works`` tries one and says what went wrong, if anything.

    Errors: StateDirectoryUnusable with every reason
    """
    reasons = []
    for identity in identities:
        if identity is Identity.NOBODY:
            _let_pass(state_dir)
        disguise = _disguise(identity)
        reason = await works(disguise)
        if reason is None:
            return disguise
        reasons.append(reason)
    raise StateDirectoryUnusable(
        f"PostgreSQL can neither run as this user nor as a less privileged one ({'; '.join(reasons)}). "
        "Start as a normal user, or set LITEMAAS_DATABASE_URL to a PostgreSQL server."
    )


def hand_over(directory: Path, disguise: Disguise) -> None:
    """Gives a directory and all in it to the user the server runs as; the top comes last, so a break is noticed.

    Errors: StateDirectoryUnusable when it belongs to somebody else and we are not root
    """
    owner = os.geteuid() if disguise.owner < 0 else disguise.owner
    if directory.stat().st_uid == owner:
        return
    if os.geteuid() != 0:
        raise StateDirectoryUnusable(
            f"{directory} belongs to user id {directory.stat().st_uid}: start as that user, or give it back with "
            f"`sudo chown -R {os.geteuid()} {directory.parent}`."
        )
    for parent, folders, files in os.walk(directory):
        for name in (*folders, *files):
            os.chown(Path(parent, name), owner, -1, follow_symlinks=False)
    os.chown(directory, owner, -1)


def _let_pass(state_dir: Path) -> None:
    """Others may enter, not list; everything inside stays private."""
    state_dir.chmod(state_dir.stat().st_mode & 0o7777 | 0o001)


def _disguise(identity: Identity) -> Disguise:
    match identity:
        case Identity.AS_WE_ARE:
            return AS_WE_ARE
        case Identity.NAMESPACE:
            return Disguise(identity, uid=_a_named_uid(), owner=os.geteuid())
        case _:
            return Disguise(identity, uid=_NOBODY_UID, owner=_NOBODY_UID)


def _a_named_uid() -> int:
    """initdb looks its own user up, so the number must be in the user database, whoever that is."""
    if _has_name(_NOBODY_UID):
        return _NOBODY_UID
    return next((user.pw_uid for user in pwd.getpwall() if user.pw_uid != 0), _NOBODY_UID)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
