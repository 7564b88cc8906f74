"""Are policies of failures read as LiteLLM's config.yaml writes them?"""

from __future__ import annotations

from typing import Any

import pytest

from litemaas.core.failure_policies import (
    ALLOWED_FAILS,
    RETRIES,
    Fault,
    models_of,
    object_in,
    policies_of,
    policy_of,
)


def test_every_kind_of_failure_has_its_number():
    written = {f"{fault}Retries": place for place, fault in enumerate(Fault)}
    assert policy_of(written, RETRIES) == {fault: place for place, fault in enumerate(Fault)}


def test_a_member_without_a_value_says_nothing():
    assert policy_of({"TimeoutErrorAllowedFails": None, "RateLimitErrorAllowedFails": 100}, ALLOWED_FAILS) == {
        Fault.RATE: 100
    }


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ([], "a mapping"),
        ({"RateLimitErrorAllowedFails": 1}, "there is no 'RateLimitErrorAllowedFails'"),
        ({"TimeoutErrorRetries": -1}, "from 0 to 10"),
        ({"TimeoutErrorRetries": 11}, "from 0 to 10"),
        ({"TimeoutErrorRetries": True}, "from 0 to 10"),
        ({"TimeoutErrorRetries": "2"}, "from 0 to 10"),
    ],
)
def test_a_policy_that_cannot_be_meant_says_why(written: Any, why: str):
    with pytest.raises(ValueError, match=why):
        policy_of(written, RETRIES)


def test_policies_of_models_name_the_model_that_is_wrong():
    assert policies_of({"a": {"TimeoutErrorRetries": 0}}, RETRIES) == {"a": {Fault.TIMEOUT: 0}}
    with pytest.raises(ValueError, match="b: there is no"):
        policies_of({"b": {"Timeout": 1}}, RETRIES)
    with pytest.raises(ValueError, match="a mapping of models"):
        policies_of([], RETRIES)


def test_models_are_lists_of_names():
    assert models_of({"a": ["b", "c"]}) == {"a": ("b", "c")}
    for wrong in ([], {"a": "b"}, {"a": [1]}):
        with pytest.raises(ValueError, match="must"):
            models_of(wrong)


def test_a_setting_holds_an_object_or_nothing():
    assert object_in("") == {}
    assert object_in('{"a":1}') == {"a": 1}
    with pytest.raises(ValueError, match="a JSON object"):
        object_in("{")
