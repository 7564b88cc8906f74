"""Who asks what? People who all read one document and then talk about it, turn by turn.

All conversations begin with the same long text, so that a model server with a prefix cache reads it once; what a person has
said before stays in the conversation, as in real ones.
"""

from __future__ import annotations

import random

import msgspec

_WORDS = (
    "cluster", "operator", "workload", "node", "storage", "network", "policy", "image", "registry", "tenant",
    "pipeline", "gateway", "budget", "model", "token", "prompt", "latency", "cache", "replica", "deployment",
    "secret", "route", "service", "volume", "metric", "alert", "dashboard", "release", "rollback", "quota", "limit",
)  # fmt: skip
_QUESTIONS = (
    "Summarise the part of the document about {0} in three sentences.",
    "Which risks does the document see for {0} and {1}?",
    "Write a checklist for {0} that a colleague could follow.",
    "How does {0} depend on {1}? Answer with an example.",
    "What would you change about {0}, and why?",
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """``people`` conversations of ``turns`` turns, ``sessions`` times; ``workers`` of them at once. Units: seconds, words."""

    model: str
    people: int = 60
    sessions: int = 1
    turns: int = 10
    workers: int = 4
    max_tokens: int = 500
    document_words: int = 3_000
    min_delay_s: float = 0.5
    max_delay_s: float = 2.0
    timeout_s: float = 300.0
    seed: int = 1

    @property
    def requests(self) -> int:
        return self.people * self.sessions * self.turns


def usual_workers(people: int) -> int:
    """How many talk at the same moment. Source: the rehearsal's own table (deploy contract 9.2)."""
    return 16 if people > 100 else 8 if people > 60 else 4 if people > 30 else 2


def document(plan: Plan) -> str:
    """The text that everybody reads: the same for all people of a plan, another one for another seed."""
    dice = random.Random(plan.seed)  # noqa: S311 — a text, no secret
    sentences, words = [], 0
    while words < plan.document_words:
        length = dice.randrange(8, 18)
        sentences.append(" ".join(dice.choice(_WORDS) for _ in range(length)).capitalize() + ".")
        words += length
    return " ".join(sentences)


def question(plan: Plan, person: int, turn: int) -> str:
    dice = random.Random(plan.seed * 1_000_003 + person * 1_009 + turn)  # noqa: S311 — as above
    return dice.choice(_QUESTIONS).format(*dice.sample(_WORDS, 2))
