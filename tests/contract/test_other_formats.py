"""Do the official clients of other formats work unchanged? Against models whose engines only know chat completions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import anthropic
import openai
import pytest
from tests.contract.conftest import MakeClient

from litemaas.cli.up import demo

pytestmark = pytest.mark.slow

MODEL = demo.CHAT_MODEL
ASKED: list[anthropic.types.MessageParam] = [{"role": "user", "content": "How does a bill of lading work?"}]


@pytest.fixture(scope="module")
def claude(platform: Mapping[str, str]) -> Iterator[anthropic.Anthropic]:
    url, key = platform["LITEMAAS_GATEWAY_URL"], platform["LITEMAAS_DEMO_KEY"]
    with anthropic.Anthropic(base_url=url, api_key=key, max_retries=0) as client:
        yield client


def test_a_message_is_created(claude: anthropic.Anthropic) -> None:
    message = claude.messages.create(model=MODEL, max_tokens=12, messages=ASKED)
    assert message.content[0].type == "text"
    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 12


def test_a_message_is_streamed_and_assembled(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(model=MODEL, max_tokens=12, messages=ASKED) as stream:
        said = "".join(stream.text_stream)
        message = stream.get_final_message()
    assert message.content[0].text == said != ""
    assert message.usage.output_tokens == 12


def test_tokens_are_counted(claude: anthropic.Anthropic) -> None:
    assert claude.messages.count_tokens(model=MODEL, messages=ASKED).input_tokens > 5


def test_a_wrong_key_is_an_authentication_error(claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="sk-wrong").messages.create(model=MODEL, max_tokens=1, messages=ASKED)


@pytest.fixture
def client(client_for: MakeClient, platform: Mapping[str, str]) -> openai.OpenAI:
    return client_for(platform["LITEMAAS_DEMO_KEY"])


def test_a_response_is_created(client: openai.OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="How does a bill of lading work?", max_output_tokens=16)
    assert response.output_text
    assert response.status == "incomplete"
    assert response.usage is not None
    assert response.usage.output_tokens == 16


def test_a_response_is_streamed_and_assembled(client: openai.OpenAI) -> None:
    with client.responses.stream(model=MODEL, input="How does a bill of lading work?") as stream:
        said = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        response = stream.get_final_response()
    assert response.output_text == said != ""
    assert response.status == "completed"


def test_a_function_is_called_in_a_response(client: openai.OpenAI) -> None:
    tool: openai.types.responses.FunctionToolParam = {
        "type": "function", "name": "get_weather", "strict": False,
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }  # fmt: skip
    response = client.responses.create(
        model=MODEL, input="What is the weather in Paris?", tools=[tool], tool_choice="required"
    )
    assert [item.type for item in response.output] == ["function_call"]


def test_a_tool_is_used_in_a_message(claude: anthropic.Anthropic) -> None:
    tool: anthropic.types.ToolParam = {
        "name": "get_weather",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    with claude.messages.stream(
        model=MODEL, max_tokens=100, messages=ASKED, tools=[tool], tool_choice={"type": "any"}
    ) as stream:
        message = stream.get_final_message()
    assert message.stop_reason == "tool_use"
    assert message.content[-1].type == "tool_use"
    assert "city" in message.content[-1].input
