"""Which phrases stand for a category that a guardrail may name? A beginning, not a judge: they find words, not intentions.

An installation adds its own with ``keywords``. Levels: what is plainly meant so is ``high``, what may be said in a lesson or a
novel ``medium``, what often means something else ``low``; a guardrail's ``severity_threshold`` says from where on.
"""

from __future__ import annotations

LEVELS = ("low", "medium", "high")
CATEGORIES: dict[str, dict[str, tuple[str, ...]]] = {
    "explosives": {
        "high": (
            "build a bomb", "make a bomb", "build a pipe bomb", "make a pipe bomb", "pipe bomb instructions",
            "make explosives at home", "homemade explosives", "make a detonator", "make a molotov cocktail",
            "synthesize tatp", "make nitroglycerin",
        ),
        "medium": ("pipe bomb", "nail bomb", "fertilizer bomb", "pressure cooker bomb", "improvised explosive device"),
        "low": ("detonator", "explosive charge", "molotov cocktail"),
    },
    "terrorism": {
        "high": (
            "plan a terror attack", "plan a terrorist attack", "carry out a terrorist attack", "join a terrorist group",
            "recruit for a terrorist group", "behead the infidels", "plan a mass shooting", "become a suicide bomber",
        ),
        "medium": ("suicide bombing", "terrorist manifesto", "mass casualty attack", "lone wolf attack"),
        "low": ("terrorist cell", "martyrdom operation"),
    },
    "harassment_hate": {
        "high": (
            "they should all be exterminated", "should be wiped off the earth", "are subhuman", "are vermin and must die",
            "i will find you and hurt you", "i know where you live and", "you deserve to be raped",
        ),
        "medium": ("go back to your country", "nobody would miss you", "kill yourself", "you people are animals"),
        "low": ("subhuman", "inferior race"),
    },
    "self_harm_suicide": {
        "high": (
            "how to kill myself", "how do i kill myself", "ways to kill myself", "painless way to die", "how to commit suicide",
            "how to hang myself", "lethal dose of sleeping pills", "write my suicide note", "how to cut myself",
        ),
        "medium": ("want to kill myself", "want to end my life", "suicide note", "suicide method", "harm myself"),
        "low": ("suicidal", "self harm"),
    },
}  # fmt: skip


def phrases_of(category: str, threshold: str) -> list[str]:
    """Those of this level and above. Errors: KeyError for an unknown category."""
    levels = LEVELS[LEVELS.index(threshold) :]
    return [phrase for level in levels for phrase in CATEGORIES[category][level]]
