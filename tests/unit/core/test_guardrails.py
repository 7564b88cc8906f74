"""What do the patterns find, what do they leave, and do they take linear time and bounded memory?"""

from __future__ import annotations

import random
import re

import pytest

from litemaas.core.guardrails import GROUPS, MOST_CHARACTERS, NAMES, PATTERNS, mask, patterns_of, undecided_from

ALL = patterns_of(GROUPS)
DASHES = "-----"
FOUND = [
    ("mail a.b+c@x.example.com now", "mail [EMAIL] now"),
    ("call +1 (415) 555-0132 or (415) 555-0132", "call [PHONE] or [PHONE]"),
    ("ssn 536-90-4399.", "ssn [US_SSN]."),
    ("DE89 3704 0044 0532 0130 00 IS MINE", "[IBAN] IS MINE"),
    ("GB82WEST12345698765432", "[IBAN]"),
    ("card 4111 1111 1111 1111 12/27", "card [VISA] 12/27"),
    ("1 4111-1111-1111-1111", "1 [VISA]"),
    ("5555555555554444 2223003122003222", "[MASTERCARD] [MASTERCARD]"),
    ("378282246310005!", "[AMEX]!"),
    ("6011111111111117", "[OTHER_CARD]"),
    ("AKIA" + "IOSFODNN7EXAMPLE", "[AWS_ACCESS_KEY]"),
    ("ghp_" + "a" * 36, "[GITHUB_TOKEN]"),
    ("xoxb-" + "123456789012-abc", "[SLACK_TOKEN]"),
    ("sk-" + "abcdefghijklmnop1234", "[API_KEY]"),
    ("password: " + "correct-horse-battery", "[GENERIC_API_KEY]"),
    (DASHES + "BEGIN EC PRIVATE KEY-----\nMHc\n-----END EC PRIVATE KEY-----\nrest", "[PRIVATE_KEY]\nrest"),
    (DASHES + "BEGIN PRIVATE KEY-----\nMHc cut off", "[PRIVATE_KEY]"),
]
LEFT = [
    "on 2026-11-25 at 21:00:00 version 1.2.3",
    "4111 1111 1111 1112 is no card",
    "DE88 3704 0044 0532 0130 00 is no IBAN",
    "000-12-3456 and 666-12-3456 and 123-00-4567 are no numbers",
    "user@localhost, a@b",
    "task-12345 and desk-abcdefghijklmnopqrstuv",
    "1234567890123456",
    "the password is secret",
]


@pytest.mark.parametrize(("text", "masked"), FOUND)
def test_it_is_found_where_it_is(text: str, masked: str):
    assert mask(text, ALL)[0] == masked


@pytest.mark.parametrize("text", LEFT)
def test_what_only_looks_like_it_stays(text: str):
    assert mask(text, ALL) == (text, [])


@pytest.mark.parametrize("text", [text for text, _ in FOUND if "PRIVATE" not in text])
def test_however_a_text_is_cut_into_pieces_nothing_of_it_is_shown_too_early(text: str):
    expected = mask(f"so {text} ok", ALL)[0]
    draw = random.Random(text)
    for _ in range(200):
        shown, held, rest = "", "", f"so {text} ok"
        while rest:
            size = draw.randint(1, 7)
            held, rest = held + rest[:size], rest[size:]
            at = undecided_from(held, ALL)
            shown += mask(held[:at], ALL)[0]
            held = held[at:]
        assert shown + mask(held, ALL)[0] == expected


def test_prose_is_held_back_by_no_more_than_its_last_word():
    text = "The quick brown fox jumps over the lazy dog"
    assert text[undecided_from(text, ALL) :] == "dog"


@pytest.mark.parametrize(
    "text", ["a", "1", "4 ", "a@", "+1-", "AB12 ", "-----BEGIN ", "api_key ", "a.b@c.", "xoxb-", "sk-", "password: "]
)
def test_nothing_is_tried_twice_and_little_is_held_back(text: str):
    """Long inputs would take for ever if a pattern could be tried in many ways; the suite's time limit would tell."""
    long = text * (300_000 // len(text))
    mask(long, ALL)
    assert len(long) - undecided_from(long, ALL) <= 2 * MOST_CHARACTERS


def test_every_repetition_is_bounded():
    for name, pattern in PATTERNS.items():
        assert not re.search(r"[^\\][*+](?![^\[]*\])", pattern.expression.pattern.replace(r"\+", "")), name


def test_a_name_is_a_group_or_a_single_pattern():
    assert set(NAMES) == set(GROUPS) | set(PATTERNS)
    assert [pattern.kind for pattern in patterns_of(["cards", "visa", "email"])] == [*GROUPS["cards"], "email"]
    with pytest.raises(KeyError):
        patterns_of(["nonesuch"])
