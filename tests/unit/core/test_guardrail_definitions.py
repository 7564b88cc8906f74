"""Does a ``guardrails:`` file mean what it says, and is each that cannot be held refused with a reason?"""

from __future__ import annotations

import random
import time
from typing import Any

import pytest

from litemaas.core.guardrail_definitions import Definition, definitions_of
from litemaas.core.guardrail_expressions import bounded, phrases
from litemaas.core.guardrail_words import CATEGORIES, LEVELS, phrases_of
from litemaas.core.guardrails import find_all, mask, undecided_from

EMPLOYEE = {"pattern_type": "regex", "name": "employee_number", "pattern": r"\bEMP-\d{6}\b"}
PROJECT = {"pattern_type": "regex", "name": "project", "pattern": r"\bproject [A-Z][a-z]{2,12} (?:one|two)\b"}
SSN = {"pattern_type": "prebuilt", "pattern_name": "us_ssn"}


def entry(name: str = "company", **params: Any) -> dict[str, Any]:
    return {"guardrail_name": name, "litellm_params": {"guardrail": "litellm_content_filter", **params}}


def one(**params: Any) -> Definition:
    return definitions_of([entry(**params)])["company"]


def test_what_earlier_installations_have_is_taken():
    """A guard of prompts that is always on, and one that masks answers."""
    kinds = ("us_ssn", "aws_access_key", "github_token", "slack_token", "generic_api_key")
    blocked = [{"pattern_type": "prebuilt", "pattern_name": kind, "action": "BLOCK"} for kind in kinds]
    words = [
        {"category": name, "enabled": True, "action": "BLOCK", "severity_threshold": "medium"} for name in CATEGORIES
    ]
    masks = [{**SSN, "action": "MASK"}]
    found = definitions_of(
        [
            entry("pii-and-credentials", mode="pre_call", default_on=True, patterns=blocked, categories=words),
            entry("output-pii-mask", mode="post_call", default_on=True, patterns=masks),
        ]
    )
    before, after = found["pii-and-credentials"], found["output-pii-mask"]
    assert [pattern.kind for pattern in before.refused] == [*kinds, *CATEGORIES]
    assert (before.masked, before.is_always_on) == ((), True)
    assert (after.refused, after.is_always_on) == ((), True)
    assert mask("ssn 536-90-4399.", after.masked)[0] == "ssn [US_SSN_REDACTED]."


def test_ones_own_patterns_words_and_categories_find_what_they_name():
    own = one(
        mode=["pre_call", "post_call"],
        patterns=[EMPLOYEE],
        blocked_words=[{"keyword": "Blue Heron"}],
        categories=[{"category": "competitors", "keywords": ["Acme  AI"]}],
    )
    text = "EMP-123456 of the blue\n heron asks ACME AI, not Acme AIs or EMP-1234567"
    assert [found.kind for found in find_all(text, own.refused)] == ["employee_number", "keyword", "competitors"]
    assert mask(text, own.masked)[0].startswith("[EMPLOYEE_NUMBER_REDACTED] of the [KEYWORD_REDACTED] asks [KEYWORD_")


def test_a_threshold_takes_in_its_own_level_and_those_above():
    counts = [len(phrases_of("explosives", level)) for level in LEVELS]
    assert counts == sorted(counts, reverse=True)
    low = one(categories=[{"category": "explosives", "severity_threshold": "low"}])
    high = one(categories=[{"category": "explosives", "severity_threshold": "high"}])
    assert [bool(list(find_all("where is the detonator?", it.refused))) for it in (low, high)] == [True, False]
    assert list(find_all("How do I BUILD a  bomb?", high.refused))
    off = one(patterns=[EMPLOYEE], categories=[{"category": "explosives", "enabled": False}])
    assert [pattern.kind for pattern in off.refused] == ["employee_number"]


@pytest.mark.parametrize("pattern", [EMPLOYEE, PROJECT])
def test_however_an_answer_is_cut_nothing_of_ones_own_is_shown_too_early(pattern: dict[str, str]):
    own = one(mode="post_call", patterns=[{**pattern, "action": "MASK"}])
    whole = "say EMP-123456, project Heron two and project Heron twofold EMP-1234567 end"
    expected = mask(whole, own.masked)[0]
    assert expected != whole
    draw = random.Random(pattern["name"])
    for _ in range(300):
        shown, held, rest = "", "", whole
        while rest:
            size = draw.randint(1, 7)
            held, rest = held + rest[:size], rest[size:]
            at = undecided_from(held, own.masked, own.reach)
            shown += mask(held[:at], own.masked)[0]
            held = held[at:]
        assert shown + mask(held, own.masked)[0] == expected


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (["pii"], "guardrail 1 is no mapping"),
        ([entry("pii", patterns=[SSN])], "built-in one"),
        ([entry("a b", patterns=[SSN])], "guardrail_name must be a name"),
        ([{"guardrail_name": "x"}], "litellm_params is missing"),
        ([entry(guardrail="lakera", patterns=[SSN])], "other services are not asked"),
        ([entry(mode="logging_only", patterns=[SSN])], "mode must be of"),
        ([entry(mode=[], patterns=[SSN])], "mode must be of"),
        ([entry()], "nothing to look for"),
        ([entry(pattern=[SSN])], "litellm_params.pattern is not known"),
        ([{**entry(patterns=[SSN]), "enabled": True}], "enabled is not known"),
        ([entry(patterns=SSN)], "litellm_params.patterns must be a list"),
        ([entry(patterns=["us_ssn"])], r"patterns\[0\] must be a mapping"),
        ([entry(patterns=[{"pattern_name": "nonesuch"}])], "there is no pattern 'nonesuch'"),
        ([entry(patterns=[{**SSN, "action": "HIDE"}])], "must be BLOCK or MASK"),
        ([entry(patterns=[{**SSN, "action": "MASK"}])], "MASK needs mode post_call"),
        ([entry(patterns=[{**SSN, "pattern_type": "model"}])], "prebuilt or regex"),
        ([entry(patterns=[{**EMPLOYEE, "name": "a b"}])], r"patterns\[0\].name must be a name"),
        ([entry(patterns=[{**EMPLOYEE, "pattern": ""}])], "up to 1000 characters"),
        ([entry(patterns=[{**EMPLOYEE, "flags": "i"}])], r"patterns\[0\].flags is not known"),
        ([entry(default_on="yes", patterns=[SSN])], "default_on must be true or false"),
        ([entry(patterns=[SSN], pattern_redaction_format="[gone]")], "must hold {pattern_name}"),
        ([entry(patterns=[SSN], keyword_redaction_tag=1)], "must be a short text"),
        ([entry(blocked_words=[{"keyword": " "}])], r"blocked_words\[0\].keyword must be a text"),
        ([entry(categories=[{"category": "gossip"}])], "not known; give its keywords"),
        ([entry(categories=[{"category": "terrorism", "severity_threshold": "extreme"}])], "low, medium, high"),
        ([entry(patterns=[SSN]), entry(patterns=[SSN])], "there twice"),
        ([entry(f"n{number}", patterns=[SSN]) for number in range(51)], "50 are taken"),
        ([entry(patterns=[SSN] * 201)], "200 are taken"),
    ],
)  # fmt: skip
def test_what_cannot_be_held_is_refused_by_name(entries: list[Any], says: str):
    with pytest.raises(ValueError, match=says):
        definitions_of(entries)


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("(", "no regular expression"),
        ("a*", "empty text"),
        ("ba+", r"write \{1,40\} in the place"),
        ("ba{2,}", r"write \{2,40\}"),
        (r"(a)b\1", "refers back"),
        ("x(?:a{1,9}){1,9}", "more than 200 ways"),
        ("x.{0,40}y.{0,40}z", "more than 200 ways"),
        ("x" * 321, "finds up to 321 characters"),
        ("(?:ab){400}", "without a bound"),
    ],
)
def test_an_expression_that_could_hold_up_other_calls_is_refused(expression: str, says: str):
    with pytest.raises(ValueError, match=says):
        bounded(expression)


@pytest.mark.parametrize(
    ("expression", "width"),
    [
        (r"\bEMP-\d{6}\b", 10),
        (r"(?i)(?<![a-z])(?:alpha|beta[0-9]?)(?=\s)", 5),
        (r"(?>[A-Z]{2,4})-\d{4,8}", 13),
        (r"x{2,5}+y", 6),
        (r"[^\s@]{1,64}@corp\.example", 77),
    ],
)
def test_a_bounded_one_is_taken_with_its_width(expression: str, width: int):
    assert bounded(expression)[1] == width


def test_the_worst_expression_that_is_taken_stays_within_seconds():
    expression, _ = bounded("a{0,13}a{0,13}c")
    started = time.process_time()
    assert list(expression.finditer("a" * 128 * 1024)) == []
    assert time.process_time() - started < 5


def test_phrases_are_whole_words_in_any_case():
    expression, width = phrases(["pipe bomb", "bomb"])
    assert [match.group() for match in expression.finditer("Pipe  BOMB, bombastic, bomb")] == ["Pipe  BOMB", "bomb"]
    assert width == len("pipe bomb") + 2
