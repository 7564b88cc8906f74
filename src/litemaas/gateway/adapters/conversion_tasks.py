"""Where do the workers of all replicas see conversion tasks? In one small table of PostgreSQL."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from litemaas.gateway.conversions import Outcome, Task

if TYPE_CHECKING:
    import asyncpg

    from litemaas.gateway.adapters.postgres import Postgres

_COLUMNS = (
    "task_id, engine_task_id, deployment_id, key_hash, record, documents, hides_json, outcome, pages, usage_source"
)
_ADD = """
insert into conversion_tasks
(task_id, engine_task_id, deployment_id, key_hash, worker_id, record, documents, hides_json)
values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_FIND = f"select {_COLUMNS} from conversion_tasks where task_id = $1 and key_hash = $2"  # noqa: S608 - column names of ours
_FINISH = """
update conversion_tasks set finished_at = now(), outcome = $2, pages = $3, usage_source = $4
where task_id = $1 and finished_at is null
"""
_FINISHED = f"""
select {_COLUMNS} from conversion_tasks where task_id = any($1) and finished_at is not null
"""  # noqa: S608 - as above
_SETTLED = "update conversion_tasks set settled_at = now() where task_id = $1"
_ADOPT = f"""
update conversion_tasks set worker_id = $1 where task_id in (
    select t.task_id from conversion_tasks t left join workers w using (worker_id)
    where t.settled_at is null and not t.task_id = any($2)
      and (t.worker_id = $1 or w.worker_id is null or w.heartbeat_at < now() - interval '60 seconds')
    order by t.submitted_at limit 100 for update of t skip locked
)
returning {_COLUMNS}
"""  # noqa: S608 - as above
_GIVE_UP = """
update conversion_tasks set finished_at = now(), outcome = 'failed'
where finished_at is null and submitted_at < now() - make_interval(secs => $1)
"""
_FORGET = """
delete from conversion_tasks where settled_at is not null and submitted_at < now() - make_interval(secs => $1)
"""


class ConversionTasks:
    """Every method: ServiceUnavailable when the database does not answer."""

    def __init__(self, postgres: Postgres, worker_id: str) -> None:
        self._postgres = postgres
        self._worker_id = worker_id

    async def add(self, task: Task) -> None:
        async with self._postgres.connection() as connection:
            await connection.execute(
                _ADD, task.task_id, task.engine_task_id, task.deployment_id, task.key_hash, self._worker_id, task.record,
                task.documents, task.hides_json,
            )  # fmt: skip

    async def find(self, task_id: str, key_hash: str) -> Task | None:
        async with self._postgres.connection() as connection:
            row = await connection.fetchrow(_FIND, task_id, key_hash)
        return _task(row) if row is not None else None

    async def finish(self, task_id: str, outcome: Outcome) -> None:
        async with self._postgres.connection() as connection:
            await connection.execute(_FINISH, task_id, outcome.kind, outcome.pages, outcome.source)

    async def finished(self, task_ids: Collection[str]) -> Sequence[Task]:
        async with self._postgres.connection() as connection:
            return [_task(row) for row in await connection.fetch(_FINISHED, list(task_ids))]

    async def settled(self, task_id: str) -> None:
        async with self._postgres.connection() as connection:
            await connection.execute(_SETTLED, task_id)

    async def adopt(self, known: Collection[str]) -> Sequence[Task]:
        async with self._postgres.connection() as connection:
            return [_task(row) for row in await connection.fetch(_ADOPT, self._worker_id, list(known))]

    async def forget(self, kept_s: float) -> None:
        async with self._postgres.connection() as connection:
            await connection.execute(_GIVE_UP, kept_s)
            await connection.execute(_FORGET, kept_s)


def _task(row: asyncpg.Record) -> Task:
    outcome = None
    if row["outcome"] is not None:
        outcome = Outcome(row["outcome"], row["pages"] or 0, row["usage_source"] or "none")
    return Task(
        row["task_id"], row["engine_task_id"], row["deployment_id"], row["key_hash"], row["record"], row["documents"],
        row["hides_json"], outcome,
    )  # fmt: skip
