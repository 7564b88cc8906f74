"""What does a deployment need to be stored? Checked values, whichever API they came through."""

from __future__ import annotations

import ssl
from typing import Any
from urllib.parse import urlsplit

import msgspec

from litemaas.core.catalog import Mode
from litemaas.core.errors import InvalidField, MissingField
from litemaas.core.pass_through import PROVIDER as PASS_THROUGH
from litemaas.core.pricing import Price

MODEL_NAME = r"^[A-Za-z0-9._:/-]+\*?$"
"""What clients send; a name that ends in ``*`` stands for all that begin so."""
PUBLIC_BASES = {
    "openai": "https://api.openai.com/v1",
    "text-completion-openai": "https://api.openai.com/v1",
    "deepseek": "https://api.deepseek.com/v1",
    "mistral": "https://api.mistral.ai/v1",
    "groq": "https://api.groq.com/openai/v1",
    "openrouter": "https://openrouter.ai/api/v1",
    "anthropic": "https://api.anthropic.com/v1",
    "gemini": "https://generativelanguage.googleapis.com/v1beta/openai",
}
"""Where a provider's API is when nobody names another place (the providers' API references, 2026-11)."""
SELF_HOSTED = ("azure", "hosted_vllm", "vllm", "openai_like", "litellm_proxy", "ollama", "docling")
PROVIDERS = (*PUBLIC_BASES, *SELF_HOSTED)
PRICED_PROVIDERS = frozenset((*PROVIDERS, PASS_THROUGH))
"""Who can have a discount or a margin."""
_PRICED_BY_MODE = {
    "second_per_million": Mode.TRANSCRIPTION,
    "character_per_million": Mode.SPEECH,
    "image_per_million": Mode.IMAGE,
}
_MAX_INT = 2**31 - 1
_RESERVED_HEADERS = {"host", "content-length", "transfer-encoding", "connection", "authorization"}


class ModelDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A public name as it is asked for; None = keep what is there, or the default for a new one."""

    name: str
    mode: Mode | None = None
    access_groups: list[str] | None = None
    description: str | None = None
    simulated: bool | None = None
    info: dict[str, Any] | None = None


class DeploymentDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A deployment as it is asked for. ``api_key``: in clear, None = none. ``params``: as sent, without secrets."""

    provider: str
    engine_model: str
    api_base: str
    api_key: str | None = None
    extra_headers: dict[str, str] = {}
    defaults: dict[str, Any] = {}
    params: dict[str, Any] = {}
    info: dict[str, Any] = {}
    weight: int = 1
    timeout_s: float | None = None
    stream_timeout_s: float | None = None
    tls_verify: bool = True
    tls_ca: str | None = None
    max_output_tokens: int | None = None
    max_context_tokens: int | None = None
    stream_usage: bool = True
    enabled: bool = True
    rpm_limit: int | None = None
    tpm_limit: int | None = None
    max_parallel_requests: int | None = None
    cooldown_s: float | None = None
    price: Price = Price()


def check_deployment(draft: DeploymentDraft) -> DeploymentDraft:
    """The draft with its base URL in order.

    Errors: InvalidField or MissingField naming the member.
    """
    if draft.provider not in PROVIDERS:
        raise InvalidField(
            f"The provider {draft.provider!r} is not supported. Supported: {', '.join(sorted(PROVIDERS))}.", "provider"
        )
    if not draft.engine_model:
        raise MissingField("The name that the engine knows the model by is missing.", "engine_model")
    for field, low, high in (
        ("weight", 0, 1_000_000),
        ("timeout_s", 0.001, 86_400),
        ("stream_timeout_s", 0.001, 86_400),
        ("max_output_tokens", 1, _MAX_INT),
        ("max_context_tokens", 1, _MAX_INT),
    ):
        value = getattr(draft, field)
        if value is not None and not low <= value <= high:
            raise InvalidField(f"{field} must be between {low} and {high}.", field)
    for header, value in draft.extra_headers.items():
        if header.lower() in _RESERVED_HEADERS or not header.isascii() or not header.replace("-", "").isalnum():
            raise InvalidField("extra_headers names a header that cannot be set.", "extra_headers")
        if "\r" in value or "\n" in value or "\0" in value:
            raise InvalidField("A value of extra_headers holds a line break.", "extra_headers")
    if draft.api_key is not None and not all(" " <= character <= "~" for character in draft.api_key):
        raise InvalidField("api_key holds characters that a header cannot carry.", "api_key")
    if draft.tls_ca is not None:
        check_authority(draft.tls_ca)
    _check_price(draft.price)
    return msgspec.structs.replace(draft, api_base=_base_url(draft.provider, draft.api_base))


def check_authority(certificates: str) -> None:
    """Errors: InvalidField when nobody could be trusted by them."""
    try:
        ssl.create_default_context(cadata=certificates)
    except (TypeError, ValueError, ssl.SSLError):  # the first: they are not ASCII
        raise InvalidField("The certificate authority must be certificates in PEM.", "tls_ca") from None


def _check_price(price: Price) -> None:
    for field in Price.__struct_fields__:
        value = getattr(price, field)
        if value is not None and not 0 <= value < 2**63:
            raise InvalidField(f"{field} must not be negative.", field)


def check_price_fits(mode: Mode, price: Price) -> None:
    """A price that no call of the model would ever meet is a mistake. Errors: InvalidField."""
    for field, charged in _PRICED_BY_MODE.items():
        if getattr(price, field) and mode is not charged:
            raise InvalidField(
                f"{field} is only charged for models with the mode {charged.value}; this one has {mode.value}.", field
            )


def _base_url(provider: str, api_base: str) -> str:
    if not api_base:
        if provider not in PUBLIC_BASES:
            raise MissingField(f"A deployment of the provider {provider!r} needs an api_base.", "api_base")
        return PUBLIC_BASES[provider]
    wrong = InvalidField("api_base must be an http or https URL with a host, without credentials.", "api_base")
    try:
        url = urlsplit(api_base)
        port = url.port
    except ValueError:
        raise wrong from None
    odd = any(ord(character) <= 32 or ord(character) == 127 for character in api_base)
    if url.scheme not in ("http", "https") or not url.hostname or "@" in url.netloc or port == 0 or odd:
        raise wrong
    if url.query or url.fragment:
        raise InvalidField("api_base must not have a query or a fragment.", "api_base")
    path = url.path.rstrip("/")
    if provider == "ollama" and not path:
        # Ollama's own API lives at the root; the OpenAI-compatible one below /v1 (Ollama docs, openai.md, 2026-11).
        path = "/v1"
    if provider == "anthropic" and not path:
        path = "/v1"  # people name Anthropic's API by its host alone
    return f"{url.scheme}://{url.netloc}{path}"
