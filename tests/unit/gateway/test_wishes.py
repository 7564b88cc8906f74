"""Are models that a client names as fallbacks read in each of the forms that LiteLLM's clients write?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from litemaas.core.errors import InvalidField
from litemaas.gateway.bodies import read_members
from litemaas.gateway.wishes import wishes_of


def named(value: Any, asked: str | None = "granite") -> list[str] | None:
    return wishes_of(read_members(json.dumps({"context_window_fallbacks": value}).encode()), asked).context_fallbacks


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (["a", "b"], ["a", "b"]),
        ([{"model": "a", "messages": []}, "b"], ["a", "b"]),
        ([{"granite": ["a", "b"]}, {"llama": ["c"]}], ["a", "b"]),
        ([{"llama": ["c"]}], []),
        ([f"m{n}" for n in range(9)], [f"m{n}" for n in range(5)]),
    ],
)
def test_each_form_names_models(value: Any, expected: list[str] | None) -> None:
    assert named(value) == expected


@pytest.mark.parametrize(
    "value", ["a", [1], [None], [{"model": 1}], [{"granite": "a"}], [{"granite": [1]}], {"granite": ["a"]}]
)
def test_what_names_no_models_is_refused_naming_the_member(value: Any) -> None:
    with pytest.raises(InvalidField) as refused:
        named(value)
    assert refused.value.field == "context_window_fallbacks"
