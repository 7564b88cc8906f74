"""How long are captured calls kept? As long as the settings say, 30 days at most; that some were dropped is audited."""

from __future__ import annotations

from datetime import timedelta

from litemaas.control.audit.service import record
from litemaas.control.http.duties import Duty
from litemaas.control.http.work import Plane
from litemaas.control.payloads import repository
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import RetentionSettings


async def purge(plane: Plane) -> None:
    async with plane.work() as work:
        kept = (await settings.read(work, RetentionSettings)).captured_payload_days
        before = work.now - timedelta(days=kept)
        calls, captures = await repository.purge(await work.connection(), before)
        if calls or captures:
            detail = {"before": before.isoformat(), "payloads": calls, "captures": captures}
            await record(work, "payload_capture.purged", "payload_capture", "", detail)


PURGE_PAYLOADS = Duty("purge captured calls", 600.0, purge, within_s=120.0)
