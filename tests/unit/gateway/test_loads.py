"""Does a worker tell what deployments do now, only what is worth telling, and only when it is different?"""

from __future__ import annotations

import msgspec
import pytest

from litemaas.core.catalog import Deployment
from litemaas.core.errors import ServiceUnavailable
from litemaas.gateway.cooling import Condition, FailureKind
from litemaas.gateway.loads import Load, Loads, loads_of
from litemaas.gateway.settings import RoutingSettings
from litemaas.gateway.targets import Targets

NOW = 1000.0


def targets(*names: str) -> Targets:
    made = Targets(600.0, RoutingSettings())
    for name in names:
        made.condition_of(Deployment(id=name, model="m", provider="vllm", engine_model="e", api_base="http://e/v1"))
    return made


class Store:
    def __init__(self) -> None:
        self.told: list[bytes] = []
        self.is_away = False

    async def tell_loads(self, loads: bytes) -> None:
        if self.is_away:
            raise ServiceUnavailable("away")
        self.told.append(loads)


def some(conditions: dict[str, Condition]) -> list[Load]:
    return loads_of(conditions.values(), NOW)


def test_idle_deployments_are_not_named():
    conditions = targets("a", "b").conditions
    assert some(conditions) == []
    conditions["b"].running = 3
    assert some(conditions) == [Load("b", running=3)]


def test_one_that_is_left_alone_says_for_how_long_and_which_kind_of_failure_it_was_but_not_its_words():
    conditions = targets("a").conditions
    conditions["a"].is_alone = False
    conditions["a"].fail(FailureKind.CONNECTION, "refused by 10.0.0.7 with sk-secret", NOW)
    (load,) = some(conditions)
    assert (load.is_troubled, load.cold_s > 0, load.why) == (True, True, "connection")
    assert b"secret" not in msgspec.json.encode(load)
    conditions["a"].recover()
    assert some(conditions) == []


async def test_what_has_not_changed_is_not_told_again_and_what_could_not_be_told_is_told_later():
    store, seen = Store(), targets("a")
    loads = Loads(store, seen)
    await loads.tell()
    assert store.told == []
    seen.conditions["a"].running = 1
    store.is_away = True
    with pytest.raises(ServiceUnavailable):
        await loads.tell()
    store.is_away = False
    await loads.tell()
    await loads.tell()
    assert [msgspec.json.decode(told, type=list[Load]) for told in store.told] == [[Load("a", running=1)]]
    seen.conditions["a"].running = 0
    await loads.tell()
    assert store.told[1:] == [b"[]"]
