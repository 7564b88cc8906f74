"""How are kept answers forgotten? By a number that reaches all gateways with the catalogue; the store is not touched.

What is forgotten lies there until its time is over and is given to nobody. So it works for answers in workers' memory, too,
and while Valkey is away.
"""

from __future__ import annotations

from typing import Any

import msgspec

from litemaas.control.audit.service import record
from litemaas.control.http.feed import ChangeKind
from litemaas.control.http.work import Work
from litemaas.control.settings import repository
from litemaas.core.answer_cache import SETTING, Forgetting

_THING = "answer_cache"


async def forget_all(work: Work) -> None:
    """No answer that was kept until now is given any more."""
    await _put(work, (await _held(work)).without_all(), {})


async def forget(work: Work, names: list[str]) -> None:
    """The answers of these names are not given any more; unknown ones do no harm."""
    await _put(work, (await _held(work)).without(names), {"answers": names})


async def _held(work: Work) -> Forgetting:
    row = await repository.find(await work.connection(), SETTING, lock=True)
    return Forgetting() if row is None else msgspec.convert(row.value, Forgetting)


async def _put(work: Work, forgetting: Forgetting, details: dict[str, Any]) -> None:
    value = msgspec.to_builtins(forgetting)
    await repository.put(await work.connection(), SETTING, value, work.actor, work.now)
    await record(work, "answer_cache.emptied", _THING, "answers", details)
    work.changed(ChangeKind.CATALOG, SETTING)
