"""Which reference pages can be read off the code? Settings, errors, metrics and the usage record are written from it.

    python docs/generate.py            rewrites docs/reference/{settings,errors,metrics,usage-record,access}.md
                                      and docs/reference/litellm-{calls,config}.md
    python docs/generate.py --check    says which of them are out of date, and exits with 1

Names, types and defaults come from the code; the meanings stand here and in docs/meanings.py, and a name without one is an
error.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
import sys
import tempfile
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client.core import HistogramMetricFamily, SummaryMetricFamily

from litemaas.cli.up.options import Environment
from litemaas.control.app.settings import Settings as ControlSettings
from litemaas.control.http import problems
from litemaas.control.litellm_api import errors as facade
from litemaas.core import errors
from litemaas.core.answer_cache import AnswerCacheSettings
from litemaas.core.errors import LiteMaaSError
from litemaas.core.ledger import COLUMNS
from litemaas.db.tables import usage_records
from litemaas.discovery.settings import Settings as DiscoverySettings
from litemaas.gateway.app import Gateway
from litemaas.gateway.errors import PROFILES
from litemaas.gateway.metrics import BUCKETS_S, Metrics
from litemaas.gateway.settings import CallbackSettings, GatewaySettings
from litemaas.kit.settings import PREFIX
from litemaas.mcp.settings import Settings as McpSettings

sys.path.insert(0, str(Path(__file__).parent))
from access_page import access_page
from litellm_config_page import litellm_config_page
from litellm_page import litellm_page
from meanings import METRICS, SETTINGS

REFERENCE = Path(__file__).parent / "reference"
_HEAD = "<!-- Written by docs/generate.py from the code. Change it there; `python docs/generate.py` writes it anew. -->"

# -- settings -------------------------------------------------------------------------------------------------------------

_PROVIDED_BY_UP = {
    "DATABASE_URL": "embedded",
    "REDIS_URL": "embedded",
    "MASTER_KEY": "generated",
    "ENCRYPTION_KEY": "generated",
    "GATEWAY__CONTROL_URL": "its own",
}
_SETTINGS_INTRO = f"""# Settings

Every setting is an environment variable that starts with `{PREFIX}`; two underscores lead into a group:
`{PREFIX}GATEWAY__UPSTREAM__TIMEOUT_S=60` sets `gateway.upstream.timeout_s`. A process reads them once, at its start, and
ignores variables of other processes. An empty variable counts as not set. A value that cannot be read stops the process with
a message that names the variable and not the value. `litemaas check-config` says whether the environment fits both planes.

Names end with their unit: `_s` seconds, `_bytes` bytes. Flags take `true` and `false`.

The column *up* says what `litemaas up` provides where a variable is not set; without an entry it is the default.
"""


class Setting(msgspec.Struct, frozen=True):
    kind: str
    default: str


def settings_of(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, Setting]]:
    """Every leaf of a settings struct: its variable without ``LITEMAAS_``, type and default."""
    for field in msgspec.structs.fields(struct):
        name = f"{prefix}{field.name.upper()}"
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from settings_of(field.type, f"{name}__")
        else:
            yield name, Setting(_kind(field.type), _default(field))


def _kind(annotation: Any) -> str:
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(f"`{word}`" for word in typing.get_args(annotation))
    words = {str: "text", int: "whole number", float: "number", bool: "flag", Decimal: "amount of money"}
    if typing.get_origin(annotation) is typing.Annotated:
        return _kind(annotation.__origin__)
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        return _kind(next(part for part in typing.get_args(annotation) if part is not type(None)))
    return words[annotation]


def _default(field: Any) -> str:
    if field.required:
        return "**required**"
    value = field.default
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def settings_page() -> str:
    gateway, control = dict(settings_of(GatewaySettings)), dict(settings_of(ControlSettings))
    up = dict(settings_of(Environment))
    discovery, mcp = dict(settings_of(DiscoverySettings)), dict(settings_of(McpSettings))
    known = gateway | control | discovery | mcp
    _same_names(known, SETTINGS, "setting")
    if surplus := up.keys() - known.keys():
        raise SystemExit(f"litemaas up reads settings that no plane has: {', '.join(surplus)}")
    groups = {
        "Both planes": [name for name in known if name in gateway and name in control],
        "The gateway": [name for name in gateway if name not in control],
        "The control plane": [name for name in control if name not in gateway],
        "Discovery of model servers": list(discovery),
        "The MCP server": list(mcp),
    }
    parts = [_HEAD, _SETTINGS_INTRO]
    for title, names in groups.items():
        rows = [
            (f"`{PREFIX}{name}`", known[name].kind, known[name].default, _PROVIDED_BY_UP.get(name, ""), SETTINGS[name])
            for name in names
        ]
        parts.append(f"## {title}\n\n{_table(('variable', 'type', 'default', 'up', 'meaning'), rows)}")
    return "\n".join(parts)


# -- errors ---------------------------------------------------------------------------------------------------------------

ERRORS: dict[type[LiteMaaSError], str] = {
    errors.KeyMissing: "no key was sent",
    errors.KeyMalformed: "what was sent cannot be a key",
    errors.KeyUnknown: "nobody has this key (any more)",
    errors.KeyBlocked: "the administrator has blocked the key",
    errors.KeyExpired: "the key's time is over",
    errors.ModelNotAllowed: "the key may not call this model, whether it exists or not",
    errors.RouteNotAllowed: "the key may not call this path",
    errors.MasterKeyRequired: "only the master key may do this",
    errors.ClientCredentialsRefused: "the body names an upstream address or credential",
    errors.ContentRefused: "a guardrail found in the request what must not pass",
    errors.ContentJudgedUnfit: "a service that a guardrail asks does not let a text pass",
    errors.MalformedBody: "the body is no JSON object",
    errors.MissingField: "a member is missing; `param` names it",
    errors.InvalidField: "a member cannot be used as it is; `param` names it",
    errors.ModelUnknown: "no model has this name, or nothing serves it",
    errors.BodyTooLarge: "the body is larger than is taken",
    errors.PromptTooLong: "no deployment of the model takes a prompt of this length",
    errors.RequestTooSlow: "the body did not arrive in time",
    errors.AlreadyExists: "a thing of this name is there already",
    errors.NotFound: "the thing asked for is not there",
    errors.NotOffered: "clients know such an endpoint, which is not offered here",
    errors.MethodNotAllowed: "the path is called with another method, see `allow`",
    errors.BudgetExhausted: "the call does not fit into what is left of a budget",
    errors.QuotaExhausted: "the call does not fit into what is left of its subscription's quota this month",
    errors.RateLimited: "requests, tokens or parallel calls are used up, see `retry-after`",
    errors.UpstreamUnreachable: "no connection to the model server, or it broke before an answer",
    errors.UpstreamTimeout: "the model server did not answer in time",
    errors.UpstreamGarbage: "the model server's answer cannot be understood",
    errors.UpstreamDied: "the model server's answer broke off",
    errors.UpstreamRefused: "the model server answered with a status of its own, which is passed on",
    errors.NoDeploymentAvailable: "no deployment of the model can be called now",
    errors.ServiceUnavailable: "a part of the platform is away; try again",
    errors.GuardrailUnavailable: "a guardrail's service does not answer, and nothing passes without it; try again",
    errors.KeyUncheckable: "a key that is not known yet cannot be checked while the database is away; try again",
    errors.ClientGone: "the caller hung up; only the ledger sees this",
    errors.Unexpected: "a defect of the platform",
}
_ERRORS_INTRO = """# Errors

The stable name of an error is its code, in the first column; usage records keep it in `error_code`. How it is told depends on
who is asked:

- **Inference calls** on the gateway answer in OpenAI's envelope, in one of two profiles (`LITEMAAS_GATEWAY__ERROR_PROFILE`):
  `1.81` is what existing clients of LiteLLM were written against, `current` what newer ones expect.
- **Management calls** on the gateway's port (`/key/…`, `/model/…`, `/spend/…`) answer in the same envelope, always as 1.81 did.
- **The control plane's own API** (`/api/v1/admin/…`) answers RFC 9457 problems with a `code` of its own.

```json
{"error": {"message": "…", "type": "budget_exceeded", "param": null, "code": "400"}}
```

`code` is the status as text. After a stream has begun the status is already sent: the error then comes as one event with this
body, and the stream ends without `[DONE]`. A dash is `null`; *None* is this word as text, which 1.81 writes. `{key}` is the
masked key. Messages say what to do next; they hold no secret, no internal address and no SQL.
"""
_ERRORS_REMARK = """\
An error that is about one member has its name as `param`. `upstream_refused` with status 429 has the type `throttling_error`;
in the profile `current` its `code` is `context_length_exceeded` where the engine said so.
"""
_HEADERS = (
    (
        "`rate_limited`",
        "`retry-after`, `rate_limit_type` (`requests`, `tokens` or `max_parallel_requests`), `reset_at`",
    ),
    ("`no_deployment_available`, `service_unavailable`, `no_db_connection`", "`retry-after`"),
    ("`upstream_refused`", "`retry-after`, if the model server sent one"),
    ("`upstream_timeout`", "`x-litellm-timeout`: the seconds it had"),
    ("`method_not_allowed`", "`allow`"),
)


def leaves(kind: type[LiteMaaSError] = LiteMaaSError) -> Iterator[type[LiteMaaSError]]:
    """The errors that are raised; those above them only group."""
    below = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    if not below:
        yield kind
    for child in below:
        yield from leaves(child)


def errors_page() -> str:
    _same_names({kind.__name__ for kind in leaves()}, {kind.__name__ for kind in ERRORS}, "error")
    rows, management = [], []
    for kind in leaves():
        then, now = PROFILES["1.81"][kind], PROFILES["current"][kind]
        rows.append((f"`{kind.code}`", ERRORS[kind], _told(kind, *then), _told(kind, *now) if now != then else "same"))
        status, code = problems.TABLE[kind]
        management.append((f"`{kind.code}`", _told(kind, *facade.TABLE[kind]), f"{status} `{code}`"))
    return "\n".join((
        _HEAD,
        _ERRORS_INTRO,
        "## Inference calls: status, `type`, `param`\n",
        _table(("code", "what happened", "profile 1.81", "profile current"), rows),
        _ERRORS_REMARK,
        "Headers that come with an error:\n",
        _table(("code", "headers"), _HEADERS),
        "## Management\n",
        _table(("code", "on the gateway's port", "in the control plane's own API"), management),
    ))  # fmt: skip


def _told(kind: type[LiteMaaSError], status: int, type_: str | None, param: str | None) -> str:
    param = "{key}" if kind is errors.KeyExpired else param
    words = ["*None*" if word == "None" else "–" if word is None else f"`{word}`" for word in (type_, param)]
    return ", ".join([str(status) if status else "its own", *words])


# -- metrics --------------------------------------------------------------------------------------------------------------

_METRICS_INTRO = """# Metrics

`GET /metrics` on the gateway's port answers in Prometheus' text format. It needs no key unless
`LITEMAAS_GATEWAY__METRICS_NEED_KEY` is set. Several workers on one port answer as one: counters are summed, gauges carry a
label `worker` more, see [several workers](../how-to/run-several-workers.md). Counters begin with the gateway; sum over the
replicas. `route` is the path without `/v1`, `model` the public name. The simulated servers have
[metrics of their own](simulated-servers.md).
"""


def metrics_page() -> str:
    settings = GatewaySettings(
        database_url="postgresql://",
        master_key="sk-",
        encryption_key="0" * 16,
        answer_cache=AnswerCacheSettings(type="local"),
        callbacks=CallbackSettings(endpoint="http://collector"),
    )
    with tempfile.TemporaryDirectory() as state_dir:
        gateway = Gateway(msgspec.structs.replace(settings, state_dir=state_dir))
        metrics: Metrics = gateway.metrics
        gateway.journal.close()
    rows = []
    names = []
    for family in metrics.collect():
        short = family.name.removeprefix("litemaas_gateway_")
        names.append(short)
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in getattr(family, "_labelnames", ()))
        text = f"{family.documentation} {METRICS.get(short, '')}".strip()
        if isinstance(family, HistogramMetricFamily):
            name = f"{name}_bucket`, `_sum`, `_count"
        if isinstance(family, SummaryMetricFamily):
            name = f"{name}_sum`, `_count"
        rows.append((f"`{name}`", family.type, labels, text))
    _same_names(names, METRICS, "metric")
    bounds = ", ".join(f"{bound:g}" for bound in BUCKETS_S)
    table = _table(("name", "kind", "labels", "meaning"), rows)
    return "\n".join((_HEAD, _METRICS_INTRO, table, f"The buckets of histograms end at {bounds} seconds.\n"))


# -- the usage record -----------------------------------------------------------------------------------------------------

RECORD = {
    "request_id": "the call's id, UUIDv7; clients see it as `x-litellm-call-id` unless they sent an id of their own",
    "started_at": "when the call was read",
    "duration_us": "until the client could have the last byte, microseconds",
    "ttft_us": "until the answer began, microseconds; null when none did",
    "endpoint": "the endpoint that was called, like `/chat/completions`",
    "stream": "whether the client asked for a stream",
    "status": "`success`, `refused` (by us, before an upstream was called), `failure`, `cancelled` (the client left)",
    "http_status": "what the client got; 499 when it had left",
    "error_code": "see [errors](errors.md)",
    "error_message": "what the client was told, at most 500 characters",
    "key_hash": "SHA-256 of the key; `master` for the master key, empty when no key was recognised",
    "key_alias": "the key's name at that time",
    "user_id": "of the key",
    "team_id": "of the key",
    "end_user": "the body's `user`, at most 256 characters",
    "model": "the public name that was asked for",
    "deployment_id": "who served it, or was tried last",
    "provider": "of the deployment",
    "engine_model": "what the engine calls the model",
    "api_base": "of the deployment, without query and credentials",
    "engine_request_id": "the engine's own id of the call",
    "prompt_tokens": "all tokens of the prompt",
    "completion_tokens": "all tokens of the answer",
    "cached_tokens": "part of `prompt_tokens`: read from the engine's cache",
    "cache_write_tokens": "part of `prompt_tokens`: written to the engine's cache",
    "reasoning_tokens": "part of `completion_tokens`",
    "pages": "of converted documents",
    "usage_source": "who counted: `engine`, `tokenizer`, `estimate`, or `none` because nothing was used",
    "cost_nano": "nano-USD, rounded once from the exact sum",
    "input_cost_nano": "nano-USD; rounded by itself, so the two parts may differ from `cost_nano` by one",
    "output_cost_nano": "nano-USD",
    "price_version": "the price it was charged with",
    "attempts": "how many deployments were tried",
    "client_ip": "the address that connected",
    "user_agent": "at most 256 characters",
    "tags": "from the body, at most 32",
    "metadata": "`spend_logs_metadata` from the body; `units` of media, `price_terms` where a discount or margin was charged, "
    "`applied_guardrails` where texts were looked at",
    "source": "`api`, or `playground` for a call that the portal made with a person's key; a client cannot say it",
}
_RECORD_INTRO = """# The usage record

Every call to an inference endpoint leaves exactly one row in `usage_records`, also when it was refused or failed. Rows are only
added, never changed. The table has one partition per UTC day of `started_at`. Prompts and answers are not stored.
How to read it: [read the ledger](../how-to/read-the-ledger.md).

The primary key is (`request_id`, `started_at`): what is sent twice is stored once.
"""


def usage_record_page() -> str:
    _same_names(COLUMNS, RECORD, "column of the usage record")
    rows = []
    for name in COLUMNS:
        column = usage_records.columns[name]
        kind = re.sub(r"TIMESTAMP.*", "timestamptz", str(column.type.compile(dialect=_dialect()))).lower()
        rows.append((f"`{name}`", kind, "" if column.nullable else "always", RECORD[name]))
    return "\n".join((_HEAD, _RECORD_INTRO, _table(("column", "type", "set", "meaning"), rows)))


def _dialect() -> Any:
    from sqlalchemy.dialects import postgresql

    return postgresql.dialect()


# -- the chart's values ---------------------------------------------------------------------------------------------------


def chart_schema() -> str:
    """A chart value has the path of its setting."""
    spec = importlib.util.spec_from_file_location("chart_schema", REFERENCE.parents[1] / "deploy/schema.py")
    if spec is None or spec.loader is None:
        raise SystemExit("deploy/schema.py is gone")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.text())


# -- pages ----------------------------------------------------------------------------------------------------------------

PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings_page,
    "errors.md": errors_page,
    "metrics.md": metrics_page,
    "usage-record.md": usage_record_page,
    "litellm-calls.md": lambda: litellm_page(_HEAD, _table),
    "litellm-config.md": lambda: litellm_config_page(_HEAD, _table),
    "access.md": lambda: access_page(_HEAD, _table),
    "../../deploy/helm/litemaas/values.schema.json": chart_schema,
}


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _same_names(found: Iterable[str], described: Mapping[str, object] | Iterable[str], what: str) -> None:
    found, described = set(found), set(described)
    if missing := found - described:
        raise SystemExit(f"docs/generate.py says nothing of the {what} {', '.join(sorted(missing))}")
    if surplus := described - found:
        raise SystemExit(f"docs/generate.py describes a {what} that is gone: {', '.join(sorted(surplus))}")


def differences() -> str:
    """What the committed pages lack; empty when they are current."""
    found = []
    for name, write in PAGES.items():
        page = REFERENCE / name
        committed = page.read_text(encoding="utf-8") if page.exists() else ""
        lines = (text.splitlines(keepends=True) for text in (committed, write()))
        found += difflib.unified_diff(*lines, fromfile=f"docs/reference/{name}", tofile="from the code", n=0)
    return "".join(found)


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        found = differences()
        sys.stdout.write(found)
        return 1 if found else 0
    for name, write in PAGES.items():
        (REFERENCE / name).write_text(write(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
