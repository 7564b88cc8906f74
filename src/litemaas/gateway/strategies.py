"""Which of a model's deployments is asked first, and which then? By the model's strategy, from what this worker knows."""

from __future__ import annotations

import hashlib
import math
import random
from typing import TYPE_CHECKING

from litemaas.core.catalog import Strategy
from litemaas.gateway.wishes import session_of
from litemaas.kit.ticks import monotonic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litemaas.gateway.call import Ask, Call
    from litemaas.gateway.targets import Target

_PREFIX_BYTES = 1024
"""Of a prompt, what tells conversations apart: an engine's cache of prefixes is of use where so much is the same."""
_OVERLOAD = 1.25
_SLACK = 4.0


def shares(targets: Sequence[Target]) -> list[float]:
    """The part of each in what is drawn at random: weights, or where these are all equal, requests or tokens per minute."""
    deployments = [target.deployment for target in targets]
    weights = [float(d.weight) for d in deployments]
    if len(set(weights)) == 1:
        for limits in ([d.rpm for d in deployments], [d.tpm for d in deployments]):
            known = [float(limit) for limit in limits if limit is not None]
            if len(known) == len(limits):
                return known
    return weights


def by_weight(targets: Sequence[Target], draw: random.Random) -> list[Target]:
    """At random without repetition (Efraimidis–Spirakis, Information Processing Letters 97, 2006); of no weight: as spares."""
    chances = [draw.random() ** (1.0 / share) if share > 0 else -draw.random() for share in shares(targets)]
    return [target for _, _, target in sorted(zip(chances, range(len(targets)), targets, strict=True), reverse=True)]


def by_affinity(targets: Sequence[Target], text: bytes) -> list[Target]:
    """The same order for the same text in every worker, and little else changes when a deployment comes or goes.

    Weighted rendezvous hashing (Schindelhauer and Schomaker, SPAA 2005). A deployment that has clearly more than its part of
    the running calls is asked after the others (bounded loads: Mirrokni, Thorup and Zadimoghaddam, SODA 2018).
    """
    scores = []
    for target, share in zip(targets, shares(targets), strict=True):
        digest = hashlib.blake2b(text, key=target.deployment.id.encode()[:64], digest_size=8).digest()
        part = (int.from_bytes(digest, "big") + 1) / 18446744073709551617.0
        scores.append((-share / math.log(part), target.deployment.id, target))
    total = sum(target.condition.running for target in targets) + 1
    most = _OVERLOAD * total / len(targets) + _SLACK
    ordered = [target for _, _, target in sorted(scores, key=lambda score: (-score[0], score[1]))]
    return sorted(ordered, key=lambda target: target.condition.running >= most)


def affinity_of(call: Call, ask: Ask) -> bytes:
    """What calls have in common that had better reach the same deployment: session, end user, or the prompt's beginning."""
    session = session_of(call.request, ask.wishes)
    if session is not None:
        return b"session:" + session.encode("utf-8", "surrogatepass")
    if ask.end_user is not None:
        return b"user:" + ask.end_user.encode("utf-8", "surrogatepass")
    members = ask.members
    if members is not None:
        for name in ("messages", "prompt", "input"):
            if name in members:
                return bytes(members[name])[:_PREFIX_BYTES]
    return ask.payload[:_PREFIX_BYTES]


class Strategies:
    """Orders deployments. ``usual``: for models that name no strategy."""

    def __init__(self, random_source: random.Random, usual: Strategy) -> None:
        self._random = random_source
        self._usual = usual

    def order(self, targets: Sequence[Target], strategy: Strategy | None, call: Call, ask: Ask) -> list[Target]:
        """The deployments to try, the first one first."""
        strategy = strategy or self._usual
        if strategy is Strategy.AFFINITY:
            return by_affinity(targets, affinity_of(call, ask))
        drawn = by_weight(targets, self._random)
        if strategy is Strategy.WEIGHTED:
            return drawn
        # The draw decides between equals; those of no weight stay spares.
        if strategy is Strategy.LEAST_BUSY:
            return sorted(drawn, key=lambda t: (t.deployment.weight == 0, t.condition.running))
        if strategy is Strategy.LATENCY:
            now = monotonic()
            return sorted(drawn, key=lambda t: (t.deployment.weight == 0, t.condition.speed(ask.stream, now)))
        if strategy is Strategy.USAGE:
            return sorted(drawn, key=lambda t: (t.deployment.weight == 0, t.condition.tokens / (t.deployment.tpm or 1)))
        return sorted(drawn, key=lambda t: (t.deployment.weight == 0, _price(t)))


def _price(target: Target) -> int:
    price = target.deployment.price
    return (
        price.input_per_million + price.output_per_million + price.request_per_million + price.page_per_million
        + price.second_per_million + price.character_per_million + price.image_per_million
    )  # fmt: skip
