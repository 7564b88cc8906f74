"""Which texts must not pass? Personal data, card numbers and credentials, found by patterns that take linear time.

Every repetition is bounded and no two that touch accept the same character, so nothing is ever tried twice. What a pattern
alone cannot tell is checked: cards by Luhn's digit (ISO/IEC 7812-1), IBANs by their length and remainder (ISO 13616-1).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

Check = Callable[[str, int, int], int]
"""Text, start and end of what a pattern found → where it really ends; −1 = it is not what it looks like."""

MOST_CHARACTERS = 320
"""The longest text that one pattern finds, but for private keys, which end where they say so."""


class Found(NamedTuple):
    """``start`` to ``end`` of a text are a ``kind``."""

    kind: str
    start: int
    end: int


class Pattern(NamedTuple):
    """``check``: None = what the expression finds counts. ``shown``: in its place; None = the kind, like ``[EMAIL]``."""

    kind: str
    expression: re.Pattern[str]
    check: Check | None = None
    shown: str | None = None


_IBANS = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
}
"""Characters → countries (SWIFT's IBAN registry)."""
_IBAN_LENGTHS = {country: length for length, countries in _IBANS.items() for country in countries.split()}
_CARDS = (
    ("visa", re.compile(r"4"), (19, 16, 13)),
    ("mastercard", re.compile(r"5[1-5]|2(?:2[2-9]|[3-6]|7[01]|720)"), (16,)),
    ("amex", re.compile(r"3[47]"), (15,)),
    ("other_card", re.compile(r"6(?:011|4[4-9]|5)|3(?:0[0-5]|[689])|35(?:2[89]|[3-8])|62"), (19, 16, 14)),
)
"""Issuers' first digits and lengths (ISO/IEC 7812; Visa, Mastercard, American Express, Discover, Diners, JCB, UnionPay)."""


_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def _iban(text: str, start: int, end: int) -> int:
    length = _IBAN_LENGTHS.get(text[start : start + 2], 0)
    compact, at = "", start
    while at < end and len(compact) < length:
        if text[at] != " ":
            compact += text[at]
        at += 1
    if not length or len(compact) < length or (at < len(text) and text[at].isalnum()):
        return -1
    moved = compact[4:] + compact[:4]
    return at if int("".join(str(int(character, 36)) for character in moved)) % 97 == 1 else -1


def _card(brand: str) -> Check:
    _, prefix, lengths = next(card for card in _CARDS if card[0] == brand)

    def check(text: str, start: int, end: int) -> int:
        digits = text[start:end].replace(" ", "").replace("-", "")
        if prefix.match(digits) is None:
            return -1
        for length in lengths:
            if len(digits) >= length and _luhn(digits[:length]):
                after = _after_digits(text, start, length)
                if after >= len(text) or not "0" <= text[after] <= "9":
                    return after
        return -1

    return check


def _after_digits(text: str, at: int, count: int) -> int:
    while count:
        if "0" <= text[at] <= "9":
            count -= 1
        at += 1
    return at


def _luhn(digits: str) -> bool:
    numbers = [ord(digit) - 48 for digit in digits]
    return (sum(numbers[-1::-2]) + sum(_DOUBLED[number] for number in numbers[-2::-2])) % 10 == 0


def _private_key(text: str, start: int, end: int) -> int:  # noqa: ARG001 - Check
    closing = _KEY_ENDS.search(text, end)
    return closing.end() if closing is not None else len(text)


_KEY_BEGINS = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY-----")
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_MORE_DIGITS = r"(?:[ -]?[0-9]){12,18}"
PATTERNS = {
    pattern.kind: pattern
    for pattern in (
        Pattern("email", re.compile(
            r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,3}[A-Za-z]{2,24}(?![A-Za-z0-9-])")),
        Pattern("phone", re.compile(
            r"(?<![0-9A-Za-z])(?:\+[0-9](?:[ .()-]{0,2}[0-9]){6,14}|"
            r"(?:\([0-9]{3}\) ?|[0-9]{3}[ .-])[0-9]{3}[ .-][0-9]{4})(?![0-9])")),
        Pattern("us_ssn", re.compile(
            r"(?<![0-9-])(?!000|666|9)[0-9]{3}(?:-(?!00)[0-9]{2}-| (?!00)[0-9]{2} )(?!0000)[0-9]{4}(?![0-9-])")),
        Pattern("iban", re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,28}"), _iban),
        Pattern("visa", re.compile(r"(?<![0-9])4" + _MORE_DIGITS), _card("visa")),
        Pattern("mastercard", re.compile(r"(?<![0-9])[25]" + _MORE_DIGITS), _card("mastercard")),
        Pattern("amex", re.compile(r"(?<![0-9])3" + _MORE_DIGITS), _card("amex")),
        Pattern("other_card", re.compile(r"(?<![0-9])[36]" + _MORE_DIGITS), _card("other_card")),
        Pattern("aws_access_key", re.compile(
            r"(?<![A-Za-z0-9])(?:AKIA|ASIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA)[A-Z0-9]{16}(?![A-Za-z0-9])")),
        Pattern("github_token", re.compile(
            r"(?<![A-Za-z0-9_])(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255})")),
        Pattern("slack_token", re.compile(r"(?<![A-Za-z0-9])xox[abeoprs]-[A-Za-z0-9-]{10,250}")),
        Pattern("api_key", re.compile(
            r"(?<![A-Za-z0-9_-])(?:sk-[A-Za-z0-9_-]{16,200}|hf_[A-Za-z0-9]{30,60}|AIza[A-Za-z0-9_-]{35}|glpat-[A-Za-z0-9_-]{20,60})")),
        Pattern("generic_api_key", re.compile(
            r"(?i:\b(?:api[_-]?key|secret(?:_access)?[_-]?key|access[_-]?token|auth[_-]?token|passw(?:or)?d)\b)"
            r"[\"']? {0,2}[:=] {0,2}[\"']?[A-Za-z0-9_./+=-]{16,128}")),
        Pattern("private_key", _KEY_BEGINS, _private_key),
    )
}  # fmt: skip
GROUPS = {
    "pii": ("email", "phone", "us_ssn", "iban"),
    "cards": ("visa", "mastercard", "amex", "other_card"),
    "credentials": ("aws_access_key", "github_token", "slack_token", "api_key", "generic_api_key", "private_key"),
}
NAMES = (*GROUPS, *PATTERNS)
"""What can be asked for: a group, or one pattern by itself."""
_PERHAPS = re.compile(
    r"(?:"
    rf"[^\s]{{1,{MOST_CHARACTERS}}}"
    r"|[A-Z]{2}[0-9]{2}[A-Z0-9 ]{0,44}"
    r"|[+(]?[0-9][0-9 .()-]{0,48}"
    r"|-----B[A-Z0-9 -]{0,80}"
    r"|(?i:api[_-]?key|secret(?:_access)?[_-]?key|access[_-]?token|auth[_-]?token|passw(?:or)?d)[\"']? {0,2}[:=]?.{0,132}"
    r")\Z"
)
"""The end of a text that may be the beginning of what a pattern finds."""


def patterns_of(names: Iterable[str]) -> tuple[Pattern, ...]:
    """Each once. Errors: KeyError for an unknown name."""
    kinds: dict[str, None] = {}
    for name in names:
        kinds |= dict.fromkeys(GROUPS[name]) if name in GROUPS else {PATTERNS[name].kind: None}
    return tuple(PATTERNS[kind] for kind in kinds)


def unknown_of(names: Iterable[str]) -> str | None:
    """The first name that is none."""
    return next((name for name in names if name not in NAMES), None)


def find_all(text: str, patterns: Iterable[Pattern]) -> Iterator[Found]:
    for kind, expression, check, _ in patterns:
        at = 0
        while (match := expression.search(text, at)) is not None:
            end = match.end() if check is None else check(text, match.start(), match.end())
            if end < 0:
                at = match.start() + 1
            else:
                yield Found(kind, match.start(), end)
                at = max(end, match.start() + 1)


def mask(text: str, patterns: Iterable[Pattern]) -> tuple[str, list[str]]:
    """The text with each find replaced by its kind, and the kinds. Of finds that overlap, the one that begins first stays."""
    patterns = tuple(patterns)
    found = sorted(find_all(text, patterns), key=lambda one: (one.start, -one.end))
    if not found:
        return text, []
    shown = {pattern.kind: pattern.shown for pattern in patterns}
    pieces: list[str] = []
    kinds: list[str] = []
    at = 0
    for kind, start, end in found:
        if start < at:
            if end > at:  # the rest of a longer one behind it must not stay
                at = end
            continue
        pieces += (text[at:start], shown[kind] or f"[{kind.upper()}]")
        kinds.append(kind)
        at = end
    pieces.append(text[at:])
    return "".join(pieces), kinds


def undecided_from(text: str, patterns: Iterable[Pattern], reach: int = 0) -> int:
    """From where on a text's end may become something that has to be masked when more of it comes.

    ``reach``: the longest text that a pattern of an installation's own finds.
    """
    undecided = _may_begin_at(text)
    if reach:
        undecided = min(undecided, _word_at(text, len(text) - reach))
    for found in sorted(find_all(text, patterns), key=lambda one: one.start, reverse=True):
        if found.start < undecided < found.end:
            undecided = found.start
    return undecided


def _word_at(text: str, at: int) -> int:
    """Where the word begins that a place is in: patterns ask what is before them."""
    at = max(0, at)
    least = max(0, at - MOST_CHARACTERS)
    while at > least and not text[at - 1].isspace():
        at -= 1
    return at


def _may_begin_at(text: str) -> int:
    match = _PERHAPS.search(text, max(0, len(text) - 2 * MOST_CHARACTERS))
    undecided = match.start() if match is not None else len(text)
    header = _KEY_BEGINS.search(text)
    while header is not None and header.start() < undecided:
        closing = _KEY_ENDS.search(text, header.end())
        if closing is None:
            return header.start()
        header = _KEY_BEGINS.search(text, closing.end())
    return undecided
