"""Which deployment comes first, by each strategy?"""

from __future__ import annotations

import random
from collections import Counter
from time import monotonic
from typing import Any, cast

import pytest

from litemaas.core.catalog import Deployment, Strategy, strategy_of
from litemaas.core.pricing import Price
from litemaas.gateway.call import Ask, Call
from litemaas.gateway.cooling import Condition
from litemaas.gateway.settings import RoutingSettings
from litemaas.gateway.strategies import Strategies, affinity_of, by_affinity, by_weight
from litemaas.gateway.targets import Target
from litemaas.gateway.wishes import Wishes


def target(name: str, **members: Any) -> Target:
    deployment = Deployment(
        id=name, model="m", provider="vllm", engine_model="e", api_base=f"http://{name}/v1", **members
    )
    return Target(deployment, 600.0, Condition(deployment, RoutingSettings()))


class _Request:
    def __init__(self, headers: dict[bytes, bytes] | None = None) -> None:
        self.headers = headers or {}


class _Call:
    def __init__(self, headers: dict[bytes, bytes] | None = None) -> None:
        self.request = _Request(headers)


def call(headers: dict[bytes, bytes] | None = None) -> Call:
    return cast("Call", _Call(headers))


def ask(messages: bytes = b"[]", stream: bool = False) -> Ask:
    made = Ask("m")
    made.members = {"messages": messages}
    made.stream = stream
    return made


def names(targets: list[Target]) -> list[str]:
    return [one.deployment.id for one in targets]


def order(targets: list[Target], strategy: Strategy, asked: Ask | None = None) -> list[str]:
    return names(Strategies(random.Random(7), Strategy.WEIGHTED).order(targets, strategy, call(), asked or ask()))


def test_weights_share_out_the_first_places():
    targets = [target("a", weight=3), target("b", weight=1), target("spare", weight=0)]
    draw = random.Random(1)
    first = Counter(by_weight(targets, draw)[0].deployment.id for _ in range(4000))
    assert first["spare"] == 0
    assert 2800 < first["a"] < 3200
    assert all(by_weight(targets, draw)[-1].deployment.id == "spare" for _ in range(50))


@pytest.mark.parametrize("limit", ["rpm", "tpm"])
def test_where_weights_are_equal_limits_weigh(limit: str):
    targets = [target("a", **{limit: 900}), target("b", **{limit: 100})]
    draw = random.Random(1)
    first = Counter(by_weight(targets, draw)[0].deployment.id for _ in range(2000))
    assert 1700 < first["a"] < 1900


def test_the_least_busy_comes_first_and_spares_stay_behind():
    targets = [target("a"), target("b"), target("spare", weight=0)]
    targets[0].condition.running = 3
    targets[1].condition.running = 2
    assert order(targets, Strategy.LEAST_BUSY) == ["b", "a", "spare"]


def test_the_fastest_comes_first_until_it_is_busy_and_the_unknown_is_tried():
    targets = [target("slow"), target("fast"), target("unknown")]
    targets[0].condition.answered(True, 1.0, 1, 2, monotonic())
    targets[1].condition.answered(True, 0.3, 1, 2, monotonic())
    asked = ask(stream=True)
    assert order(targets, Strategy.LATENCY, asked) == ["unknown", "fast", "slow"]
    targets[1].condition.running = 9
    assert order(targets, Strategy.LATENCY, asked) == ["unknown", "slow", "fast"]


def test_usage_and_cost_look_at_what_they_say():
    targets = [target("a", tpm=1000, price=Price(input_per_million=5)), target("b", tpm=10_000, price=Price())]
    targets[0].condition.answered(False, 0.1, 1, 500, monotonic())
    targets[1].condition.answered(False, 0.1, 1, 600, monotonic())
    assert order(targets, Strategy.USAGE) == ["b", "a"]
    assert order(targets, Strategy.COST) == ["b", "a"]


def test_the_same_text_always_has_the_same_deployment_and_few_move_when_one_goes():
    targets = [target(name) for name in "abcd"]
    texts = [b"conversation %d" % number for number in range(2000)]
    before = {text: by_affinity(targets, text)[0].deployment.id for text in texts}
    assert all(by_affinity(targets[::-1], text)[0].deployment.id == before[text] for text in texts[:100])
    shares = Counter(before.values())
    assert all(400 < shares[name] < 600 for name in "abcd")
    without = [one for one in targets if one.deployment.id != "c"]
    moved = [text for text in texts if by_affinity(without, text)[0].deployment.id != before[text]]
    assert all(before[text] == "c" for text in moved)


def test_a_busy_favourite_hands_on_to_its_next():
    targets = [target("a"), target("b")]
    favourite, other = by_affinity(targets, b"x")
    favourite.condition.running = 20
    assert names(by_affinity(targets, b"x")) == [other.deployment.id, favourite.deployment.id]
    other.condition.running = 20
    assert by_affinity(targets, b"x")[0] is favourite


def test_a_session_goes_before_the_user_and_the_user_before_the_prompt():
    asked = ask(b'[{"role":"system","content":"' + b"a" * 2000 + b'"},{"x":1}]')
    same_beginning = ask(b'[{"role":"system","content":"' + b"a" * 2000 + b'"},{"x":2}]')
    assert affinity_of(call(), asked) == affinity_of(call(), same_beginning)
    asked.end_user = "ann"
    assert affinity_of(call(), asked) == b"user:ann"
    asked.wishes = Wishes()
    asked.wishes.session = "s1"
    assert affinity_of(call(), asked) == b"session:s1"
    assert affinity_of(call({b"x-litellm-session-id": b"s2"}), asked) == b"session:s2"


def test_strategies_have_litellms_words_too():
    assert strategy_of("simple-shuffle") is Strategy.WEIGHTED
    assert strategy_of("least-busy") is Strategy.LEAST_BUSY
    assert strategy_of("usage-based-routing-v2") is Strategy.USAGE
    with pytest.raises(ValueError, match="is not a routing strategy"):
        strategy_of("at-random")
