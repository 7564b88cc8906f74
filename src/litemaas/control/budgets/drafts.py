"""Whose budget is it, and what may it be asked to be?"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from litemaas.core.keys import key_scope
from litemaas.core.limits import (
    customer_scope,
    deployment_scope,
    installation_scope,
    organization_scope,
    pot_scope,
    provider_scope,
    tag_scope,
    team_scope,
    user_scope,
)


class BudgetKind(StrEnum):
    """Whom a row of ``budgets`` is for. A customer is who stands behind a call; a pot is shared by keys that name it.

    A tag's holds for calls that bear it, by themselves, by their key or its team. A provider's takes its deployments out of
    routing when it is spent. Of the installation there is one, ``all``:
    every call counts on it.
    """

    USER = "user"
    TEAM = "team"
    CUSTOMER = "customer"
    POT = "pot"
    ORGANIZATION = "organization"
    TAG = "tag"
    PROVIDER = "provider"
    INSTALLATION = "installation"


class SpendKind(StrEnum):
    """What money is booked on."""

    USER = "user"
    TEAM = "team"
    CUSTOMER = "customer"
    POT = "pot"
    ORGANIZATION = "organization"
    TAG = "tag"
    PROVIDER = "provider"
    DEPLOYMENT = "deployment"
    INSTALLATION = "installation"
    KEY = "key"


class BudgetDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A budget as it is asked for; the fields are columns of ``budgets``. Units: nano-USD, requests and tokens per minute."""

    max_budget_nano: int | None = None
    soft_budget_nano: int | None = None
    budget_duration: str | None = None
    rpm_limit: int | None = None
    tpm_limit: int | None = None
    max_parallel_requests: int | None = None


_SCOPES = {
    "user": user_scope, "team": team_scope, "customer": customer_scope, "pot": pot_scope, "key": key_scope,
    "installation": installation_scope, "organization": organization_scope, "tag": tag_scope,
    "provider": provider_scope, "deployment": deployment_scope,
}  # fmt: skip


def scope_of(kind: BudgetKind | SpendKind, owner_id: str) -> str:
    return _SCOPES[kind.value](owner_id)
