"""Is only the answer's own model name replaced, whatever stands around it?"""

from __future__ import annotations

import json

import pytest

from litemaas.gateway.endpoints.openai import rename_model


@pytest.mark.parametrize(
    "answer",
    [
        {"id": "x", "model": "engine", "choices": []},
        {"choices": [{"message": {"content": 'say "model":"engine"'}}], "model": "engine"},
        {"meta": {"model": "engine"}, "model": "engine"},
        {"model": "engine", "meta": {"model": "engine"}},
        {"id": "{", "model": "engine"},
    ],
)
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_the_answers_own_model_is_renamed_and_nothing_else(
    answer: dict[str, object], separators: tuple[str, str]
) -> None:
    body = json.dumps(answer, separators=separators).encode()

    assert json.loads(rename_model(body, b'"engine"', b'"public"')) == {**answer, "model": "public"}


def test_an_answer_without_a_model_passes_untouched() -> None:
    assert rename_model(b'{"data": [1.0e5]}', b'"engine"', b'"public"') == b'{"data": [1.0e5]}'
