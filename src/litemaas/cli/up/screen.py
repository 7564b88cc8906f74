"""What does the person at the terminal see? Short lines while it starts, one short screen when it is ready."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from litemaas.cli.up import demo


class _LastingConsole(Console):
    """Whoever closes our output does not mean to stop the platform."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@dataclass(frozen=True)
class Summary:
    """What the last screen tells."""

    gateway_url: str
    control_url: str
    state_dir: Path
    connection_file: Path
    demo_key: str | None
    models: Sequence[str]
    """The models of ``--model``."""
    has_portal: bool = False
    """Whether the control plane serves the portal, too."""


class Screen:
    """Lines on standard output, complaints on standard error; plain where they are no terminals."""

    def __init__(self, began: float) -> None:
        """``began``: monotonic time from which the seconds on the screen count"""
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="backslashreplace")  # a path may hold what the terminal cannot show
        self._out = _LastingConsole(highlight=False, soft_wrap=True)
        self._err = _LastingConsole(highlight=False, soft_wrap=True, stderr=True)
        self._began = began

    def _line(self, *parts: str | tuple[str, str]) -> None:
        with contextlib.suppress(OSError):  # a terminal that is gone stops nothing
            self._out.print(Text.assemble(*parts))

    def title(self, text: str) -> None:
        self._line((text, "bold"))

    def step(self, title: str, state: str = "ready") -> None:
        """One part has come so far; the time is since the start."""
        self._line(f"  {title:<18}", (state, "green"), f"{time.monotonic() - self._began:8.1f} s")

    def say(self, text: str) -> None:
        self._line(text)

    def warn(self, text: str) -> None:
        self._line(("  note  ", "yellow"), text)

    def fail(self, text: str) -> None:
        """Why it does not start or work; goes to standard error."""
        with contextlib.suppress(OSError):
            self._err.print(Text.assemble(("litemaas: ", "red"), text))

    def ready(self, summary: Summary) -> None:
        self._line("")
        self._line((f"Ready after {time.monotonic() - self._began:.1f} s.", "bold green"))
        self._line("")
        if summary.has_portal:
            self._row("Portal", summary.control_url, "for people")
        self._row("Gateway", f"{summary.gateway_url}/v1", "for OpenAI clients")
        self._row("Control plane", f"{summary.control_url}/docs", "its API")
        if summary.demo_key is not None:
            self._row("Demo key", summary.demo_key, demo.KEY_IN_WORDS)
            self._row("Simulated", ", ".join(demo.MODEL_NAMES), "their answers are made up")
        if summary.models:
            self._row("Models", ", ".join(summary.models))
        self._row("State and logs", str(summary.state_dir), "the master key is in connection.env")
        self._line("")
        self._line("Try it:")
        self._line(("  " + try_it(summary), "cyan"))
        self._line("")
        self._line("Ctrl-C stops everything.")

    def _row(self, title: str, value: str, remark: str = "") -> None:
        self._line(f"  {title:<16}", (value, "bold"), (f"  {remark}" if remark else "", "dim"))


def try_it(summary: Summary) -> str:
    """A line to paste into a shell; the master key stays in its file, the demo's key may be seen."""
    if summary.demo_key is None:
        read = f". {shlex.quote(str(summary.connection_file))}"
        authorization, prefix = '"Authorization: Bearer $LITEMAAS_MASTER_KEY"', read + " && "
        model = summary.models[0] if summary.models else None
    else:
        authorization, prefix, model = f'"Authorization: Bearer {summary.demo_key}"', "", demo.CHAT_MODEL
    if model is None:
        return f"{prefix}curl -sS {summary.gateway_url}/v1/models -H {authorization}"
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hello!"}]})
    return (
        f"{prefix}curl -sS {summary.gateway_url}/v1/chat/completions -H {authorization} "
        f"-H 'Content-Type: application/json' -d {shlex.quote(body)}"
    )
