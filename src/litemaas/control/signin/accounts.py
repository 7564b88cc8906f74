"""Whose account is an identity, and which roles does it have? Found by (provider, subject), or made; never by a name.

Source: control-plane contract 2.2. Groups are replaced at each sign-in, and with them the derived roles.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.http.refusals import AccountDisabled, Conflict, PermissionDenied
from litemaas.control.http.work import Work
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import UNIT, UserSettings
from litemaas.control.signin import repository
from litemaas.control.signin.identities import Identity
from litemaas.control.signin.settings import (
    SignInSettings,
    default_roles_of,
    group_roles_of,
    initial_admins_of,
)
from litemaas.control.teams import membership
from litemaas.control.users import limits
from litemaas.core.limits import user_scope
from litemaas.core.permissions import Role

_NAMES_TRIED = 1_000
_MADE_BY = "sign-in"


class AccountRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the installation's settings say of accounts. Units: ``defaults`` as columns of ``budgets``."""

    group_roles: dict[str, tuple[Role, ...]]
    default_roles: tuple[Role, ...]
    initial_admins: frozenset[str]
    link_by_verified_email: bool
    defaults: dict[str, Any]

    @classmethod
    def of(cls, given: SignInSettings) -> AccountRules:
        budget = given.default_user_max_budget
        return cls(
            group_roles=group_roles_of(given),
            default_roles=default_roles_of(given),
            initial_admins=initial_admins_of(given),
            link_by_verified_email=given.link_by_verified_email,
            defaults={
                "max_budget_nano": None if budget is None else int(budget * UNIT),
                "budget_duration": given.default_user_budget_duration,
                "tpm_limit": given.default_user_tpm,
                "rpm_limit": given.default_user_rpm,
            },
        )

    def derived(self, identity: Identity) -> list[str]:
        """Roles that follow from groups, from the defaults, and from being an initial administrator."""
        if identity.fixed_roles is not None:
            return [role.value for role in identity.fixed_roles]
        held = set(self.default_roles)
        for group in identity.groups:
            held.update(self.group_roles.get(group, ()))
        if not self.initial_admins.isdisjoint(identity.admin_names):
            held |= {Role.ADMIN, Role.USER}
        return [role.value for role in Role if role in held]


async def account_for(work: Work, rules: AccountRules, identity: Identity) -> Row[Any]:
    """The account of ``identity``, brought up to date, or a new one; its row is locked.

    Errors: AccountDisabled; PermissionDenied when no role results.
    """
    connection = await work.connection()
    derived = rules.derived(identity)
    account = await repository.account_of(connection, identity.provider, identity.subject)
    if account is None:
        account = await _linked(work, rules, identity)
    if account is None:
        return await _made(work, rules, identity, derived)
    return await _updated(work, account, identity, derived)


async def _updated(work: Work, account: Row[Any], identity: Identity, derived: list[str]) -> Row[Any]:
    if not account.is_active:
        raise AccountDisabled("This account is disabled. Ask an administrator.")
    if not derived and not account.granted_roles:
        raise _no_role()
    values: dict[str, Any] = {
        "groups": list(identity.groups), "derived_roles": derived, "last_sign_in_at": work.now,
        "email": identity.email, "email_verified": identity.email_verified,
    }  # fmt: skip
    if account.full_name is None:
        values["full_name"] = identity.full_name
    changed = await repository.change_account(await work.connection(), account.id, values)
    await membership.follow_groups(work, account.id, identity.groups)
    return changed


async def _linked(work: Work, rules: AccountRules, identity: Identity) -> Row[Any] | None:
    """Only by an address that both the provider and we know to be verified, and that one account alone has."""
    if not rules.link_by_verified_email or not identity.email or not identity.email_verified:
        return None
    connection = await work.connection()
    found = await repository.accounts_with_email(connection, identity.email)
    if len(found) != 1 or found[0].anonymised_at is not None:
        return None
    account = found[0]
    if not account.is_active:
        raise AccountDisabled("This account is disabled. Ask an administrator.")
    new = {"provider": identity.provider, "subject": identity.subject}
    linked = await repository.change_account(connection, account.id, new)
    detail = {"old_provider": account.provider, "new_provider": identity.provider}
    await record(work, "user.identity_linked", "user", account.id, detail, account.username)
    return linked


async def _made(work: Work, rules: AccountRules, identity: Identity, derived: list[str]) -> Row[Any]:
    if not derived:
        raise _no_role()
    connection = await work.connection()
    user_id = str(uuid4())
    values = {
        "id": user_id, "provider": identity.provider, "subject": identity.subject, "email": identity.email,
        "email_verified": identity.email_verified, "full_name": identity.full_name, "groups": list(identity.groups),
        "derived_roles": derived, "last_sign_in_at": work.now, "created_at": work.now, "created_by": _MADE_BY,
        "updated_at": work.now, "updated_by": _MADE_BY,
    }  # fmt: skip
    for username in _names(identity.username):
        if await repository.add_account(connection, values | {"username": username}):
            break
        there = await repository.account_of(connection, identity.provider, identity.subject)
        if there is not None:  # signed in twice at the same moment
            return await _updated(work, there, identity, derived)
    else:
        raise Conflict("There are too many accounts of this name. Ask an administrator.")
    detail = {"provider": identity.provider, "derived_roles": derived}
    await record(work, "user.created", "user", user_id, detail, username)
    await _give_defaults(work, rules, user_id)
    await membership.follow_groups(work, user_id, identity.groups)
    account = await repository.find_account(connection, user_id)
    assert account is not None  # noqa: S101 — it was made above, in this transaction
    return account


async def _give_defaults(work: Work, rules: AccountRules, user_id: str) -> None:
    chosen = await settings.read(work, UserSettings)
    values = {
        name: value if (value := getattr(chosen, name)) is not None else fallback
        for name, fallback in rules.defaults.items()
    }
    await limits.set_limits(work, [user_scope(user_id)], values)
    if chosen.default_team_id is not None:
        await membership.join_default_team(work, chosen.default_team_id, user_id)


def _names(wanted: str) -> Iterator[str]:
    yield wanted
    for number in range(2, _NAMES_TRIED):
        yield f"{wanted[:240]}-{number}"


def _no_role() -> PermissionDenied:
    return PermissionDenied("You have no role here. Ask an administrator to add you to a group that has one.")
