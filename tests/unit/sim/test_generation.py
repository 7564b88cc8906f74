"""Is an answer cut, stopped and counted as vLLM does it?"""

from itertools import count
from typing import Any

import orjson
import pytest

from litemaas.sim.prose import Prose
from litemaas.sim.tokens import count_tokens
from litemaas.sim.vllm.generation import Generation, Generator
from litemaas.sim.vllm.prefix_cache import PrefixCache
from litemaas.sim.vllm.requests import ChatRequest

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
    },
}


def generate(said: str = "hello", limit: int = 1000, reasoning: int = 0, **members: Any) -> Generation:
    numbers = count()
    generator = Generator(Prose(), lambda: str(next(numbers)))
    request = ChatRequest(messages=[{"role": "user", "content": said}], **members)
    return generator.generate(request, said, limit, 0, None, reasoning)


def test_same_prompt_gets_the_same_answer_and_another_seed_another_one() -> None:
    assert generate().text == generate().text
    assert generate().text != generate(seed=1).text


def test_limit_cuts_the_answer_and_says_length() -> None:
    cut = generate(limit=5)
    assert (cut.tokens, cut.finish_reason) == (5, "length")
    assert generate().text.startswith(cut.text)


def test_ignore_eos_fills_the_limit() -> None:
    filled = generate(limit=300, ignore_eos=True)
    assert (filled.tokens, filled.finish_reason) == (300, "length")


def test_stop_string_is_cut_off_but_its_tokens_count() -> None:
    whole = generate().text
    stopped = generate(stop=["mula"])
    assert stopped.text == whole[: whole.index("mula")]
    assert (stopped.finish_reason, stopped.stop_reason) == ("stop", "mula")
    assert stopped.tokens >= count_tokens(stopped.text)
    shown = generate(stop="mula", include_stop_str_in_output=True)
    assert shown.text == stopped.text + "mula"


def test_stop_string_beyond_the_limit_changes_nothing() -> None:
    assert generate(limit=2, stop=["nothing of the kind"]).finish_reason == "length"


@pytest.mark.parametrize("choice", ["required", "auto"])
def test_tool_is_called_when_required_or_when_the_prompt_is_about_it(choice: str) -> None:
    called = generate("What is the weather in Paris?", tools=[WEATHER], tool_choice=choice)
    assert called.call is not None
    assert (called.call.name, called.finish_reason) == ("get_weather", "tool_calls")
    assert orjson.loads(called.text) == {"location": "Paris"}


def test_named_tool_is_called_and_ends_with_stop() -> None:
    called = generate(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "get_weather"}})
    assert called.call is not None
    assert called.finish_reason == "stop"


def test_no_tool_is_called_when_none_is_wanted_or_the_prompt_is_about_something_else() -> None:
    assert generate("weather", tools=[WEATHER], tool_choice="none").call is None
    assert generate("hello", tools=[WEATHER]).call is None


def test_tool_call_that_does_not_fit_is_cut_and_counts_what_fits() -> None:
    cut = generate("weather", tools=[WEATHER], limit=2)
    assert (cut.tokens, cut.finish_reason, cut.text) == (2, "length", "")


def test_json_is_valid_and_follows_the_schema() -> None:
    assert "answer" in orjson.loads(generate(response_format={"type": "json_object"}).text)
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert orjson.loads(generate(response_format=wanted).text) == {"n": 1}


def test_reasoning_comes_first_and_is_part_of_the_tokens() -> None:
    thought = generate(reasoning=7)
    assert (thought.reasoning_tokens, count_tokens(thought.reasoning_text)) == (7, 7)
    assert thought.tokens == 7 + count_tokens(thought.text)
    assert generate(reasoning_effort="low").reasoning_tokens == 8
    assert generate(reasoning=7, reasoning_effort="none").reasoning_tokens == 0


def test_reasoning_alone_can_fill_the_limit() -> None:
    cut = generate(reasoning=7, limit=5)
    assert (cut.tokens, cut.reasoning_tokens, cut.text, cut.finish_reason) == (5, 5, "", "length")


def test_prefix_cache_finds_whole_blocks_from_the_beginning_but_never_the_last_token() -> None:
    cache = PrefixCache()
    tokens = [str(number) for number in range(40)]
    assert cache.look_up(tokens) == 0
    assert cache.look_up(tokens) == 32
    assert cache.look_up(tokens[:32]) == 16
    assert cache.look_up(["x", *tokens]) == 0
    assert cache.look_up([*tokens[:20], "x", *tokens[20:]]) == 16


def test_full_prefix_cache_starts_again() -> None:
    cache = PrefixCache(capacity_blocks=2)
    cache.look_up(["a"] * 17)
    cache.look_up(["b"] * 17)
    cache.look_up(["c"] * 17)
    assert cache.look_up(["a"] * 17) == 0
    assert cache.share_used <= 1.0
