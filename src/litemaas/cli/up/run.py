"""How does one run of ``litemaas up`` go, from the lock on its state to the exit status?

The parts are the first to be started; what this process itself needs, it loads beside them.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping

from litemaas.cli.up.errors import CannotStart
from litemaas.cli.up.leftovers import end_leftovers
from litemaas.cli.up.options import UpOptions
from litemaas.cli.up.parts import Parts
from litemaas.cli.up.ports import hold_ports
from litemaas.cli.up.state import StateDirectory
from litemaas.db.embedded import EmbeddedServerError, StateLock


class Interruption:
    """The person's wish to stop: the first one is orderly, the second one hurries."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.hurry = asyncio.Event()

    def listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.ask)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under nohup
            loop.add_signal_handler(signal.SIGHUP, self.ask)

    def ask(self) -> None:
        (self.hurry if self.asked.is_set() else self.asked).set()


async def run(options: UpOptions, environ: Mapping[str, str]) -> int:
    """Runs until it is interrupted or fails; the exit status."""
    began = time.monotonic()
    interruption = Interruption()
    interruption.listen()
    try:
        state = StateDirectory(options.state_dir)
        with StateLock(state.path):
            await _run_in(state, options, environ, interruption, began)
    except (CannotStart, EmbeddedServerError) as error:
        from litemaas.cli.up.screen import Screen

        Screen(began).fail(str(error))
        return 1
    return 0


async def _run_in(
    state: StateDirectory, options: UpOptions, environ: Mapping[str, str], interruption: Interruption, began: float
) -> None:
    state.withdraw_connection()
    leftovers = await end_leftovers(state.mark())
    ports = hold_ports(options, state)
    parts = Parts.load(state, demo=options.demo, workers=options.environment.gateway.workers)

    from litemaas.cli.up.platform import Platform
    from litemaas.cli.up.screen import Screen
    from litemaas.kit.version import version

    screen = Screen(began)
    screen.title(f"LiteMaaS {version()}, state in {state.path}")
    if leftovers:
        screen.warn(f"ended {leftovers} process(es) of an earlier run that was killed")
    platform = Platform(options, environ, state, ports, parts, screen)
    work = asyncio.create_task(platform.run(), name="platform")
    asked = asyncio.create_task(interruption.asked.wait(), name="interruption")
    try:
        await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            screen.say("\nStopping; once more Ctrl-C does not wait for running calls.")
    finally:
        work.cancel()
        asked.cancel()
        outcome, _ = await asyncio.gather(work, asked, return_exceptions=True)
        await platform.stop(interruption.hurry)
    wanted_to_stop = interruption.asked.is_set() and not isinstance(outcome, CannotStart | EmbeddedServerError)
    if isinstance(outcome, Exception) and not wanted_to_stop:  # what breaks while a start is broken off is no failure
        raise outcome  # told after everything has stopped, where the person looks
    screen.say("Stopped.")
