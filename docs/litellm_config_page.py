"""What becomes of each key of LiteLLM's config.yaml? The page docs/reference/litellm-config.md, read off the code."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from litemaas.cli import litellm_config
from litemaas.cli.litellm_needless import NEEDLESS

Table = Callable[[tuple[str, ...], Iterable[tuple[str, ...]]], str]
_INTRO = """
What `--config` and `CONFIG_FILE_PATH` make of a `config.yaml`; [how to move](../how-to/move-from-litellm.md) says what is
different on purpose. Keys that are not here are named at the start and have no effect; `general_settings.strict_config: true`
makes them stop it.
"""


def litellm_config_page(head: str, table: Table) -> str:
    variables = litellm_config._VARIABLES
    settings = ((f"`{key}`", f"`LITEMAAS_{name}`") for key, name in sorted(variables.items()))
    others = sorted(litellm_config._READ_ELSEWHERE - variables.keys())
    always = ((f"`{key}`", _values(values)) for key, values in sorted(litellm_config._ALWAYS_SO.items()))
    needless = ((f"`{key}`", f"{why}.") for key, why in sorted(NEEDLESS.items()))
    refused = ((f"`{key}`", f"{why}.") for key, why in sorted(litellm_config._REFUSED.items()))
    return (
        f"# Keys of LiteLLM's config.yaml\n\n{head}\n{_INTRO}\n"
        f"## Settings\n\n{table(('Key', 'Variable'), settings)}\n"
        "## Read in other ways\n\n`model_list`, `credential_list`, `guardrails`, `environment_variables`, `include` and "
        f"{', '.join(f'`{key}`' for key in others)}.\n\n"
        f"## Done in any case\n\n{table(('Key', 'Where it says'), always)}\n"
        f"## No effect, because …\n\n{table(('Key', 'Because'), needless)}\n"
        f"## Stops the start\n\n{table(('Key', 'What to do'), refused)}"
    )


def _values(values: Iterable[object]) -> str:
    return ", ".join(f"`{str(value).lower() if isinstance(value, bool) else value}`" for value in values)
