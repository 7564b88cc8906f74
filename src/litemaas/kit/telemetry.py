"""How do processes tell of their work as traces? By OTLP over HTTP, where an address is set; else nothing is even imported.

Spans leave in batches on a thread of their own; when the collector is away, they are dropped and nobody waits.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import msgspec

from litemaas.kit.settings import SettingsError, pairs_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_FLUSH_MS = 3_000


class TracingSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``LITEMAAS_TRACING__ENDPOINT``: like ``http://collector:4318``.

    ``LITEMAAS_TRACING__HEADERS``: ``name=value``, with commas between them, for the collector.
    ``LITEMAAS_TRACING__SAMPLE_RATIO``: part of the calls whose client has not decided.
    """

    endpoint: str | None = None
    headers: str = ""
    sample_ratio: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0


def tracing(settings: TracingSettings, service: str, instance: str) -> TracerProvider | None:
    """None without an address. Errors: SettingsError when it is none, or the packages are not there."""
    if settings.endpoint is None:
        return None
    url = urlsplit(settings.endpoint)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise SettingsError("LITEMAAS_TRACING__ENDPOINT: must be an http or https URL, like http://collector:4318")
    if (
        importlib.util.find_spec("opentelemetry.sdk") is None
        or importlib.util.find_spec("opentelemetry.exporter") is None
    ):
        raise SettingsError("LITEMAAS_TRACING__ENDPOINT: needs more packages: pip install 'litemaas[otel]'")
    headers = pairs_of(settings.headers, "LITEMAAS_TRACING__HEADERS")
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio

    resource = Resource.create({"service.name": service, "service.instance.id": instance})
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(settings.sample_ratio), resource=resource, shutdown_on_exit=False
    )
    exporter = OTLPSpanExporter(
        endpoint=f"{settings.endpoint.rstrip('/')}/v1/traces", timeout=5, headers=headers or None
    )
    provider.add_span_processor(BatchSpanProcessor(exporter, export_timeout_millis=_FLUSH_MS))
    return provider


def end_tracing(provider: TracerProvider) -> None:
    """Sends what is left, for at most a few seconds; blocks, so it is called on a thread of its own."""
    provider.force_flush(_FLUSH_MS)
    provider.shutdown()
