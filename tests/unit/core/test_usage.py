"""Whatever an engine reports: do the parts stay disjoint, countable and storable?"""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from litemaas.core.engine_usage import CompletionTokensDetails, EngineUsage, PromptTokensDetails
from litemaas.core.pricing import Price, cost_of
from litemaas.core.usage import MOST_TOKENS, NOTHING, UsageSource, usage_of

counts = st.none() | st.integers(-(2**70), 2**70) | st.integers(0, 1000)
reports = st.builds(
    EngineUsage,
    prompt_tokens=counts,
    completion_tokens=counts,
    prompt_tokens_details=st.none() | st.builds(PromptTokensDetails, counts, counts),
    completion_tokens_details=st.none() | st.builds(CompletionTokensDetails, counts),
)


@given(reports)
def test_parts_never_exceed_their_whole_nor_what_a_record_holds(report: EngineUsage) -> None:
    usage = usage_of(report)
    assert 0 <= usage.cached_tokens + usage.cache_write_tokens <= usage.prompt_tokens <= MOST_TOKENS
    assert 0 <= usage.reasoning_tokens <= usage.completion_tokens <= MOST_TOKENS
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.source is UsageSource.ENGINE
    price = Price(0, 10**9, 10**9, 1, 1, 1)
    assert 0 <= cost_of(usage, price).total < 2**63


def test_a_usage_is_read_from_what_engines_send() -> None:
    raw = b'{"prompt_tokens":9,"total_tokens":20,"completion_tokens":11,"prompt_tokens_details":{"cached_tokens":4,"audio":1}}'
    usage = usage_of(msgspec.json.decode(raw, type=EngineUsage))
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens) == (9, 11, 4)
    assert NOTHING.total_tokens == 0
    assert NOTHING.source is UsageSource.NONE
