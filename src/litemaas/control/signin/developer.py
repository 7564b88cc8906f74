"""Who can sign in on a single machine without an identity provider? Three fixed people, one per kind of view."""

from __future__ import annotations

from fastapi import Request

from litemaas.control.signin.identities import Identity
from litemaas.control.signin.service import DEVELOPER
from litemaas.control.signin.settings import is_loopback
from litemaas.core.permissions import Role

PEOPLE: dict[str, tuple[str, str, tuple[Role, ...]]] = {
    "admin": ("dev-admin", "Ada Admin", (Role.ADMIN, Role.USER)),
    "user": ("dev-user", "Uma User", (Role.USER,)),
    "adminReadonly": ("dev-overseer", "Otto Overseer", (Role.ADMIN_READONLY,)),
}
"""Username, full name and roles."""


def identity_of(person: str) -> Identity:
    username, full_name, roles = PEOPLE[person]
    return Identity(
        provider=DEVELOPER, subject=person, username=username, email=f"{username}@localhost", full_name=full_name,
        groups=("developers",), fixed_roles=roles,
    )  # fmt: skip


def asked_on_this_machine(request: Request) -> bool:
    """Whether the browser itself calls this machine by a loopback name: a page elsewhere whose name was made to lead here
    does not.
    """
    return is_loopback(request.url.hostname or "")
