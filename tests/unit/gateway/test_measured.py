"""Is the usage of an answer the answer's own, however long the answer is and whatever stands in it?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from litemaas.core.errors import UpstreamGarbage
from litemaas.gateway.measured import AnswerReader

LONG = "word " * 2000
OWN = {"prompt_tokens": 3, "completion_tokens": 5}
FALSE = {"prompt_tokens": 90, "completion_tokens": 90}


def written(**members: Any) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


def counts(body: bytes) -> tuple[int | None, int | None] | None:
    usage = AnswerReader().id_and_usage(body)[1]
    return None if usage is None else (usage.prompt_tokens, usage.completion_tokens)


@pytest.mark.parametrize("text", ["short", LONG])
@pytest.mark.parametrize(
    "members",
    [
        {"usage": OWN},
        {"usage": OWN, "service_tier": None, "details": {"a": [1, {"b": 2}]}},
        {"details": {"usage": FALSE}, "usage": OWN},
        {"usage": OWN, "details": {"usage": FALSE}},
        {"usage": OWN, "list": [{"usage": FALSE}]},
        {"usage": OWN, "words": ["usage"]},
        {"usage": OWN, "text": '"usage":{"prompt_tokens":90}}'},
    ],
)
def test_the_answers_own_usage_is_read(text: str, members: dict[str, Any]):
    for body in (
        written(id="chat-1", choices=[{"text": text}], **members),
        json.dumps({"id": "chat-1", "choices": [{"text": text}], **members}, indent=2).encode(),
    ):
        assert counts(body) == (3, 5)
        assert AnswerReader().id_and_usage(body)[0] == "chat-1"


@pytest.mark.parametrize("text", ["short", LONG])
def test_usage_of_something_within_the_answer_is_not_the_answers(text: str):
    for within in ({"choices": [{"text": text, "usage": FALSE}]}, {"text": text, "deep": {"usage": FALSE}}):
        assert counts(written(id="chat-1", **within)) is None
        assert counts(written(id="chat-1", **within, usage=None)) is None


@pytest.mark.parametrize("name", ["chät-1", 'with "quotes" and \\', "", 17, None])
@pytest.mark.parametrize("text", ["short", LONG])
def test_ids_are_what_the_engine_wrote_or_nothing(name: Any, text: str):
    for ascii_only in (True, False):
        body = json.dumps({"id": name, "text": text, "usage": OWN}, separators=(",", ":"), ensure_ascii=ascii_only)
        found, usage = AnswerReader().id_and_usage(body.encode())
        assert found == (name if isinstance(name, str) else None)
        assert usage is not None


@pytest.mark.parametrize("body", [b"", b"not json", b"[1]", b'{"id":"x', b'{"id":"x","text":"' + LONG.encode() + b'"'])
def test_what_is_no_json_object_is_refused(body: bytes):
    with pytest.raises(UpstreamGarbage):
        AnswerReader().id_and_usage(body)


def test_unreadable_usage_is_none_and_the_id_is_kept():
    assert AnswerReader().id_and_usage(written(id="chat-1", text=LONG, usage={"prompt_tokens": "many"})) == (
        "chat-1",
        None,
    )


def test_where_something_stood_last_is_only_a_guess() -> None:
    reader = AnswerReader()
    answers: list[dict[str, Any]] = [
        {"id": "1", "usage": OWN},
        {"id": "2", "usage": OWN},
        {"id": "a longer one", "usage": {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}},
        {"id": "2", "text": "x", "usage": OWN},
        {"id": 'a"longe', "usage": OWN},
        {"id": "3", "list": [{"usage": OWN}]},
        {"id": "", "usage": OWN},
        {"usage": OWN},
        {"id": "4", "usage": OWN},
    ]
    for answer in answers:
        name, usage = reader.id_and_usage(written(**answer))
        assert name == answer.get("id")
        assert (usage is not None and usage.prompt_tokens == 3) is ("usage" in answer)
