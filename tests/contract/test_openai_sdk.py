"""Does the official OpenAI client, unmodified, work with nothing but our URL and a key? Each test runs in sync and in async."""

from __future__ import annotations

import base64
import json
from array import array
from collections.abc import Mapping
from typing import Any

import openai
import pytest
from tests.contract.conftest import MakeClient, NewKey, chunks_of, whole

from litemaas.cli.up import demo

pytestmark = pytest.mark.slow

EMBEDDING_MODEL = "nomic-embed-text-v1.5"
MESSAGES: Any = [{"role": "user", "content": "How does a bill of lading work?"}]
WEATHER: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


async def test_models_are_listed_and_found_by_name(client: Any):
    page = await whole(client.models.list())
    assert {model.id for model in page.data} >= set(demo.MODEL_NAMES)
    assert (await whole(client.models.retrieve(demo.CHAT_MODEL))).id == demo.CHAT_MODEL


async def test_chat_answers_under_the_name_that_was_asked_for_and_says_what_it_used(client: Any):
    answer = await whole(client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES))
    assert answer.model == demo.CHAT_MODEL
    assert answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


async def test_answer_ends_where_the_client_wants_it_to(client: Any):
    answer = await whole(client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, max_tokens=3, n=2))
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    assert answer.usage.completion_tokens == 6


async def test_stream_says_the_same_as_the_whole_answer_and_shows_no_usage_unasked(client: Any):
    answer = await whole(client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES))
    chunks = await chunks_of(client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == answer.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {chunk.model for chunk in chunks} == {demo.CHAT_MODEL}
    assert [chunk for chunk in chunks if chunk.usage is not None or not chunk.choices] == []


async def test_stream_ends_with_the_usage_where_it_was_asked_for(client: Any):
    answer = await whole(client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES))
    options: Any = {"include_usage": True}
    *chunks, last = await chunks_of(
        client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, stream=True, stream_options=options)
    )
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert last.usage.total_tokens == answer.usage.total_tokens


async def test_tool_is_called_and_its_result_is_answered(client: Any):
    answer = await whole(client.chat.completions.create(model=demo.CHAT_MODEL, messages=WEATHER, tools=TOOLS))
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})

    result = {"role": "tool", "tool_call_id": call.id, "content": "18 degrees"}
    told = [*WEATHER, choice.message, result]
    answer = await whole(client.chat.completions.create(model=demo.CHAT_MODEL, messages=told, tools=TOOLS))
    assert answer.choices[0].message.content


async def test_arguments_of_a_tool_arrive_in_pieces_of_a_stream(client: Any):
    chunks = await chunks_of(
        client.chat.completions.create(model=demo.CHAT_MODEL, messages=WEATHER, tools=TOOLS, stream=True)
    )
    calls = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
    assert [call.function.name for call in calls if call.function.name] == ["get_weather"]
    assert json.loads("".join(call.function.arguments for call in calls)) == {"city": "Paris"}
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_answer_is_json_where_the_client_wants_it(client: Any):
    ask = client.chat.completions.create
    answer = await whole(ask(model=demo.CHAT_MODEL, messages=MESSAGES, response_format={"type": "json_object"}))
    assert isinstance(json.loads(answer.choices[0].message.content), dict)
    schema = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "sum", "schema": schema}}
    answer = await whole(ask(model=demo.CHAT_MODEL, messages=MESSAGES, response_format=wanted))
    assert isinstance(json.loads(answer.choices[0].message.content)["total"], int)


async def test_members_that_the_client_does_not_know_reach_the_engine_and_come_back(client: Any):
    extra = {"ignore_eos": True, "reasoning_effort": "low", "chat_template_kwargs": {"thinking": True}}
    answer = await whole(
        client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, max_tokens=40, extra_body=extra)
    )
    assert answer.usage.completion_tokens == 40
    assert answer.choices[0].message.reasoning_content
    assert answer.usage.completion_tokens_details.reasoning_tokens == 8


async def test_plain_completion_is_answered_whole_and_as_a_stream(client: Any):
    answer = await whole(client.completions.create(model=demo.CHAT_MODEL, prompt="A ship", max_tokens=8))
    chunks = await chunks_of(
        client.completions.create(model=demo.CHAT_MODEL, prompt="A ship", max_tokens=8, stream=True)
    )
    assert "".join(chunk.choices[0].text for chunk in chunks) == answer.choices[0].text != ""
    assert answer.usage.completion_tokens == 8


async def test_embedding_is_the_same_as_numbers_and_as_base64(client: Any):
    texts = ["one text", "another text"]
    ask = client.embeddings.create
    numbers = await whole(ask(model=EMBEDDING_MODEL, input=texts, encoding_format="float"))
    encoded = await whole(ask(model=EMBEDDING_MODEL, input=texts, encoding_format="base64"))
    unsaid = await whole(ask(model=EMBEDDING_MODEL, input=texts))  # the client asks for base64 and reads it
    assert [len(row.embedding) for row in numbers.data] == [768, 768]
    for row, other, read in zip(numbers.data, encoded.data, unsaid.data, strict=True):
        assert array("f", base64.b64decode(other.embedding)) == array("f", row.embedding) == array("f", read.embedding)
    assert numbers.usage.prompt_tokens == numbers.usage.total_tokens == encoded.usage.prompt_tokens > 0


async def test_call_has_an_id_that_the_client_can_read_and_choose(client: Any):
    ask = client.chat.completions.with_raw_response.create
    raw = await whole(ask(model=demo.CHAT_MODEL, messages=MESSAGES))
    other = await whole(ask(model=demo.CHAT_MODEL, messages=MESSAGES))
    assert raw.headers["x-litellm-call-id"] != other.headers["x-litellm-call-id"]
    assert raw.parse().choices
    assert float(raw.headers["x-litellm-response-cost"]) > 0
    chosen = await whole(
        ask(model=demo.CHAT_MODEL, messages=MESSAGES, extra_headers={"x-litellm-call-id": "my-own-id"})
    )
    assert chosen.headers["x-litellm-call-id"] == "my-own-id"


async def test_wrong_key_is_an_authentication_error(client: Any):
    stranger = client.with_options(api_key="sk-nobody-knows-this-one")
    with pytest.raises(openai.AuthenticationError) as caught:
        await whole(stranger.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES))
    assert (caught.value.status_code, caught.value.code) == (401, "401")
    assert (caught.value.type, caught.value.param) == ("token_not_found_in_db", "key")
    assert caught.value.response.headers["x-litellm-call-id"]
    assert "nobody-knows" not in str(caught.value)


async def test_unknown_model_is_a_bad_request(client: Any, platform: Mapping[str, str]):
    free = client.with_options(api_key=platform["LITEMAAS_MASTER_KEY"])
    for asked in (client, free):
        with pytest.raises(openai.BadRequestError) as caught:
            await whole(asked.chat.completions.create(model="no-such-model", messages=MESSAGES))
        assert (caught.value.status_code, caught.value.code) == (400, "400")
        assert "no-such-model" in str(caught.value)


async def test_model_or_path_that_is_not_there_is_a_not_found_error(client: Any):
    with pytest.raises(openai.NotFoundError):
        await whole(client.models.retrieve("no-such-model"))
    with pytest.raises(openai.NotFoundError):
        await whole(client.fine_tuning.jobs.list())


async def test_files_and_batches_say_that_they_are_not_offered(client: Any):
    for call in (client.files.list, client.batches.list):
        with pytest.raises(openai.InternalServerError) as caught:
            await whole(call())
        assert caught.value.status_code == 501
        assert "send each call by itself" in str(caught.value)


async def test_what_the_engine_refuses_comes_with_its_own_words(client: Any):
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        await whole(client.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, max_tokens=1_000_000))
    with pytest.raises(openai.BadRequestError) as caught:
        await whole(client.chat.completions.create(model=demo.CHAT_MODEL, messages="nothing that is a list"))
    assert caught.value.status_code == 400


async def test_more_requests_than_the_key_may_make_is_a_rate_limit_error_that_says_when_to_come_back(
    client: Any, new_key: NewKey
):
    limited = client.with_options(api_key=new_key(rpm_limit=2), max_retries=0)
    for _ in range(2):
        await whole(limited.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, max_tokens=1))
    with pytest.raises(openai.RateLimitError) as caught:
        await whole(limited.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, max_tokens=1))
    headers = caught.value.response.headers
    assert 1 <= int(headers["retry-after"]) <= 60
    assert headers["rate_limit_type"] == "requests"


def test_spent_budget_is_a_bad_request_that_says_so(client_for: MakeClient, new_key: NewKey):
    poor = client_for(new_key(max_budget=0))
    with pytest.raises(openai.BadRequestError) as caught:
        poor.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES)
    assert caught.value.type == "budget_exceeded"


def test_model_that_the_key_may_not_call_is_neither_listed_nor_served(client_for: MakeClient, new_key: NewKey):
    narrow = client_for(new_key(models=[EMBEDDING_MODEL]))
    assert [model.id for model in narrow.models.list()] == [EMBEDDING_MODEL]
    with pytest.raises(openai.AuthenticationError) as caught:
        narrow.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES)
    assert (caught.value.type, caught.value.param) == ("key_model_access_denied", "model")


def test_stream_that_its_reader_leaves_does_no_harm(client_for: MakeClient, new_key: NewKey):
    reader = client_for(new_key(max_parallel_requests=1))
    for _ in range(3):
        with reader.chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES, stream=True) as stream:
            next(iter(stream))
    assert reader.with_options(max_retries=5).chat.completions.create(model=demo.CHAT_MODEL, messages=MESSAGES).choices
