"""Which paths serve access policies?"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query, Response
from sqlalchemy import Row

from litemaas.control.audit.service import record
from litemaas.control.auth.gates import requires
from litemaas.control.http.etags import IfMatch, require_match, tag
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.refusals import InvalidRequestMembers, Mend
from litemaas.control.http.shapes import PROBLEMS, Page, pagination
from litemaas.control.http.work import Work, WorkOf, WorkRoute
from litemaas.control.policies import repository, service
from litemaas.control.policies.schemas import (
    Evaluation,
    PolicyIn,
    PolicyOut,
    PolicyPatch,
    PolicyQuery,
    PolicyReference,
)
from litemaas.core.entitlements import Block, Policy, judge
from litemaas.core.errors import AlreadyExists, InvalidField, NotFound
from litemaas.core.permissions import Permission

router = APIRouter(
    prefix="/api/v1/admin/access-policies",
    tags=["access policies"],
    route_class=WorkRoute,
    dependencies=[requires(Permission.ADMIN_POLICIES_READ, Permission.ADMIN_POLICIES_WRITE)],
    responses=PROBLEMS,
)


@router.get("")
async def list_policies(work: WorkOf, query: Annotated[PolicyQuery, Query()]) -> Page[PolicyOut]:
    """All policies, by name."""
    effect = query.effect.value if query.effect else None
    rows, total = await repository.page(await work.connection(), query.search, effect, query.offset, query.limit)
    return Page(data=[_out(row) for row in rows], pagination=pagination(query, total))


@router.post("", status_code=201)
async def create_policy(work: WorkOf, body: PolicyIn) -> PolicyOut:
    """Holds at once, for existing subscriptions, too: a denied payer's calls are refused, the subscription stays."""
    policy_id, values = str(uuid4()), body.model_dump(mode="json")
    await _check_names(work, values)
    stamps = {"created_at": work.now, "created_by": work.actor, "updated_at": work.now, "updated_by": work.actor}
    if not await repository.add(await work.connection(), {"id": policy_id, **values, **stamps}):
        raise AlreadyExists("A policy with this name already exists.", "name")
    await _tell(work, "policy.created", policy_id, values, body.name)
    return _out(await _held(work, policy_id))


@router.get("/evaluate")
async def evaluate(work: WorkOf, model_id: UUID, user_id: str | None = None, team_id: str | None = None) -> Evaluation:
    """What all policies together say of one person or team and one model."""
    if (user_id is None) == (team_id is None):
        raise InvalidField("Name either user_id or team_id.", "user_id")
    connection = await work.connection()
    model = await repository.find_model(connection, str(model_id))
    known = (
        await repository.groups_of(connection, user_id) is not None
        if user_id is not None
        else await repository.team_exists(connection, team_id or "")
    )
    if model is None or not known:
        raise NotFound("The model, the user or the team was not found.")
    payer = await service.payer_for(work, user_id, team_id)
    policies = await service.policies_now(work)
    verdict = judge(policies, payer, model.name, model.tags, model.restricted_access)
    matching = [policy for policy in policies if policy.covers(model.name, model.tags) and policy.meets(payer)]
    return Evaluation(
        permitted=verdict.permitted, needs_approval=verdict.needs_approval,
        blocked_by=None if verdict.permitted else Block.POLICY_DENIED,
        policy=_reference(verdict.policy) if verdict.policy else None, matching=[_reference(p) for p in matching],
    )  # fmt: skip


@router.get("/{policy_id}")
async def get_policy(work: WorkOf, policy_id: UUID, response: Response) -> PolicyOut:
    """One policy."""
    return tag(response, _out(await _held(work, str(policy_id))))


@router.patch("/{policy_id}")
async def change_policy(
    work: WorkOf, policy_id: UUID, body: PolicyPatch, response: Response, if_match: IfMatch = None
) -> PolicyOut:
    """Changes what is named; the rest stays."""
    before = _out(await _held(work, str(policy_id), lock=True))
    require_match(if_match, before)
    values = body.model_dump(mode="json", exclude_unset=True)
    shown = before.model_dump(mode="json")
    changed = {name: value for name, value in values.items() if value != shown[name]}
    if changed:
        after = {name: (shown | changed)[name] for name in PolicyIn.model_fields}
        if not (after["all_models"] or after["models"] or after["tags"]):
            raise InvalidField("Name models or tags, or set all_models.", "models")
        if not (after["everyone"] or after["groups"] or after["teams"] or after["users"]):
            raise InvalidField("Name groups, teams or users, or set everyone.", "users")
        await _check_names(work, changed)
        connection = await work.connection()
        if "name" in changed and await repository.name_is_taken(connection, changed["name"], before.id):
            raise AlreadyExists("A policy with this name already exists.", "name")
        await repository.change(connection, before.id, changed | {"updated_at": work.now, "updated_by": work.actor})
        old = {name: shown[name] for name in changed}
        await _tell(work, "policy.updated", before.id, {"old": old, "new": changed}, before.name)
    return tag(response, _out(await _held(work, before.id)))


@router.delete("/{policy_id}", status_code=204)
async def delete_policy(work: WorkOf, policy_id: UUID) -> None:
    """What it refused or waived is decided by the others from now on."""
    before = await _held(work, str(policy_id), lock=True)
    await repository.drop(await work.connection(), before.id)
    await _tell(work, "policy.deleted", before.id, _out(before).model_dump(mode="json"), before.name)


async def _check_names(work: Work, values: dict[str, Any]) -> None:
    """A policy with a wrong name would silently not hold. Errors: InvalidRequestMembers naming all of them."""
    mends = [
        Mend(kind, f"These {kind} do not exist: {', '.join(sorted(missing))}", "unknown")
        for kind in ("models", "teams", "users") if values.get(kind)
        if (missing := await repository.unknown(await work.connection(), kind, values[kind]))
    ]  # fmt: skip
    if mends:
        raise InvalidRequestMembers(mends)


async def _tell(work: Work, action: str, policy_id: str, detail: dict[str, Any], name: str) -> None:
    work.changed(ChangeKind.CATALOG, f"policy:{policy_id}")
    await record(work, action, "policy", policy_id, detail, name)


async def _held(work: Work, policy_id: str, *, lock: bool = False) -> Row[Any]:
    row = await repository.find(await work.connection(), policy_id, lock=lock)
    if row is None:
        raise NotFound("The policy was not found.")
    return row


def _out(row: Row[Any]) -> PolicyOut:
    return PolicyOut(**{name: row._mapping[name] for name in PolicyOut.model_fields})


def _reference(policy: Policy) -> PolicyReference:
    return PolicyReference(id=policy.id, name=policy.name, effect=policy.effect)
