"""What does a ``guardrails:`` file of an installation mean? LiteLLM's content filter, or a service that is asked.

An entry of the filter has patterns that we know by name (``prebuilt``), regular expressions and words of one's own, and
categories of phrases, each with an action. BLOCK refuses a prompt; what it names is masked in answers where the entry looks at
these, for what was already sent cannot be taken back. MASK replaces it in answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from litemaas.core.guardrail_expressions import bounded, phrases
from litemaas.core.guardrail_services import KINDS, Service, service_of
from litemaas.core.guardrail_words import CATEGORIES, LEVELS, phrases_of
from litemaas.core.guardrails import NAMES, PATTERNS, Pattern

MOST_ENTRIES = 50
MOST_PARTS = 200
MOST_CHARACTERS_OF_A_WORD = 100
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_MODES = {"pre_call": ("prompt",), "during_call": ("prompt",), "post_call": ("answer",)}
_MEMBERS = {"guardrail_name", "litellm_params", "guardrail_id", "guardrail_info"}
_PARAMS = {
    "guardrail", "mode", "default_on", "patterns", "blocked_words", "categories", "pattern_redaction_format",
    "keyword_redaction_tag",
}  # fmt: skip
_ACTIONS = ("BLOCK", "MASK")


class Definition(NamedTuple):
    """``is_always_on``: for every call. ``refused``: kinds that no prompt may hold; ``masked``: that no answer shows.

    ``reach``: the longest text that a masked pattern of one's own finds; a stream is held back by so much.
    ``service``: who is asked instead of looking for anything.
    """

    name: str
    is_always_on: bool
    refused: tuple[Pattern, ...] = ()
    masked: tuple[Pattern, ...] = ()
    reach: int = 0
    service: Service | None = None


class _Part(NamedTuple):
    pattern: Pattern
    action: str
    width: int


def definitions_of(entries: Iterable[Any]) -> dict[str, Definition]:
    """By name. Errors: ValueError that names the entry and what is wrong with it."""
    found: dict[str, Definition] = {}
    listed = list(entries)
    if len(listed) > MOST_ENTRIES:
        raise ValueError(f"there are {len(listed)} guardrails; {MOST_ENTRIES} are taken")
    for number, entry in enumerate(listed, 1):
        if not isinstance(entry, Mapping):
            raise ValueError(f"guardrail {number} is no mapping with guardrail_name and litellm_params")
        try:
            definition = _definition(entry)
        except ValueError as error:
            raise ValueError(f"guardrail {str(entry.get('guardrail_name') or number)[:100]!r}: {error}") from None
        if definition.name in found:
            raise ValueError(f"guardrail {definition.name!r} is there twice")
        found[definition.name] = definition
    return found


def _definition(entry: Mapping[str, Any]) -> Definition:
    _refuse_unknown(entry, _MEMBERS, "")
    name = _matching(entry.get("guardrail_name"), _NAME, "guardrail_name")
    if name in NAMES:
        raise ValueError("the name is that of a built-in one; choose another")
    params = entry.get("litellm_params")
    if not isinstance(params, Mapping):
        raise ValueError("litellm_params is missing")
    if params.get("guardrail") in KINDS:
        return Definition(name, _flag(params, "default_on"), service=service_of(params))
    if params.get("guardrail", "litellm_content_filter") != "litellm_content_filter":
        raise ValueError(
            f"litellm_params.guardrail must be litellm_content_filter, {' or '.join(KINDS)}; other services are not asked"
        )
    _refuse_unknown(params, _PARAMS, "litellm_params.")
    sides = _sides(params.get("mode", "pre_call"))
    parts = list(_parts(params))
    if not parts:
        raise ValueError("there is nothing to look for: name patterns, blocked_words or categories")
    if len(parts) > MOST_PARTS:
        raise ValueError(f"there are {len(parts)} patterns; {MOST_PARTS} are taken")
    if "answer" not in sides and any(part.action == "MASK" for part in parts):
        raise ValueError("MASK needs mode post_call: prompts are refused or passed on as they came, never changed")
    refused = tuple(part.pattern for part in parts if "prompt" in sides and part.action == "BLOCK")
    masked = [part for part in parts if "answer" in sides]
    reach = max((part.width for part in masked), default=0)
    return Definition(name, _flag(params, "default_on"), refused, tuple(part.pattern for part in masked), reach)


def _sides(mode: Any) -> set[str]:
    modes = mode if isinstance(mode, list) else [mode]
    unknown = [one for one in modes if not isinstance(one, str) or one not in _MODES]
    if unknown or not modes:
        raise ValueError(f"litellm_params.mode must be of {', '.join(_MODES)}")
    return {side for one in modes for side in _MODES[one]}


def _parts(params: Mapping[str, Any]) -> Iterator[_Part]:
    form = params.get("pattern_redaction_format", "[{pattern_name}_REDACTED]")
    if not isinstance(form, str) or "{pattern_name}" not in form or len(form) > 100:
        raise ValueError("litellm_params.pattern_redaction_format must hold {pattern_name}")
    tag = params.get("keyword_redaction_tag", "[KEYWORD_REDACTED]")
    if not isinstance(tag, str) or len(tag) > 100:
        raise ValueError("litellm_params.keyword_redaction_tag must be a short text")
    for where, one in _listed(params, "patterns"):
        pattern, width = _pattern(one, where)
        shown = form.replace("{pattern_name}", pattern.kind.upper())
        yield _Part(pattern._replace(shown=shown), _action(one, where), width)
    words: dict[str, list[str]] = {}
    for where, one in _listed(params, "blocked_words"):
        words.setdefault(_action(one, where), []).append(_word(one.get("keyword"), f"{where}.keyword"))
    for action, listed in words.items():
        expression, width = phrases(listed)
        yield _Part(Pattern("keyword", expression, None, tag), action, width)
    for where, one in _listed(params, "categories"):
        if _flag(one, "enabled", default=True):
            category, listed = _category(one, where)
            expression, width = phrases(listed)
            yield _Part(Pattern(category, expression, None, tag), _action(one, where), width)


def _pattern(one: Mapping[str, Any], where: str) -> tuple[Pattern, int]:
    kind = one.get("pattern_type", "regex" if "pattern" in one else "prebuilt")
    if kind == "prebuilt":
        _refuse_unknown(one, {"pattern_type", "pattern_name", "action"}, f"{where}.")
        name = str(one.get("pattern_name"))
        if name not in PATTERNS:
            raise ValueError(f"{where}: there is no pattern {name[:100]!r}; there are {', '.join(PATTERNS)}")
        return PATTERNS[name], 0  # streams know by themselves how much of these to hold back
    if kind != "regex":
        raise ValueError(f"{where}.pattern_type must be prebuilt or regex")
    _refuse_unknown(one, {"pattern_type", "name", "pattern", "action"}, f"{where}.")
    expression = one.get("pattern")
    if not isinstance(expression, str) or not expression or len(expression) > 1000:
        raise ValueError(f"{where}.pattern must be a regular expression of up to 1000 characters")
    try:
        compiled, width = bounded(expression)
    except ValueError as error:
        raise ValueError(f"{where}.pattern {error}") from None
    return Pattern(_matching(one.get("name"), _KIND, f"{where}.name"), compiled), width


def _category(one: Mapping[str, Any], where: str) -> tuple[str, list[str]]:
    _refuse_unknown(one, {"category", "enabled", "action", "severity_threshold", "keywords"}, f"{where}.")
    name = _matching(one.get("category"), _KIND, f"{where}.category")
    threshold = one.get("severity_threshold", "medium")
    if threshold not in LEVELS:
        raise ValueError(f"{where}.severity_threshold must be one of {', '.join(LEVELS)}")
    own = [_word(word, f"{where}.keywords") for word in _list(one, "keywords", where)]
    if name not in CATEGORIES and not own:
        raise ValueError(
            f"{where}: the category {name!r} is not known; give its keywords, or one of {', '.join(CATEGORIES)}"
        )
    return name, [*own, *(phrases_of(name, threshold) if name in CATEGORIES else ())]


def _word(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > MOST_CHARACTERS_OF_A_WORD:
        raise ValueError(f"{where} must be a text of up to {MOST_CHARACTERS_OF_A_WORD} characters")
    return " ".join(value.split())


def _action(one: Mapping[str, Any], where: str) -> str:
    action = str(one.get("action", "BLOCK")).upper()
    if action not in _ACTIONS:
        raise ValueError(f"{where}.action must be BLOCK or MASK")
    return action


def _listed(params: Mapping[str, Any], member: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for number, one in enumerate(_list(params, member, "litellm_params")):
        where = f"{member}[{number}]"
        if not isinstance(one, Mapping):
            raise ValueError(f"{where} must be a mapping")
        yield where, one


def _list(of: Mapping[str, Any], member: str, where: str) -> list[Any]:
    value = of.get(member)
    if value is not None and not isinstance(value, list):
        raise ValueError(f"{where}.{member} must be a list")
    return value or []


def _flag(of: Mapping[str, Any], member: str, *, default: bool = False) -> bool:
    value = of.get(member, default)
    if not isinstance(value, bool):
        raise ValueError(f"{member} must be true or false")
    return value


def _matching(value: Any, form: re.Pattern[str], where: str) -> str:
    if not isinstance(value, str) or form.fullmatch(value) is None:
        raise ValueError(f"{where} must be a name of letters, digits, dots, dashes and underscores")
    return value


def _refuse_unknown(of: Mapping[str, Any], known: set[str], prefix: str) -> None:
    unknown = sorted(str(name) for name in of if name not in known)
    if unknown:
        raise ValueError(f"{prefix}{unknown[0][:100]} is not known; known are {', '.join(sorted(known))}")
