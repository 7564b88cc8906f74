"""What can be said on the command line? Each command loads what it needs when it runs, so that ``--help`` is quick."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from litemaas.cli.backup import app as backup_commands

if TYPE_CHECKING:
    from litemaas.cli.litellm_config import LitellmConfig

app = typer.Typer(
    name="litemaas",
    help="Models as a service: one endpoint, one sk- key, exact spend.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # they print local variables, which hold keys
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(backup_commands, name="backup")


def _show_version(wanted: bool) -> None:
    if wanted:
        from litemaas.kit.version import version

        print(f"litemaas {version()}")
        raise typer.Exit


@app.callback()
def _litemaas(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Models as a service: one endpoint, one sk- key, exact spend."""


Workers = Annotated[
    int | None, typer.Option(min=1, help="Gateway processes on one port, else LITEMAAS_GATEWAY__WORKERS.")
]


Config = Annotated[
    Path | None, typer.Option(envvar="CONFIG_FILE_PATH", help="LiteLLM's config.yaml; the environment wins over it.")
]


def _environ(config: LitellmConfig | None = None, workers: int | None = None) -> dict[str, str]:
    """Settings: options win over the environment, that over LiteLLM's file, and that over LiteLLM's variables."""
    from litemaas.cli.litellm_environ import taken_from_litellm

    chosen = {"LITEMAAS_GATEWAY__WORKERS": str(workers)} if workers is not None else {}
    return {**taken_from_litellm(os.environ), **(config.environ if config is not None else {}), **os.environ, **chosen}


def _read_config(path: Path | None) -> LitellmConfig | None:
    """The file, with a line on stderr for each key that is not taken."""
    if path is None:
        return None
    from litemaas.cli.litellm_config import ConfigRefused, read_config

    try:
        config = read_config(path, os.environ)
    except ConfigRefused as error:
        _refuse(str(error))
    for warning in config.warnings:
        print(f"litemaas: {path.name}: {warning}", file=sys.stderr)
    return config


@app.command()
def up(
    demo: Annotated[bool, typer.Option("--demo", help="With simulated models and a key to try them.")] = False,
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=URL[#MODEL]",
            help="Serve a real OpenAI-compatible server as NAME, like granite=http://host:8000/v1. May be repeated.",
        ),
    ] = None,
    workers: Workers = None,
    config: Config = None,
) -> None:
    """Start the whole platform on this machine; Ctrl-C stops it.

    The state is kept under ./.litemaas or LITEMAAS_STATE_DIR. LITEMAAS_GATEWAY__PORT and LITEMAAS_CONTROL__PORT choose the
    ports (0: the system chooses), LITEMAAS_DATABASE_URL and LITEMAAS_REDIS_URL name servers instead of the embedded ones.
    """
    import asyncio

    from litemaas.cli.up.errors import CannotStart
    from litemaas.cli.up.options import read_options
    from litemaas.cli.up.run import run

    read = _read_config(config)
    environ = _environ(read, workers)
    try:
        options = read_options(environ, demo, model or [], read)
    except CannotStart as error:
        _refuse(str(error))
    sys.exit(asyncio.run(run(options, environ)))


@app.command()
def gateway(workers: Workers = None, config: Config = None) -> None:
    """Run the gateway (data plane) with the settings of the environment.

    Of a --config only settings are taken: models are in the database, where `litemaas import-litellm --config` puts them.

    SIGTERM and Ctrl-C let running calls end, a second one does not wait for them. With several workers, SIGHUP replaces one
    after another.
    """
    from litemaas.gateway.supervisor import run

    read = _read_config(config)
    if read is not None and (
        read.models
        or read.credentials
        or read.routing
        or read.guardrails
        or read.budgets
        or read.pass_through
        or read.price_terms
    ):
        words = "models and what belongs to them are not taken here; see `litemaas import-litellm --config`"
        print(f"litemaas: {words}", file=sys.stderr)
    settings = _environ(read, workers)
    _run_plane(lambda: run(settings))


@app.command()
def control() -> None:
    """Run the control plane with the settings of the environment."""
    from litemaas.control.app import Settings, run
    from litemaas.kit.settings import load_settings

    _run_plane(lambda: run(load_settings(Settings, _environ())))


@app.command()
def sim(
    settings: Annotated[
        str, typer.Argument(metavar="[JSON]", help='Like {"chat_port": 8000}; ports default to 0.')
    ] = "{}",
) -> None:
    """Run the simulated model servers; one line of JSON says where they listen."""
    import msgspec

    from litemaas.sim.app import run
    from litemaas.sim.settings import SimSettings

    try:
        read = msgspec.json.decode(settings, type=SimSettings)
    except msgspec.DecodeError as error:
        _refuse(f"the settings cannot be read: {error}")
    _run_plane(lambda: run(read))


@app.command()
def discover() -> None:
    """Watch a cluster's model servers and keep the catalogue in step; settings are LITEMAAS_DISCOVERY__…."""
    _require_extra("discovery", "lightkube")
    from litemaas.discovery.app import run
    from litemaas.discovery.settings import Settings
    from litemaas.kit.settings import load_settings

    _run_plane(lambda: run(load_settings(Settings, os.environ).discovery))


@app.command()
def mcp() -> None:
    """Serve administrators' tools over MCP at /mcp, by the control plane's API; settings are LITEMAAS_MCP__…."""
    _require_extra("mcp", "mcp")
    from litemaas.kit.settings import load_settings
    from litemaas.mcp.app import run
    from litemaas.mcp.settings import Settings

    _run_plane(lambda: run(load_settings(Settings, os.environ).mcp))


@app.command()
def migrate(
    check: Annotated[bool, typer.Option("--check", help="Only say whether the schema is current; 1 if not.")] = False,
) -> None:
    """Bring the schema of LITEMAAS_DATABASE_URL up to date, and set LITEMAAS_TIMEZONE; several replicas may do it at once."""
    from litemaas.cli.database import bring_up_to_date

    zone = os.environ.get("LITEMAAS_TIMEZONE") or "UTC"
    sys.exit(bring_up_to_date(os.environ.get("LITEMAAS_DATABASE_URL"), zone, only_check=check))


@app.command()
def reconcile(
    first: Annotated[str | None, typer.Option("--from", metavar="DAY", help="First day, like 2026-11-01.")] = None,
    last: Annotated[str | None, typer.Option("--to", metavar="DAY", help="Last day; today if not said.")] = None,
    engines: Annotated[bool, typer.Option("--engines", help="Ask the engines for their own counters, too.")] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Count the rollups of these days anew before.")] = False,
) -> None:
    """Compare ledger, rollups and budgets of LITEMAAS_DATABASE_URL; 0 = equal, 1 = something differs, 2 = not known."""
    from litemaas.cli.reconcile import reconcile as compare

    url = os.environ.get("LITEMAAS_DATABASE_URL")
    sys.exit(compare(url, first, last, with_engines=engines, with_rebuild=rebuild))


@app.command()
def restore(
    backup: Annotated[str, typer.Argument(help="A backup's id or a file.")],
    database: Annotated[str, typer.Option(help="The name of the database, typed to confirm.")],
) -> None:
    """Put a backup in the place of everything; what is there now is backed up first, when there is a place for it."""
    from litemaas.cli.backup import restore as bring_back

    bring_back(backup, database)


@app.command()
def import_litellm(
    source: Annotated[
        str | None, typer.Option(envvar="LITELLM_DATABASE_URL", help="URL of LiteLLM's PostgreSQL database; only read.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="LiteLLM's config.yaml, whose model_list is taken.")] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write; without it the report says what would be.")] = False,
) -> None:
    """Take over models, teams, users, budgets, customers and issued keys into LITEMAAS_DATABASE_URL; may be repeated.

    0 = everything was taken, 1 = something was left and is named, 2 = nothing could be done.
    """
    from litemaas.cli.import_litellm import Target
    from litemaas.cli.import_litellm import import_litellm as take_over

    if source is None and config is None:
        _refuse("name --source (or LITELLM_DATABASE_URL), --config, or both")
    url = os.environ.get("LITEMAAS_DATABASE_URL") or _refuse("LITEMAAS_DATABASE_URL must be set")
    sealing = os.environ.get("LITEMAAS_ENCRYPTION_KEY") or _refuse("LITEMAAS_ENCRYPTION_KEY must be set")
    read = _read_config(config)
    sys.exit(take_over(source, Target(url, sealing), read.models if read is not None else (), apply=apply))


@app.command()
def demo_data(
    scale: Annotated[
        float, typer.Option(min=0.0001, max=100, help="1 = 10 million calls, 20,000 keys, 5,000 users.")
    ] = 0.01,
) -> None:
    """Fill an empty LITEMAAS_DATABASE_URL with people, keys and three months of calls, to try the portal under load."""
    import asyncpg

    from litemaas.cli.demo_data import HasData
    from litemaas.cli.demo_data import demo_data as fill

    url = os.environ.get("LITEMAAS_DATABASE_URL") or _refuse("LITEMAAS_DATABASE_URL must be set")
    try:
        size = fill(url, scale)
    except HasData as reason:
        _refuse(str(reason), 1)
    except (asyncpg.PostgresError, OSError) as error:
        _refuse(f"the database cannot be used: {type(error).__name__}", 1)
    print(f"{size.records} calls of {size.users} users with {size.keys} keys")


@app.command()
def bench(
    model: Annotated[str, typer.Argument(help="A chat model that the key may call.")],
    url: Annotated[
        str, typer.Option(envvar="LITEMAAS_BENCH_URL", help="The gateway's address with /v1.")
    ] = "http://127.0.0.1:4000/v1",
    people: Annotated[int, typer.Option(min=1, max=10_000, help="Conversations.")] = 30,
    sessions: Annotated[int, typer.Option(min=1, max=100)] = 1,
    turns: Annotated[int, typer.Option(min=1, max=1_000)] = 10,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1_000, help="Who talks at once; 2 to 16 by the people.")
    ] = None,
    max_tokens: Annotated[int, typer.Option(min=1)] = 500,
    words: Annotated[int, typer.Option(min=0, max=200_000, help="Length of the document that all share.")] = 3_000,
    min_delay: Annotated[float, typer.Option(min=0)] = 0.5,
    max_delay: Annotated[float, typer.Option(min=0)] = 2.0,
    limit_ms: Annotated[float | None, typer.Option(min=1, help="p95 of the first token; else by the people.")] = None,
    fail_on: Annotated[str, typer.Option(help="fail, warn or never.")] = "fail",
    html: Annotated[Path | None, typer.Option(help="Where the report goes.")] = None,
    json: Annotated[Path | None, typer.Option(help="Where all figures go.")] = None,
) -> None:
    """Rehearse a workshop: people talk about one document through the gateway, with the key in LITEMAAS_BENCH_KEY."""
    from litemaas.cli.rehearsal.command import FAIL_ON, run
    from litemaas.cli.rehearsal.plan import Plan, usual_workers

    key = os.environ.get("LITEMAAS_BENCH_KEY") or _refuse(
        "LITEMAAS_BENCH_KEY must hold a key; it is not taken as an argument"
    )
    if fail_on not in FAIL_ON:
        _refuse(f"--fail-on must be one of {', '.join(FAIL_ON)}")
    plan = Plan(
        model=model, people=people, sessions=sessions, turns=turns, workers=workers or usual_workers(people),
        max_tokens=max_tokens, document_words=words, min_delay_s=min_delay, max_delay_s=max(min_delay, max_delay),
    )  # fmt: skip
    sys.exit(run(url, key, plan, limit_ms=limit_ms, fail_on=fail_on, html=html, json=json))


@app.command()
def check_config() -> None:
    """Say in words whether the settings in the environment fit both planes; values of secrets are never shown."""
    from litemaas.cli.configuration import check

    findings = check(os.environ)
    for finding in findings:
        print(finding)
    sys.exit(1 if any(finding.is_wrong for finding in findings) else 0)


def _require_extra(extra: str, module: str) -> None:
    import importlib.util

    if importlib.util.find_spec(module) is None:
        _refuse(f"this needs more packages: pip install 'litemaas[{extra}]'", 1)


def _run_plane(run: Callable[[], None]) -> None:
    from litemaas.core.errors import LiteMaaSError
    from litemaas.kit.settings import SettingsError

    try:
        run()
    except SettingsError as error:
        _refuse(str(error))
    except LiteMaaSError as error:
        _refuse(error.message, 1)
    except OSError as error:
        _refuse(f"cannot start: {error.strerror or error}", 1)


def _refuse(why: str, status: int = 2) -> NoReturn:
    print(f"litemaas: {why}", file=sys.stderr)
    sys.exit(status)
