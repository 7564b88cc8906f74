"""Which paths sign people in and out?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from litemaas.control.audit.service import record, record_refusal
from litemaas.control.auth.gates import Open, requires
from litemaas.control.auth.service import SESSION_COOKIE, Authenticator
from litemaas.control.http.duties import Duty
from litemaas.control.http.refusals import ControlRefusal, NotSignedIn, TooManyRequests
from litemaas.control.http.shapes import PROBLEMS
from litemaas.control.http.work import Plane, Work, WorkOf, WorkRoute
from litemaas.control.signin import developer, repository, service, sessions
from litemaas.control.signin.schemas import (
    DevLogin,
    LoggedOut,
    LoginQuery,
    Providers,
    Renewed,
    SessionOut,
    SessionUser,
)
from litemaas.control.signin.service import SignIn
from litemaas.core.errors import NotFound

router = APIRouter(prefix="/api/v1/auth", tags=["sign-in"], route_class=WorkRoute, responses=PROBLEMS)
_PUBLIC = [requires(Open.PUBLIC)]
_SIGNED_IN = [requires(Open.SIGNED_IN)]


async def _forget(plane: Plane) -> None:
    async with plane.work() as work:
        await repository.forget_ended(await work.connection(), work.now)


FORGET_SIGN_INS = Duty("forget sign-ins and sessions", 600, _forget)


def _sign_in(request: Request) -> SignIn:
    sign_in: SignIn = request.app.state.sign_in
    return sign_in


def _developers_may(request: Request) -> bool:
    return _sign_in(request).developer_sign_in and developer.asked_on_this_machine(request)


@router.get("/providers", dependencies=_PUBLIC)
async def list_providers(request: Request) -> Providers:
    """By which ways people can sign in here."""
    names: list[Any] = sorted(_sign_in(request).providers)
    people: list[Any] = list(developer.PEOPLE) if _developers_may(request) else []
    return Providers(providers=names, dev_users=people)


@router.get("/login", dependencies=_PUBLIC, status_code=302, response_class=RedirectResponse)
async def login(work: WorkOf, request: Request, query: Annotated[LoginQuery, Query()]) -> Response:
    """Sends the browser to the identity provider."""
    sign_in = _sign_in(request)
    provider = sign_in.providers.get(query.provider)
    if provider is None:
        raise NotFound("This identity provider is not set up here.", "provider")
    await service.limit_rate(sign_in, work)
    begun = await service.begin(sign_in, work, provider, query.return_to)
    answer = RedirectResponse(begun.address, 302)
    answer.set_cookie(begun.cookie_name, begun.cookie, max_age=service.VALID_S, path="/", httponly=True,
                      samesite="lax", secure=sign_in.secure)  # fmt: skip
    return answer


@router.get("/callback", dependencies=_PUBLIC, status_code=302, response_class=RedirectResponse)
async def callback(
    work: WorkOf, request: Request, state: str = "", code: str | None = None, error: str | None = None,
    iss: str | None = None,
) -> Response:  # fmt: skip
    """Where the identity provider sends the browser back to; ends at the portal, with a session or with why not."""
    sign_in = _sign_in(request)
    if not sign_in.providers:
        raise NotFound("There is nothing at this path.")
    try:
        await service.limit_rate(sign_in, work)
        name = service.browser_cookie(state)
        browser = request.cookies.get(name)
        session = await service.complete(sign_in, work, state, browser, None if error else code, iss)
    except ControlRefusal as refusal:
        return await _refused(work, request, refusal)
    answer = RedirectResponse(sign_in.page(session.return_to), 302)
    sessions.set_cookie(answer, session.cookie, session.lives_s, secure=sign_in.secure)
    answer.delete_cookie(name, path="/", httponly=True, samesite="lax", secure=sign_in.secure)
    return answer


async def _refused(work: Work, request: Request, refusal: ControlRefusal) -> Response:
    """Browsers come to the portal's page with the code; nothing of the attempt stays but the audit's record."""
    if not isinstance(refusal, TooManyRequests):
        record_refusal(work, "auth.failed", "sign-in", "callback", refusal.public_code, {"reason": refusal.message})
    if "text/html" not in request.headers.get("accept", ""):
        raise refusal
    await work.undo()
    return RedirectResponse(_sign_in(request).page(f"/login?error={refusal.public_code}"), 302)


@router.post("/dev-login", dependencies=_PUBLIC)
async def dev_login(work: WorkOf, request: Request, body: DevLogin, response: Response) -> SessionOut:
    """Signs in as one of three fixed people; only on a single machine without an identity provider, else 404."""
    if not _developers_may(request):
        raise NotFound("There is nothing at this path.")
    sign_in = _sign_in(request)
    await service.limit_rate(sign_in, work)
    session = await service.let_in(sign_in, work, developer.identity_of(body.dev_user), "/")
    sessions.set_cookie(response, session.cookie, session.lives_s, secure=sign_in.secure)
    authenticator: Authenticator = request.app.state.authenticator
    work.act_as(await authenticator.by_cookie(work, session.cookie))
    return await _shown(work, request, session.cookie)


@router.get("/session", dependencies=_SIGNED_IN)
async def get_session(work: WorkOf, request: Request) -> SessionOut:
    """Who is signed in by this cookie, what they may do, and the token for writes."""
    return await _shown(work, request, request.cookies.get(SESSION_COOKIE) or "")


@router.post("/session/renew", dependencies=_SIGNED_IN)
async def renew_session(work: WorkOf) -> Renewed:
    """Prolongs the session, at most to its end."""
    row = await sessions.renew(work, _session_id(work))
    return Renewed(expires_at=row.expires_at)


@router.post("/logout", dependencies=_SIGNED_IN)
async def logout(work: WorkOf, request: Request, response: Response) -> LoggedOut:
    """Ends the session; ``logout_url`` is where the provider's own ends, if it has such a place."""
    sign_in, session_id, principal = _sign_in(request), _session_id(work), work.principal
    connection = await work.connection()
    row = await repository.find_session(connection, session_id)
    await repository.end_session(connection, principal.id, session_id)
    await record(work, "auth.logout", "user", principal.id, {}, principal.name)
    await work.pause()
    sessions.clear_cookie(response, secure=sign_in.secure)
    provider = sign_in.providers.get(row.provider) if row is not None else None
    if provider is None:
        return LoggedOut(logout_url=None)
    return LoggedOut(logout_url=await provider.logout_address(sign_in.page("/"), work.now))


async def _shown(work: Work, request: Request, cookie: str) -> SessionOut:
    connection, principal = await work.connection(), work.principal
    row = await repository.find_session(connection, _session_id(work))
    account = await repository.find_account(connection, principal.id)
    if row is None or account is None:
        raise NotSignedIn("This session has ended. Sign in again.")
    authenticator: Authenticator = request.app.state.authenticator
    return SessionOut(
        user=SessionUser(**{name: account._mapping[name] for name in SessionUser.model_fields}),
        roles=list(principal.roles),
        permissions=sorted(principal.permissions),
        expires_at=row.expires_at,
        ends_at=row.ends_at,
        csrf_token=authenticator.csrf_token(cookie),
        organises_workshops=await repository.organises_workshops(connection, principal.id),
    )


def _session_id(work: Work) -> str:
    """Errors: NotSignedIn for tokens and services, which have no session."""
    if work.principal.session_id is None:
        raise NotSignedIn("There is no session: tokens and the master key work without one.")
    return work.principal.session_id
