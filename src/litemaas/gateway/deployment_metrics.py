"""What is counted per deployment? How its calls ended, whether it is left alone, and how fast it answers, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from litemaas.gateway.cooling import Condition
    from litemaas.gateway.targets import Targets

_LABELS = ("model", "model_id", "api_provider")
_WELL, _IN_TROUBLE, _LEFT_ALONE = 0, 1, 2
"""LiteLLM's numbers for ``litellm_deployment_state``: healthy, partial outage, complete outage."""


class DeploymentMetrics:
    """The first four have the names that LiteLLM's dashboards know (gateway-api contract 3.8)."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets

    def collect(self) -> Iterable[Metric]:
        now = monotonic()
        state = GaugeMetricFamily("litellm_deployment_state", "How a deployment is doing.", labels=_LABELS)
        cooled = CounterMetricFamily("litellm_deployment_cooled_down", "Times that it was left alone.", labels=_LABELS)
        good = CounterMetricFamily("litellm_deployment_success_responses", "Calls that it answered.", labels=_LABELS)
        bad = CounterMetricFamily(
            "litellm_deployment_failure_responses", "Attempts and answers that failed.", labels=(*_LABELS, "kind")
        )
        running = GaugeMetricFamily(
            "litemaas_gateway_deployment_running", "Calls that are there now, from this worker.", labels=_LABELS
        )
        speed = GaugeMetricFamily(
            "litemaas_gateway_deployment_first_byte_seconds", "Until its streams began, of late.", labels=_LABELS
        )
        for condition in list(self._targets.conditions.values()):
            labels = (condition.model, condition.deployment_id, condition.provider)
            state.add_metric(labels, _state_of(condition, now))
            cooled.add_metric(labels, condition.cooled)
            good.add_metric(labels, condition.served)
            for kind, count in condition.failed.items():
                bad.add_metric((*labels, kind.value), count)
            running.add_metric(labels, condition.running)
            speed.add_metric(labels, condition.first_byte_s)
        yield from (state, cooled, good, bad, running, speed)


def _state_of(condition: Condition, now: float) -> int:
    if condition.is_cold(now):
        return _LEFT_ALONE
    return _IN_TROUBLE if condition.troubled else _WELL
