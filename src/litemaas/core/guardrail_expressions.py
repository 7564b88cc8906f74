"""Is a regular expression of somebody else's safe to search every prompt with? Only if its width and its tries are bounded.

Python's engine tries again what failed, so ``(a+)+b`` takes a time that doubles with each letter. Here every repetition must
say how often at most, and the ways in which an expression can match at one place are counted beforehand: an upper bound of
the work for each character of a text.
"""

from __future__ import annotations

import importlib
import re
from typing import Any

from litemaas.core.guardrails import MOST_CHARACTERS

MOST_WAYS = 200
"""Tries at one place of a text. Where each of them fails, a million characters take seconds, not hours."""
# The standard library's own reading of expressions; its module has no public name any more (Python 3.11).
_parser: Any = importlib.import_module("re._parser")
_ONE_CHARACTER = frozenset({"LITERAL", "NOT_LITERAL", "ANY", "IN"})
_REPEATS = frozenset({"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"})
_LOOKS = frozenset({"ASSERT", "ASSERT_NOT"})


def bounded(expression: str) -> tuple[re.Pattern[str], int]:
    """The expression, and how many characters it finds at most. Errors: ValueError in words for whoever wrote it."""
    try:
        compiled = re.compile(expression)
        parsed = _parser.parse(expression)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is no regular expression: {error}") from None
    if compiled.match("") is not None:
        raise ValueError("finds the empty text, so it would find something everywhere")
    ways = _ways(parsed)
    width = parsed.getwidth()[1]
    if width > MOST_CHARACTERS:
        raise ValueError(f"finds up to {width} characters; at most {MOST_CHARACTERS} are looked at together")
    if ways > MOST_WAYS:
        raise ValueError(
            f"can match in more than {MOST_WAYS} ways at one place, which would hold up other calls; give its repetitions "
            "fewer choices"
        )
    return compiled, width


def _ways(parsed: Any) -> int:
    """Of one sequence: its parts are independent, so their ways multiply. Errors: ValueError."""
    ways = 1
    for operation, argument in parsed:
        ways *= _ways_of(str(operation), argument)
        if ways > MOST_WAYS:
            return MOST_WAYS + 1
    return ways


def _ways_of(operation: str, argument: Any) -> int:
    if operation in _ONE_CHARACTER or operation == "AT":
        return 1
    if operation == "SUBPATTERN":
        return _ways(argument[3])
    if operation == "ATOMIC_GROUP":
        return _ways(argument)
    if operation == "BRANCH":
        return sum(_ways(branch) for branch in argument[1])
    if operation in _LOOKS:
        return _ways(argument[1])
    if operation in _REPEATS:
        return _ways_of_repeat(*argument)
    raise ValueError("refers back to what it has found (as in \\1), which is not taken")


def _ways_of_repeat(least: int, most: int, repeated: Any) -> int:
    if most > MOST_CHARACTERS:
        raise ValueError(f"repeats something without a bound; write {{{least},40}} in the place of * or +")
    once, ways, power = _ways(repeated), 0, 1
    for times in range(most + 1):
        ways += power if times >= least else 0
        power *= once
        if power > MOST_WAYS or ways > MOST_WAYS:
            return MOST_WAYS + 1
    return ways


def phrases(words: list[str]) -> tuple[re.Pattern[str], int]:
    """Finds any of these as whole words, in upper or lower case, whatever blanks are between them."""
    longest = sorted(words, key=len, reverse=True)
    each = "|".join(r"\s{1,3}".join(re.escape(part) for part in phrase.split()) for phrase in longest)
    width = max(len(phrase) + 2 * phrase.count(" ") for phrase in words)
    return re.compile(rf"(?<!\w)(?:{each})(?!\w)", re.IGNORECASE), width
