"""What is the whole platform on one machine, and in which order does it start, stay and stop?

PostgreSQL and Valkey start while the planes load their code; the planes serve once the schema is there; models and keys are
registered while the gateway comes up. Ready means that the gateway knows all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import asyncpg
import httpx2

from litemaas.cli.up import demo
from litemaas.cli.up.administration import Administration
from litemaas.cli.up.engines import Engine, look_at
from litemaas.cli.up.errors import CannotStart
from litemaas.cli.up.keeping import keep, together
from litemaas.cli.up.options import UpOptions
from litemaas.cli.up.parts import Part, Parts, Probe, bound_log
from litemaas.cli.up.ports import HeldPort
from litemaas.cli.up.registration import pause_demo, real_models, register_demo, until_known
from litemaas.cli.up.screen import Screen, Summary
from litemaas.cli.up.state import StateDirectory
from litemaas.cli.wording import describe_database_error
from litemaas.control.signin.settings import is_here, is_loopback
from litemaas.db.embedded import EmbeddedPostgres, EmbeddedValkey
from litemaas.db.migrate import upgrade
from litemaas.db.zones import ZoneDiffers

_PROBE_WITHIN_S = 3.0
_STOP_WITHIN_S = 15.0
_LOGS_TENDED_EVERY_S = 30.0


class Platform:
    """Everything that ``litemaas up`` runs.

    Errors: CannotStart, EmbeddedServerError
    """

    def __init__(
        self,
        options: UpOptions,
        environ: Mapping[str, str],
        state: StateDirectory,
        ports: Mapping[str, HeldPort],
        parts: Parts,
        screen: Screen,
    ) -> None:
        self._options = options
        self._environ = environ
        self._state = state
        self._ports = ports
        self._parts = parts
        self._screen = screen
        known = options.environment
        self._master_key = known.master_key or state.master_key()
        self._postgres = None if known.database_url else EmbeddedPostgres(state.path)
        self._valkey = None if known.redis_url else EmbeddedValkey(state.path)
        self._client = httpx2.AsyncClient(timeout=_PROBE_WITHIN_S, trust_env=False)

    def _url(self, name: str) -> str:
        return self._ports[name].url

    # -- start --------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Starts everything, says so, and then keeps it running until cancelled."""
        await self._start()
        await self._keep_all()

    async def _start(self) -> None:
        looks = asyncio.gather(*map(look_at, self._options.models))
        try:
            await together(self._serve_sim(), self._start_planes(looks))
        finally:
            looks.cancel()
        for port in self._ports.values():
            port.release()
        self._announce(has_portal=await self._answers(f"{self._url('control')}/index.html")())

    async def _start_planes(self, looks: asyncio.Future[list[Engine]]) -> None:
        database_url, redis_url = await self._start_servers()
        await self._migrate(database_url)
        settings = self._settings(database_url, redis_url)
        self._parts.control.serve(settings)
        self._parts.gateway.serve(settings)
        await together(self._until_ready(self._parts.gateway, self._gateway_probe()), self._set_up(looks))

    async def _start_servers(self) -> tuple[str, str]:
        async def started(title: str, server: EmbeddedPostgres | EmbeddedValkey | None, given: str | None) -> str:
            url = given or (await server.start() if server else "")
            self._screen.step(title, "given" if given else "ready")
            return url

        known = self._options.environment
        database_url, redis_url = await together(
            started("PostgreSQL", self._postgres, known.database_url),
            started("Valkey", self._valkey, known.redis_url),
        )
        return database_url, redis_url

    async def _migrate(self, database_url: str) -> None:
        try:
            await asyncio.to_thread(upgrade, database_url, self._environ.get("LITEMAAS_TIMEZONE") or "UTC")
        except ZoneDiffers as error:
            raise CannotStart(str(error)) from None
        except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            where = "the embedded PostgreSQL" if self._postgres else "the database of LITEMAAS_DATABASE_URL"
            raise CannotStart(f"{where} cannot be used: {describe_database_error(error)}") from error
        self._screen.step("schema", "current")

    def _settings(self, database_url: str, redis_url: str) -> dict[str, str]:
        """What both planes are told; settings of the person's that are not ours to choose go through."""
        given = {name: value for name, value in self._environ.items() if name.startswith("LITEMAAS_")}
        return (
            {"LITEMAAS_GATEWAY_PUBLIC_URL": self._url("gateway")}
            | given
            | {
                "LITEMAAS_DATABASE_URL": database_url,
                "LITEMAAS_REDIS_URL": redis_url,
                "LITEMAAS_MASTER_KEY": self._master_key,
                "LITEMAAS_ENCRYPTION_KEY": self._options.environment.encryption_key or self._state.encryption_key(),
                "LITEMAAS_STATE_DIR": str(self._state.path),
                "LITEMAAS_GATEWAY__PORT": str(self._ports["gateway"].number),
                "LITEMAAS_GATEWAY__CONTROL_URL": self._url("control"),
                "LITEMAAS_CONTROL__PORT": str(self._ports["control"].number),
                "LITEMAAS_HOST_POLICY": "single-machine",
                **self._developer_sign_in(given),
                "LITEMAAS_BACKUP_TARGET": given.get("LITEMAAS_BACKUP_TARGET", str(self._state.path / "backups")),
            }
        )

    def _developer_sign_in(self, given: Mapping[str, str]) -> dict[str, str]:
        """Three fixed people can sign in where only this machine reaches the control plane and no provider is set."""
        has_provider = given.get("LITEMAAS_OIDC_ISSUER") or given.get("LITEMAAS_OPENSHIFT_OAUTH_URL")
        is_alone = is_loopback(self._options.environment.control.host) and is_here(
            given.get("LITEMAAS_PUBLIC_URL") or self._url("control")
        )
        return {"LITEMAAS_DEVELOPER_SIGN_IN": "true"} if is_alone and not has_provider else {}

    async def _serve_sim(self) -> None:
        if self._parts.sim is not None:
            self._parts.sim.serve({f"{name}_port": self._ports[name].number for name in demo.SERVERS})
            await self._until_ready(self._parts.sim, self._sim_probe())

    async def _until_ready(self, part: Part, probe: Probe) -> None:
        await part.until_ready(probe)
        self._screen.step(part.title)

    def _gateway_probe(self) -> Probe:
        return self._answers(f"{self._url('gateway')}/health/readiness")

    def _control_probe(self) -> Probe:
        return self._answers(f"{self._url('control')}/health/ready")

    def _sim_probe(self) -> Probe:
        return self._answers(f"{self._url('documents')}/health")  # the last of the three to listen

    def _answers(self, url: str) -> Probe:
        async def probe() -> bool:
            try:
                return (await self._client.get(url)).status_code == 200
            except httpx2.HTTPError:
                return False

        return probe

    async def _set_up(self, looks: asyncio.Future[list[Engine]]) -> None:
        """Registers models and keys as soon as the control plane is ready, and waits until the gateway knows them."""
        await self._until_ready(self._parts.control, self._control_probe())
        administration = Administration(self._url("control"), self._master_key)
        try:
            engines = await looks
            for engine in engines:
                if engine.doubt:
                    self._screen.warn(engine.doubt)
            wanted = real_models(self._options.models, engines)
            for model in wanted:
                await administration.register(model)
            for credential in self._options.credentials:
                await administration.keep_credential(credential)
            await administration.keep_guardrails(self._options.guardrails)
            await administration.keep_budgets(self._options.budgets)
            await administration.keep_price_terms(self._options.price_terms)
            await administration.keep_webhooks(self._options.webhooks)
            for body in self._options.listed:
                await administration.register_listed(body)
            for route in self._options.pass_through:
                await administration.keep_route(route)
            if self._options.demo:
                urls = {name: self._url(name) for name in demo.SERVERS}
                wanted += await register_demo(administration, urls, self._state)
            elif self._state.demo_key is not None:
                await pause_demo(administration, (model.name for model in wanted))
            for name, routing in self._options.routing.items():
                await administration.route(name, routing)
        finally:
            await administration.close()
        await self._parts.gateway.until_ready(self._gateway_probe())
        names = {model.name for model in wanted} | {str(body["model_name"]) for body in self._options.listed}
        if names:
            await until_known(self._client, self._url("gateway"), self._master_key, names)
            self._screen.step("models", "known")

    def _announce(self, *, has_portal: bool) -> None:
        connection = {
            "LITEMAAS_GATEWAY_URL": self._url("gateway"),
            "LITEMAAS_CONTROL_URL": self._url("control"),
            "LITEMAAS_MASTER_KEY": self._master_key,
        }
        demo_key = self._state.demo_key if self._options.demo else None
        if demo_key is not None:
            connection["LITEMAAS_DEMO_KEY"] = demo_key
        file = self._state.publish_connection(connection)
        models = list(dict.fromkeys(option.name for option in self._options.models))
        self._screen.ready(
            Summary(self._url("gateway"), self._url("control"), self._state.path, file, demo_key, models, has_portal)
        )

    # -- stay ---------------------------------------------------------------------------------------------------------

    async def _keep_all(self) -> None:
        keepers = [
            self._keep_part(self._parts.gateway, self._gateway_probe()),
            self._keep_part(self._parts.control, self._control_probe()),
            self._tend_logs(),
        ]
        if self._parts.sim is not None:
            keepers.append(self._keep_part(self._parts.sim, self._sim_probe()))
        if self._postgres is not None:
            keepers.append(self._keep_server("PostgreSQL", self._postgres))
        if self._valkey is not None:
            keepers.append(self._keep_server("Valkey", self._valkey))
        await together(*keepers)

    async def _keep_part(self, part: Part, probe: Probe) -> None:
        async def restart() -> None:
            part.restart()
            await part.until_ready(probe)

        await keep(part.title, lambda: part.is_running, restart, part.how_it_ended, self._screen)

    async def _keep_server(self, title: str, server: EmbeddedPostgres | EmbeddedValkey) -> None:
        url = server.url

        async def restart() -> None:
            if await server.start() != url:
                raise CannotStart(f"{title} lost its port to another program: start the platform again.")

        await keep(title, lambda: server.pid is not None, restart, lambda: "by itself or by force", self._screen)

    async def _tend_logs(self) -> None:
        while True:
            await asyncio.sleep(_LOGS_TENDED_EVERY_S)
            for part in self._parts:
                bound_log(part.log)

    # -- stop ---------------------------------------------------------------------------------------------------------

    async def stop(self, hurry: asyncio.Event) -> None:
        """Ends everything, who depends on others first. ``hurry``: nobody waits for running calls any more."""
        self._state.withdraw_connection()
        drain_s = self._options.environment.gateway.drain_timeout_s
        for part in self._parts:
            await part.stop((drain_s if part is self._parts.gateway else 0.0) + _STOP_WITHIN_S, hurry)
        if self._valkey is not None:
            await self._valkey.stop()
        if self._postgres is not None:
            await self._postgres.stop()
        for port in self._ports.values():
            port.release()
        await self._client.aclose()
