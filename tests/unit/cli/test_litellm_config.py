"""Is LiteLLM's config.yaml read as the gateway-api contract 7 says?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from litemaas.cli.litellm_config import ConfigRefused, LitellmConfig, read_config
from litemaas.cli.litellm_extras import WantedRouting

CONTRACT = """
model_list:
  - model_name: granite
    litellm_params: {model: openai/granite-3, api_base: "http://engine:8000/v1", api_key: os.environ/ENGINE_KEY, rpm: 60}
    model_info: {mode: chat, access_groups: [workshop], max_tokens: 4096}
general_settings: {master_key: os.environ/LITELLM_MASTER_KEY, database_url: os.environ/DATABASE_URL}
"""
ENVIRON = {
    "ENGINE_KEY": "engine-secret", "LITELLM_MASTER_KEY": "sk-master-0123456789", "DATABASE_URL": "postgresql://h/d"
}  # fmt: skip
FILTER = "{guardrail_name: g, litellm_params: {guardrail: litellm_content_filter, "


def read(folder: Path, text: str, **environ: str) -> LitellmConfig:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return read_config(path, ENVIRON | environ)


def test_the_example_of_the_contract_is_read_and_its_references_are_replaced(tmp_path: Path):
    config = read(tmp_path, CONTRACT)
    [model] = config.models
    assert model["litellm_params"]["api_key"] == "engine-secret"
    assert model["model_info"]["access_groups"] == ["workshop"]
    assert config.environ == {
        "LITEMAAS_MASTER_KEY": "sk-master-0123456789", "LITEMAAS_DATABASE_URL": "postgresql://h/d"
    }  # fmt: skip
    assert config.warnings == []


def test_a_variable_that_is_not_set_is_named_with_its_key_and_no_secret(tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_text(CONTRACT, encoding="utf-8")
    with pytest.raises(ConfigRefused) as refused:
        read_config(path, {"ENGINE_KEY": "engine-secret"})
    told = str(refused.value)
    assert "general_settings.master_key" in told
    assert "LITELLM_MASTER_KEY" in told
    assert "DATABASE_URL" in told
    assert "engine-secret" not in told


def test_settings_are_translated_and_what_is_not_taken_is_named(tmp_path: Path):
    text = """
    litellm_settings: {num_retries: 1, drop_params: true}
    router_settings: {routing_strategy: least-busy, num_retries: 3, disable_cooldowns: true, set_verbose: true}
    general_settings: {max_request_size_mb: 2, cors_allow_origins: ["https://a", "https://b"], proxy_batch_write_at: 10}
    mcp_servers: {}
    """
    config = read(tmp_path, text)
    assert config.environ == {
        "LITEMAAS_GATEWAY__ROUTING__RETRIES": "3", "LITEMAAS_GATEWAY__ROUTING__STRATEGY": "least-busy",
        "LITEMAAS_GATEWAY__ROUTING__COOLDOWNS": "false", "LITEMAAS_GATEWAY__MAX_BODY_BYTES": "2097152",
        "LITEMAAS_GATEWAY__CORS_ORIGINS": "https://a,https://b",
        "LITEMAAS_GATEWAY__ROUTING__ALLOWED_FAILURES_ALONE": "3",
    }  # fmt: skip
    assert [warning.split()[0] for warning in config.warnings] == [
        "general_settings.proxy_batch_write_at", "litellm_settings.drop_params", "router_settings.set_verbose", "mcp_servers"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("model_list: [{model_name: a, litellm_params: {model: bedrock/x}}]", "model_list[0].litellm_params.model"),
        ("model_list: [{model_name: a, litellm_params: {model: openai/x, mock_response: hi}}]", "mock_response"),
        ("model_list: [{model_name: a}]", "model_list[0]"),
        ("model_list: {}\nrouter_settings: {routing_strategy: mine}", "router_settings.routing_strategy"),
        ("general_settings: {custom_auth: mine.auth}", "general_settings.custom_auth"),
        ("general_settings: {database_url: 'mysql://h/d'}", "general_settings.database_url"),
        ("litellm_settings: {ssl_verify: false}", "litellm_settings.ssl_verify"),
        ("litellm_settings: [1]", "litellm_settings"),
        ("- a", "config.yaml"),
        ("litellm_settings: {callbacks: [prometheus, custom_callbacks.handler]}", "litellm_settings.callbacks"),
        ("litellm_settings: {success_callback: mine.log}", "litellm_settings.success_callback"),
        ("litellm_settings: {cache: true, cache_params: {type: qdrant-semantic}}", "litellm_settings.cache_params"),
        ("general_settings: {strict_config: true, alerting: [slack]}", "general_settings.alerting"),
        ("general_settings: {strict_config: true}\nmcp_servers: {}", "mcp_servers"),
        ("credential_list: [{credential_name: a}]", "credential_list[0]"),
        ("credential_list: {}", "credential_list: must be a list"),
        ("router_settings: {fallbacks: [a]}", "router_settings.fallbacks[0]"),
        ("router_settings: {fallbacks: [{'*': [a]}]}", "litellm_settings.default_fallbacks"),
        ("litellm_settings: {context_window_fallbacks: [{a: [1]}]}", "litellm_settings.context_window_fallbacks[0].a"),
        ("litellm_settings: {fallbacks: [{a: [b, c, d, e, f, g]}]}", "at most 5"),
        ("router_settings: {model_group_alias: {a: {hidden: true}}}", "router_settings.model_group_alias.a"),
        ("guardrails: [{guardrail_name: g, litellm_params: {guardrail: lakera}}]", "guardrails[0]"),
        (
            "guardrails: [{guardrail_name: g, litellm_params: {guardrail: presidio, mode: pre_call}}]",
            "analyzer_api_base",
        ),
        ("guardrails: [{guardrail_name: g, litellm_params: {guardrail: generic_guardrail_api}}]", "mode"),
        (f"guardrails: [{FILTER}patterns: [{{pattern_type: regex, pattern: x}}]}}}}]", "patterns[0]"),
        (f"guardrails: [{FILTER}patterns: [{{pattern_type: prebuilt, pattern_name: terrorism}}]}}}}]", "patterns[0]"),
        (f"guardrails: [{FILTER}blocked_words: [{{keyword: 7}}]}}}}]", "blocked_words"),
        (f"guardrails: [{FILTER}mode: pre_call}}}}]", "nothing to look for"),
        ("litellm_settings: {max_budget: much}", "litellm_settings.max_budget"),
        ("litellm_settings: {max_budget: true}", "litellm_settings.max_budget"),
        ("litellm_settings: {max_budget: .inf}", "litellm_settings.max_budget"),
        ("litellm_settings: {max_budget: 1, budget_duration: soon}", "litellm_settings.budget_duration"),
        ("litellm_settings: {max_end_user_budget: -1}", "litellm_settings.max_end_user_budget"),
        ("general_settings: {global_max_parallel_requests: 1.5}", "general_settings.global_max_parallel_requests"),
        ("a: [", "not valid YAML in line"),
        ("include: [config.yaml]", "circle"),
        ("include: [none.yaml]", "none.yaml cannot be read"),
    ],
)
def test_what_cannot_work_stops_the_start_and_is_named(tmp_path: Path, text: str, named: str):
    with pytest.raises(ConfigRefused) as refused:
        read(tmp_path, text)
    assert named in str(refused.value)


def test_credentials_fallbacks_and_aliases_are_read(tmp_path: Path):
    text = """
    credential_list:
      - {credential_name: hub, credential_info: {team: a}, credential_values: {api_key: os.environ/ENGINE_KEY}}
    litellm_settings:
      fallbacks: [{granite: [other]}]
      context_window_fallbacks: [{granite: [long]}, {llama: long}]
      default_fallbacks: [last, llama]
      timezone: Europe/Berlin
    router_settings:
      fallbacks: [{granite: [llama]}]
      model_group_alias: {gpt-4o: granite, gpt-4: {model: granite, hidden: true}}
    """
    config = read(tmp_path, text)
    assert config.credentials == [
        {"credential_name": "hub", "credential_info": {"team": "a"}, "credential_values": {"api_key": "engine-secret"}}
    ]
    assert config.routing == {
        "granite": WantedRouting(["llama"], ["long"], ["gpt-4o", "gpt-4"]), "llama": WantedRouting([], ["long"])
    }  # fmt: skip
    assert config.environ == {
        "LITEMAAS_TIMEZONE": "Europe/Berlin", "LITEMAAS_GATEWAY__ROUTING__DEFAULT_FALLBACKS": "last,llama"
    }  # fmt: skip
    assert config.warnings == []


def test_guardrails_that_are_on_hold_for_every_call_and_others_are_named(tmp_path: Path):
    ssn, card = (f"{{pattern_type: prebuilt, pattern_name: {name}, action: BLOCK}}" for name in ("us_ssn", "visa"))
    text = f"""
    guardrails:
      - {FILTER}default_on: true, mode: pre_call, patterns: [{ssn}, {card}]}}}}
      - {FILTER}patterns: [{card}]}}}}
    """
    config = read(tmp_path, text)
    assert config.environ == {"LITEMAAS_GATEWAY__GUARDRAILS": "us_ssn,visa"}
    assert config.warnings == ["guardrails[1] is asked for by the names of its patterns: visa."]


def test_guardrails_of_ones_own_are_for_the_settings(tmp_path: Path):
    own = f"{FILTER}mode: pre_call, blocked_words: [{{keyword: Falcon, action: BLOCK}}]}}}}"
    config = read(tmp_path, f"guardrails: [{own}]")
    assert [one["guardrail_name"] for one in config.guardrails] == ["g"]
    assert (config.environ, config.warnings) == ({}, [])


def test_guardrails_that_ask_a_service_are_for_the_settings_with_their_variables_read(tmp_path: Path):
    text = """
    guardrails:
      - guardrail_name: safety
        litellm_params:
          {guardrail: generic_guardrail_api, mode: during_call, api_base: "http://guard:8080", api_key: os.environ/GUARD_KEY}
      - {guardrail_name: names, litellm_params: {guardrail: presidio, mode: pre_call, default_on: true}}
    """
    config = read(tmp_path, text, GUARD_KEY="secret", PRESIDIO_ANALYZER_API_BASE="http://analyzer:3000")
    assert [one["litellm_params"].get("api_key") for one in config.guardrails] == ["secret", None]
    assert config.guardrails[1]["litellm_params"]["presidio_analyzer_api_base"] == "http://analyzer:3000"
    assert (config.environ, config.warnings) == ({}, [])


SLACK = "https://hooks.slack.com/services/T/B/x"


def test_alerts_of_budgets_become_webhooks_and_the_others_are_named(tmp_path: Path):
    text = "general_settings: {alerting: [slack, webhook], alert_types: [budget_alerts]}"
    config = read(tmp_path, text, SLACK_WEBHOOK_URL=SLACK, WEBHOOK_URL="https://hooks/x")
    events = ["budget.reached", "budget.soft"]
    assert config.webhooks == [{"url": SLACK, "events": events}, {"url": "https://hooks/x", "events": events}]
    assert config.warnings == []
    config = read(tmp_path, "general_settings: {alerting: slack, alerting_threshold: 300}", ALERTING_WEBHOOK_URL=SLACK)
    assert [one["url"] for one in config.webhooks] == [SLACK]
    assert [("only budgets are told" in one or "alerting_threshold" in one) for one in config.warnings] == [True, True]


@pytest.mark.parametrize(("alerting", "environ", "says"), [
    ("[slack]", {}, "needs SLACK_WEBHOOK_URL or ALERTING_WEBHOOK_URL"),
    ("[webhook]", {"WEBHOOK_URL": "http://hooks/x"}, "https"),
    ("[pagerduty]", {}, "pagerduty is not told"),
    ("[slack]\n  alert_types: [llm_too_slow]", {"SLACK_WEBHOOK_URL": SLACK}, "only budgets"),
])  # fmt: skip
def test_alerts_without_effect_are_only_named(tmp_path: Path, alerting: str, environ: dict[str, str], says: str):
    config = read(tmp_path, f"general_settings:\n  alerting: {alerting}", **environ)
    assert (config.webhooks, says in config.warnings[-1]) == ([], True), config.warnings


def test_alerting_must_be_names(tmp_path: Path):
    with pytest.raises(ConfigRefused, match=r"general_settings\.alerting"):
        read(tmp_path, "general_settings: {alerting: [1]}")


GENERIC = """
litellm_settings: {success_callback: [prometheus, logs]}
callback_settings:
  logs:
    {callback_type: generic_api, endpoint: "http://logs/in", headers: {Authorization: os.environ/LOGS_KEY}, log_format: ndjson}
"""


def test_a_callback_to_an_endpoint_is_told_of_what_it_asked_for(tmp_path: Path):
    config = read(tmp_path, GENERIC, LOGS_KEY="Bearer abc")
    assert config.environ == {
        "LITEMAAS_CALLBACKS__ENDPOINT": "http://logs/in", "LITEMAAS_CALLBACKS__HEADERS": "Authorization=Bearer abc",
        "LITEMAAS_CALLBACKS__EVENTS": "success", "LITEMAAS_CALLBACKS__FORMAT": "ndjson",
    }  # fmt: skip
    assert config.warnings == []


def test_callbacks_find_their_addresses_in_litellms_variables(tmp_path: Path):
    environ = {
        "GENERIC_LOGGER_ENDPOINT": "http://logs/in", "GENERIC_LOGGER_HEADERS": "X-A=1", "LANGFUSE_PUBLIC_KEY": "pk",
        "LANGFUSE_SECRET_KEY": "sk", "LANGFUSE_HOST": "http://langfuse", "OTEL_HEADERS": "Authorization=Bearer%20abc",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/v1/traces",
    }  # fmt: skip
    config = read(tmp_path, "litellm_settings: {callbacks: [otel, langfuse, generic_api]}", **environ)
    assert config.environ == {
        "LITEMAAS_CALLBACKS__ENDPOINT": "http://logs/in", "LITEMAAS_CALLBACKS__HEADERS": "X-A=1",
        "LITEMAAS_CALLBACKS__EVENTS": "success,failure", "LITEMAAS_CALLBACKS__FORMAT": "json_array",
        "LITEMAAS_CALLBACKS__LANGFUSE_PUBLIC_KEY": "pk", "LITEMAAS_CALLBACKS__LANGFUSE_SECRET_KEY": "sk",
        "LITEMAAS_CALLBACKS__LANGFUSE_EVENTS": "success,failure", "LITEMAAS_CALLBACKS__LANGFUSE_HOST": "http://langfuse",
        "LITEMAAS_TRACING__ENDPOINT": "http://collector:4318", "LITEMAAS_TRACING__HEADERS": "Authorization=Bearer abc",
    }  # fmt: skip
    assert config.warnings == []


@pytest.mark.parametrize(("written", "environ", "says"), [
    ("callbacks: [langfuse]", {}, "needs LANGFUSE_PUBLIC_KEY"),
    ("callbacks: generic_api", {}, "has no endpoint"),
    ("callbacks: [otel]", {}, "needs OTEL_EXPORTER_OTLP_ENDPOINT"),
    ("callbacks: [otel]", {"OTEL_ENDPOINT": "http://c", "OTEL_EXPORTER": "otlp_grpc"}, "over HTTP only"),
    ("callbacks: [datadog]", {}, "datadog is not offered"),
    (("failure_callback: [logs]}\ncallback_settings: {logs: {callback_type: generic_api, endpoint: 'http://x', "
     "event_types: [llm_api_success]}"), {}, "asks for no event"),
])  # fmt: skip
def test_callbacks_without_effect_are_only_named(tmp_path: Path, written: str, environ: dict[str, str], says: str):
    config = read(tmp_path, f"litellm_settings: {{{written}}}", **environ)
    assert (len(config.warnings), says in config.warnings[0], config.environ) == (1, True, {})


@pytest.mark.parametrize(("written", "says"), [
    ("litellm_settings: {callbacks: [7]}", "litellm_settings.callbacks"),
    (("litellm_settings: {callbacks: [a, b]}\ncallback_settings: {a: {callback_type: generic_api, endpoint: 'http://a'}, "
     "b: {callback_type: generic_api, endpoint: 'http://b'}}"), "one generic_api"),
    (("litellm_settings: {callbacks: [a]}\ncallback_settings: {a: {callback_type: generic_api, endpoint: 'http://a', "
     "headers: {X: 'a,b'}}}"), "comma"),
    (("litellm_settings: {callbacks: [a]}\ncallback_settings: {a: {callback_type: generic_api, endpoint: 'http://a', "
     "event_types: [all]}}"), "event_types"),
])  # fmt: skip
def test_callbacks_that_cannot_be_meant_stop_the_start(tmp_path: Path, written: str, says: str):
    with pytest.raises(ConfigRefused, match=says):
        read(tmp_path, written)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("cache: true", {"TYPE": "valkey"}),
        ("cache: false, cache_params: {type: local}", {}),
        ("cache: true, cache_params: {type: local, default_in_memory_ttl: 30}", {"TYPE": "local", "TTL_S": "30"}),
        (
            "cache: true, cache_params: {type: redis, host: keys, port: 6380, password: p@ss, ssl: true, ttl: 60}",
            {"TYPE": "valkey", "URL": "rediss://:p%40ss@keys:6380", "TTL_S": "60"},
        ),
        (
            "cache: true, cache_params: {mode: default_off, namespace: lab, supported_call_types: [acompletion, aembedding]}",
            {"TYPE": "valkey", "NAMESPACE": "lab", "ON_REQUEST": "true", "ROUTES": "/chat/completions,/embeddings"},
        ),
    ],
)
def test_a_cache_of_answers_is_taken_over(tmp_path: Path, written: str, expected: dict[str, str]):
    config = read(tmp_path, f"litellm_settings: {{{written}}}")
    assert config.environ == {f"LITEMAAS_ANSWER_CACHE__{name}": value for name, value in expected.items()}
    assert config.warnings == []


def test_members_of_a_cache_that_have_no_effect_are_named(tmp_path: Path):
    params = "{type: local, similarity_threshold: 0.8, supported_call_types: [acompletion, atranscription]}"
    config = read(tmp_path, f"litellm_settings: {{cache: true, cache_params: {params}}}")
    assert [warning.partition(":")[0].split()[0].rpartition(".")[2] for warning in config.warnings] == [
        "similarity_threshold", "supported_call_types",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "params", ["{mode: maybe}", "{supported_call_types: acompletion}", "{supported_call_types: [x]}", "[]"]
)
def test_a_cache_that_cannot_be_meant_stops_the_start(tmp_path: Path, params: str):
    with pytest.raises(ConfigRefused, match="cache_params"):
        read(tmp_path, f"litellm_settings: {{cache: true, cache_params: {params}}}")


def test_included_files_are_merged(tmp_path: Path):
    (tmp_path / "models.yaml").write_text(CONTRACT, encoding="utf-8")
    text = """
    include: [models.yaml]
    model_list: [{model_name: llama, litellm_params: {model: hosted_vllm/llama, api_base: "http://b:1/v1"}}]
    general_settings: {master_key: sk-another-0123456789}
    """
    config = read(tmp_path, text)
    assert [model["model_name"] for model in config.models] == ["granite", "llama"]
    assert config.environ["LITEMAAS_MASTER_KEY"] == "sk-another-0123456789"


def test_an_empty_file_is_no_error(tmp_path: Path):
    empty: Any = read(tmp_path, "")
    assert (empty.models, empty.environ, empty.warnings) == ([], {}, [])


def test_budgets_of_everything_and_of_customers_are_read(tmp_path: Path):
    text = """
    litellm_settings: {max_budget: 250.5, budget_duration: 30d, max_end_user_budget: "0.25"}
    general_settings: {global_max_parallel_requests: 40}
    """
    config = read(tmp_path, text)
    assert config.budgets == {
        "installation/all": {
            "max_budget_nano": 250_500_000_000, "budget_duration": "30d", "max_parallel_requests": 40
        },
        "customer/*": {"max_budget_nano": 250_000_000},
    }  # fmt: skip
    assert config.warnings == []
    assert read(tmp_path, "litellm_settings: {budget_duration: 30d}").budgets == {}


def test_budgets_of_tags_are_read(tmp_path: Path):
    text = (
        "litellm_settings: {tag_budget_config: {thesis: {max_budget: 0.5, budget_duration: 1d}, lab: {max_budget: 2}}}"
    )
    assert read(tmp_path, text).budgets == {
        "tag/thesis": {"max_budget_nano": 500_000_000, "budget_duration": "1d"}, "tag/lab": {"max_budget_nano": 2 * 10**9},
    }  # fmt: skip


@pytest.mark.parametrize(
    "written", ["[]", "{a: 5}", "{a: {}}", "{a: {max_budget: -1}}", "{a: {max_budget: 1, rpm: 3}}"]
)
def test_a_budget_of_a_tag_that_cannot_be_meant_stops_the_start(tmp_path: Path, written: str):
    with pytest.raises(ConfigRefused, match="tag_budget_config"):
        read(tmp_path, f"litellm_settings: {{tag_budget_config: {written}}}")


def test_budgets_of_providers_are_read_in_both_spellings(tmp_path: Path):
    text = """
    router_settings:
      provider_budget_config:
        openai: {budget_limit: 0.5, time_period: 1d}
        mistral: {max_budget: 3, budget_duration: 30d}
    """
    assert read(tmp_path, text).budgets == {
        "provider/openai": {"max_budget_nano": 500_000_000, "budget_duration": "1d"},
        "provider/mistral": {"max_budget_nano": 3 * 10**9, "budget_duration": "30d"},
    }
    with pytest.raises(ConfigRefused, match=r"provider_budget_config\.openai: needs budget_limit"):
        read(tmp_path, "router_settings: {provider_budget_config: {openai: {time_period: 1d}}}")


def test_what_is_done_here_in_any_case_is_not_named(tmp_path: Path):
    text = """
    general_settings: {store_model_in_db: true}
    litellm_settings: {json_logs: true, turn_off_message_logging: true, callbacks: [prometheus]}
    router_settings: {optional_pre_call_checks: [enforce_model_rate_limits]}
    """
    config = read(tmp_path, text)
    assert (config.environ, config.warnings) == ({}, [])
    assert read(tmp_path, "litellm_settings: {json_logs: false}").warnings


def test_the_budget_of_customers_without_one_is_a_setting(tmp_path: Path):
    config = read(tmp_path, "litellm_settings: {max_end_user_budget_id: usual}")
    assert (config.environ, config.warnings) == ({"LITEMAAS_GATEWAY__BUDGETS__CUSTOMER_BUDGET_ID": "usual"}, [])


def test_by_what_activity_tells_models_apart_is_a_setting(tmp_path: Path):
    config = read(tmp_path, "general_settings: {activity_model_key: upstream}")
    assert (config.environ, config.warnings) == ({"LITEMAAS_CONTROL__ACTIVITY_MODEL_KEY": "upstream"}, [])
    with pytest.raises(ConfigRefused, match=r"activity_model_key: must be public or upstream\."):
        read(tmp_path, "general_settings: {activity_model_key: engine}")


def test_rules_of_keys_limits_and_records_are_settings(tmp_path: Path):
    text = """
    general_settings:
      allowed_routes: [llm_api_routes, /key/info]
      token_rate_limit_type: output
      user_budget_on_team_keys: true
      enforce_key_permissions: true
      maximum_spend_logs_retention_period: 720h
      user_header_mappings: [{header_name: X-Person, litellm_user_role: customer}]
    router_settings: {enable_tag_filtering: true, redis_host: keys, redis_port: 6380, redis_password: "a b"}
    """
    config = read(tmp_path, text)
    assert config.environ == {
        "LITEMAAS_GATEWAY__ALLOWED_ROUTES": "llm_api_routes,/key/info",
        "LITEMAAS_REDIS_URL": "redis://:a%20b@keys:6380", "LITEMAAS_GATEWAY__RATES__TOKENS": "output",
        "LITEMAAS_GATEWAY__BUDGETS__USER_ON_TEAM_KEYS": "true", "LITEMAAS_GATEWAY__ENFORCE_KEY_PERMISSIONS": "true",
        "LITEMAAS_CONTROL__RECORDS_KEPT_DAYS": "30", "LITEMAAS_GATEWAY__USER_HEADER": "X-Person",
        "LITEMAAS_GATEWAY__ROUTING__TAG_FILTERING": "true",
    }  # fmt: skip
    assert config.warnings == []


@pytest.mark.parametrize(
    "wrong",
    ["admin_only_routes: [/v1/rerank]", "token_rate_limit_type: some", "maximum_spend_logs_retention_period: long",
     "user_header_mappings: [{header_name: X, litellm_user_role: internal_user}]", "user_header_mappings: [X]"],
)  # fmt: skip
def test_rules_that_cannot_be_meant_stop_the_start(tmp_path: Path, wrong: str):
    with pytest.raises(ConfigRefused, match=wrong.partition(":")[0]):
        read(tmp_path, f"general_settings: {{{wrong}}}")


ROUTES = """
general_settings:
  pass_through_endpoints:
    - path: /search/v2
      target: os.environ/SEARCH_URL
      headers: {Authorization: "Bearer os.environ/ENGINE_KEY", n: 1}
      default_query_params: {key: os.environ/ENGINE_KEY}
      cost_per_request: 0.0025
      auth: true
"""


def test_routes_of_ones_own_are_taken_with_references_within_their_texts(tmp_path: Path):
    config = read(tmp_path, ROUTES, SEARCH_URL="https://search.example.org")
    assert config.pass_through == [{
        "path": "/search/v2", "target": "https://search.example.org", "cost_per_request": 0.0025, "auth": True,
        "headers": {"Authorization": "Bearer engine-secret", "n": 1}, "default_query_params": {"key": "engine-secret"},
    }]  # fmt: skip
    assert config.warnings == []


@pytest.mark.parametrize(
    ("routes", "problem"),
    [
        ("5", "pass_through_endpoints: must be a list."),
        ("[{path: /x}]", "pass_through_endpoints[0]: needs path and target."),
        ("[{path: /v1/rerank, target: 'http://x'}]", "[0].path: path must not begin with /v1"),
        ("[{path: /x, target: 'http://x', guardrails: [pii]}]", "[0].guardrails: not offered"),
        (
            "[{path: /x, target: 'http://x', headers: {a: Bearer os.environ/ABSENT}}]",
            "headers.a: the variable ABSENT is not set",
        ),
    ],
)
def test_a_route_that_would_not_work_stops_the_start(tmp_path: Path, routes: str, problem: str):
    with pytest.raises(ConfigRefused) as refused:
        read(tmp_path, f"general_settings: {{pass_through_endpoints: {routes}}}")
    assert problem in str(refused.value)


def test_a_variable_that_is_not_set_is_named_once(tmp_path: Path):
    with pytest.raises(ConfigRefused) as refused:
        read(tmp_path, ROUTES)
    assert str(refused.value).count("SEARCH_URL") == 1


def test_discounts_and_margins_are_taken_and_what_cannot_be_meant_stops_the_start(tmp_path: Path):
    good = "litellm_settings: {cost_discount_config: {openai: 0.05}, cost_margin_config: {global: 0.1}}"
    config = read(tmp_path, good)
    assert config.price_terms == {"cost_discount_config": {"openai": 0.05}, "cost_margin_config": {"global": 0.1}}
    assert config.warnings == []
    with pytest.raises(ConfigRefused, match=r"cost_discount_config: there is no provider 'vertex_ai'"):
        read(tmp_path, "litellm_settings: {cost_discount_config: {vertex_ai: 0.05}}")
