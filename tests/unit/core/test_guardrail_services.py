"""Is a guardrail's service understood as it is written, and refused in words where it cannot be held?"""

from __future__ import annotations

from typing import Any

import pytest

from litemaas.core.guardrail_definitions import definitions_of
from litemaas.core.guardrail_services import Service, with_secrets

GENERIC = {"guardrail": "generic_guardrail_api", "mode": "pre_call", "api_base": "http://guard:8080/"}
PRESIDIO = {"guardrail": "presidio", "mode": "pre_call", "presidio_analyzer_api_base": "http://analyzer:3000"}


def service(**params: Any) -> Service:
    [definition] = definitions_of([{"guardrail_name": "asked", "litellm_params": params}]).values()
    assert definition.service is not None
    return definition.service


def test_a_generic_one_is_read_whole():
    read = service(
        **GENERIC | {"mode": ["post_call", "pre_call"]}, api_key="secret", headers={"X-Team": "blue"}, extra_headers=["X-Desk"],
        additional_provider_specific_params={"level": 3}, unreachable_fallback="fail_open", timeout=2,
    )  # fmt: skip
    assert read == Service(
        "generic_guardrail_api", ("pre_call", "post_call"), "http://guard:8080/beta/litellm_basic_guardrail_api", 2.0,
        "unreachable", (("x-team", "blue"), ("x-api-key", "secret")), ("x-desk",), b'{"level":3}',
    )  # fmt: skip


def test_an_address_that_names_the_path_is_taken_as_it_is():
    url = "https://guard/beta/litellm_basic_guardrail_api"
    assert service(**GENERIC | {"api_base": url}).url == url


def test_presidio_is_read_whole():
    read = service(
        **PRESIDIO, presidio_anonymizer_api_base="http://anonymizer:3000", presidio_language="de",
        pii_entities_config={"PERSON": "MASK", "CREDIT_CARD": "BLOCK"}, presidio_score_thresholds={"ALL": 0.5},
        output_parse_pii=False,
    )  # fmt: skip
    assert (read.url, read.anonymizer) == ("http://analyzer:3000/analyze", "http://anonymizer:3000/anonymize")
    assert read.entities == (("PERSON", "MASK"), ("CREDIT_CARD", "BLOCK"))
    assert (read.language, read.thresholds, read.opens) == ("de", (("ALL", 0.5),), "never")


@pytest.mark.parametrize(("params", "word"), [
    ({**GENERIC, "mode": "afterwards"}, "mode"),
    ({**GENERIC, "mode": []}, "mode"),
    ({**GENERIC, "api_base": "guard:8080"}, "api_base"),
    ({**GENERIC, "api_base": "http://user:word@guard"}, "user name"),
    ({**GENERIC, "api_base": "http://guard:99999"}, "api_base"),
    ({**GENERIC, "api_base": None}, "api_base"),
    ({**GENERIC, "api_key": "two\nlines"}, "api_key"),
    ({**GENERIC, "headers": {"Host": "other"}}, "Host"),
    ({**GENERIC, "headers": {"X-A": "two\r\nlines"}}, "one line"),
    ({**GENERIC, "headers": ["X-A"]}, "mapping"),
    ({**GENERIC, "extra_headers": ["Authorization"]}, "keys of callers"),
    ({**GENERIC, "extra_headers": "X-A"}, "list"),
    ({**GENERIC, "additional_provider_specific_params": []}, None),
    ({**GENERIC, "additional_provider_specific_params": [1]}, "mapping"),
    ({**GENERIC, "additional_provider_specific_params": {"a": "x" * 10_001}}, "longer"),
    ({**GENERIC, "unreachable_fallback": "open"}, "unreachable_fallback"),
    ({**GENERIC, "fail_on_error": "no"}, "fail_on_error"),
    ({**GENERIC, "timeout": 0}, "timeout"),
    ({**GENERIC, "timeout": True}, "timeout"),
    ({**GENERIC, "patterns": []}, "not known"),
    ({**PRESIDIO, "presidio_language": "German"}, "presidio_language"),
    ({**PRESIDIO, "pii_entities_config": {"PERSON": "HIDE"}}, "PERSON"),
    ({**PRESIDIO, "pii_entities_config": {}}, "mapping"),
    ({**PRESIDIO, "presidio_score_thresholds": {"ALL": 2}}, "ALL"),
    ({**PRESIDIO, "presidio_score_thresholds": [1]}, "mapping"),
    ({**PRESIDIO, "output_parse_pii": True}, "does not come back"),
    ({**PRESIDIO, "mode": "during_call"}, "too late to mask"),
    ({**PRESIDIO, "mode": "during_call", "pii_entities_config": {"A1": "BLOCK", "PERSON": "MASK"}}, "too late to mask"),
    ({**PRESIDIO, "guardrail": "lakera"}, "other services are not asked"),
])  # fmt: skip
def test_what_cannot_be_held_is_refused_in_words(params: dict[str, Any], word: str | None):
    if word is None:
        service(**params)
        return
    with pytest.raises(ValueError, match=word) as refused:
        service(**params)
    assert "word@guard" not in str(refused.value)


def test_a_failure_of_any_kind_is_passed_over_only_where_that_is_said():
    assert service(**GENERIC).opens == "never"
    assert service(**GENERIC, fail_on_error=False).opens == "any"


def test_secrets_are_changed_and_nothing_else():
    entry = {
        "guardrail_name": "a",
        "litellm_params": {**GENERIC, "api_key": "one", "headers": {"X-A": "two", "X-B": 3}},
    }
    met: list[str] = []

    def hide(which: str, value: str) -> str:
        met.append(f"{which}={value}")
        return "hidden"

    changed = with_secrets(entry, hide)["litellm_params"]
    assert met == ["api_key=one", "headers.X-A=two"]
    assert changed == {**GENERIC, "api_key": "hidden", "headers": {"X-A": "hidden", "X-B": 3}}
    assert with_secrets({"guardrail_name": "b"}, hide) == {"guardrail_name": "b"}
    words = {"guardrail_name": "c", "litellm_params": {"guardrail": "litellm_content_filter", "api_key": "odd"}}
    assert with_secrets(words, hide) == words
