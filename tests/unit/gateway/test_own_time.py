"""Is the time that others take not counted as the gateway's own?"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from litemaas.core.ledger import Status
from litemaas.core.usage import Usage
from litemaas.gateway.caller_metrics import CallerCounters
from litemaas.gateway.judging import Judged
from litemaas.gateway.metrics import Metrics, ModelCounters


def test_waiting_for_services_before_the_model_is_not_the_gateways_own_time():
    metrics, judged = Metrics(), Judged()
    judged.waited_s = 0.25
    lane = SimpleNamespace(counters=ModelCounters(), caller_counters=CallerCounters())
    call: Any = SimpleNamespace(
        lane=lane, usage=Usage(), cost=None, first_byte_at=10.5, upstream_s=0.125, judged=judged,
        request=SimpleNamespace(received_at=10.0),
    )  # fmt: skip
    metrics.observe(call, Status.SUCCESS, 200, 0.5)
    assert metrics.own_us == 125_000
