"""How long does the audit trail last? As long as the settings say; that something was dropped is audited itself."""

from __future__ import annotations

from datetime import timedelta

from litemaas.control.audit.service import record
from litemaas.control.http.duties import Duty
from litemaas.control.http.work import Plane
from litemaas.control.settings import service as settings
from litemaas.control.settings.groups import RetentionSettings
from litemaas.control.trail import repository


async def purge(plane: Plane) -> None:
    async with plane.work() as work:
        kept = (await settings.read(work, RetentionSettings)).audit_days
        before = work.now - timedelta(days=kept)
        if dropped := await repository.drop_before(await work.connection(), before):
            await record(work, "audit.purged", "audit", "audit", {"before": before.isoformat(), "records": dropped})


PURGE_AUDIT = Duty("purge the audit trail", 6 * 3600.0, purge, within_s=600.0)
