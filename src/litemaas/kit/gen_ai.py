"""What are the members of a model call's span called? OpenTelemetry's GenAI conventions, which still change; pinned here alone.

Source: OpenTelemetry semantic conventions 1.38, "GenAI spans" (status: development), read 2026-11. What they have no name for
begins with ``litemaas.``. None of them carries what was asked or answered.
"""

from __future__ import annotations

SCHEMA_URL = "https://opentelemetry.io/schemas/1.38.0"

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
RESPONSE_ID = "gen_ai.response.id"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHED_TOKENS = "gen_ai.usage.cache_read.input_tokens"
ERROR_TYPE = "error.type"
HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"

CALL_ID = "litemaas.call.id"
STATUS = "litemaas.status"
DEPLOYMENT = "litemaas.deployment.id"
ATTEMPTS = "litemaas.attempts"
STREAM = "litemaas.stream"
PAGES = "litemaas.usage.pages"
COST_NANO = "litemaas.cost_nano"
FIRST_BYTE_S = "litemaas.time_to_first_byte_s"

OPERATION_OF_ROUTE = {
    "/chat/completions": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
    "/responses": "chat",
    "/messages": "chat",
}
"""What the conventions name; other routes are called by their path."""
