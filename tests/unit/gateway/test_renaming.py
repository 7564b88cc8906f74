"""Is only the answer's own model name replaced, whatever stands around it?"""

from __future__ import annotations

import json

import pytest

from litemaas.gateway.renaming import EngineName


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
    assert json.loads(EngineName(b'"engine"').replaced(body, "public")) == {**answer, "model": "public"}


def test_where_the_name_stood_last_is_only_a_guess() -> None:
    name = EngineName(b'"engine"')
    answers: list[dict[str, object]] = [
        {"id": "1", "model": "engine"},
        {"id": "2", "model": "engine"},
        {"id": "a longer one", "model": "engine"},
        {"i": {"model": "engine"}, "model": "engine"},
        {"i": {"model": "engine"}},
        {"id": "3", "model": "another"},
        {"id": "4", "model": "engine"},
    ]
    for answer in answers:
        body = json.dumps(answer, separators=(",", ":")).encode()
        expected = answer | {"model": "public"} if "model" in answer else answer
        assert json.loads(name.replaced(body, "public")) == expected


def test_an_answer_without_a_model_passes_untouched() -> None:
    assert EngineName(b'"engine"').replaced(b'{"data": [1.0e5]}', "public") == b'{"data": [1.0e5]}'
