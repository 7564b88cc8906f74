"""Into which deployments does a prompt fit? Asked where that is checked before a call (``enable_pre_call_checks``).

A prompt whose bytes fit certainly fits. Only a longer one is counted, by the first deployment's tokenizer; where there is none,
it counts as short as it can well be, for a deployment is rather asked in vain than passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from litemaas.core.errors import PromptTooLong

if TYPE_CHECKING:
    from litemaas.gateway.call import Ask
    from litemaas.gateway.metering import Meter
    from litemaas.gateway.targets import Target


class PromptRoom:
    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    async def with_room(self, targets: Sequence[Target], ask: Ask, model: str) -> Sequence[Target]:
        """Those that take a prompt of this length, or do not say what they take. Errors: PromptTooLong."""
        rooms = [target.room for target in targets if target.room is not None]
        if not rooms or not ask.prompt_bytes or self._meter.prompt_bound(ask) <= min(rooms):
            return targets
        tokens = await self._meter.least_of_prompt(ask, targets[0].deployment)
        fitting = [target for target in targets if target.room is None or tokens <= target.room]
        if not fitting:
            raise PromptTooLong(
                f"the prompt has about {tokens} tokens; the maximum context length of {model} is {max(rooms)} tokens. "
                "Shorten it, or ask a model that takes more.",
                "messages",
            )
        return fitting
