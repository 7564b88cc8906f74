"""Is whoever asks for this the person who signed in a moment ago? How long a moment is, administrators set."""

from __future__ import annotations

from litemaas.control.auth.gates import require_sign_in_within
from litemaas.control.http.work import Work
from litemaas.control.settings import service
from litemaas.control.settings.groups import SessionSettings


async def require_recent_sign_in(work: Work) -> None:
    """For what somebody at another's open screen must not be able to do. Errors: ReauthenticationRequired."""
    require_sign_in_within(work, (await service.read(work, SessionSettings)).recent_minutes * 60)
