"""`headrace serve`."""

import asyncio
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import click

from headrace.app.dial import Dial
from headrace.app.loading import AppName
from headrace.app.place import Place, places
from headrace.app.plan import CentralLog, Membership, Plan
from headrace.app.supervisor import Supervisor
from headrace.certs.authority import Authority
from headrace.cli.central import log_centrally
from headrace.cli.identity import EVERYWHERE, LOCAL_NAMES, Identity, is_foreign, joined_identity, local_identity
from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import as_json, progress
from headrace.errors import UsageError
from headrace.settings import AppSettings, TlsSettings, load
from headrace.state import StateFolder

if TYPE_CHECKING:
    from headrace.app.interface import Interface


@click.command(
    epilog=examples(
        "headrace serve shop:app --workers 2                     # https://127.0.0.1:3000 and :3001",
        "headrace serve shop:app --balancer https://127.0.0.1:2001",
        "headrace serve shop:create_app --factory --reload",
        "headrace serve shop.wsgi:application --uds /run/shop --balancer https://127.0.0.1:2001",
    )
)
@click.argument("app", metavar="APP")
@click.option("--interface", metavar="KIND", help="asgi, wsgi, or auto: found out.")
@click.option("--factory", is_flag=True, default=None, help="APP is a function that makes the app.")
@click.option("--host", metavar="HOST", help="Listen there.  [default: 127.0.0.1]")
@click.option("--port", metavar="N", help="The first worker's port, the others follow; 0: free ones.  [default: 3000]")
@click.option("--uds", metavar="FOLDER", help="Unix sockets in FOLDER in place of ports.")
@click.option("--workers", metavar="N", help="How many processes.  [default: 1]")
@click.option("--balancer", metavar="URL", help="Register at this admin port, e.g. https://127.0.0.1:2001.")
@click.option("--service", metavar="NAME", multiple=True, help="What this app handles; repeat it for more.")
@click.option("--weight", metavar="N", help="Share of the requests, relative to others.  [default: 1]")
@click.option("--capacity", metavar="N", help="Most requests at once for each worker.  [default: no bound]")
@click.option(
    "--address", metavar="HOST", help="Where the balancer reaches the workers, if not where it is called from."
)
@click.option("--ca", metavar="FILE", help="The authority of the balancer's admin port.")
@click.option("--plain", is_flag=True, default=None, help="Plain HTTP between balancer and workers.")
@click.option("--reload", is_flag=True, default=None, help="Restart the workers when Python files change.")
@click.option("--ping-path", metavar="PATH", help="Where readiness is told.  [default: /ping]")
@click.option("--drain", metavar="TIME", help="How long requests may take once a stop was asked for.  [default: 30s]")
@click.option("--logs", metavar="URL", help="Log to this collector, too, e.g. https://127.0.0.1:6000.")
@common_options
def command(common: Common, app: str, **flags: object) -> None:
    """Run an ASGI or WSGI app in worker processes that join the balancer by themselves.

    APP is module:attribute, as in shop:app, found in the current folder or on the Python path.
    """
    AppName.parse(app)
    settings = load(AppSettings, flags, file=common.settings_file)
    tls = load(TlsSettings, {}, file=common.settings_file)
    foreign = is_foreign(settings.ca, common.state)
    authority = None if foreign else Authority(common.state.path / "certs")
    membership = _membership(settings, common, foreign=foreign) if settings.balancer else None
    identity = _identity(settings, tls, common.state, authority, membership)
    log_centrally(common, settings.logs, "app servers", settings.ca)
    plan = _plan(app, settings, common, membership, identity)
    wanted = places(
        host=settings.host, port=settings.port, uds=settings.uds, workers=settings.workers, tls=identity is not None
    )
    if not asyncio.run(_supervise(plan, wanted, settings, common, identity, tls.renewal)):
        click.get_current_context().exit(1)


def _identity(
    settings: AppSettings,
    tls: TlsSettings,
    state: StateFolder,
    authority: Authority | None,
    membership: Membership | None,
) -> Identity | None:
    """None where workers speak plain HTTP."""
    if settings.plain or settings.uds is not None:
        return None
    if authority is None and membership is not None:
        return joined_identity(state, membership)
    return local_identity(authority or Authority(state.path / "certs"), settings, tls)


def _plan(
    app: str, settings: AppSettings, common: Common, membership: Membership | None, identity: Identity | None
) -> Plan:
    return Plan(
        app,
        interface=cast("Interface", settings.interface),
        factory=settings.factory,
        ping_path=_path(settings.ping_path),
        keep_alive=settings.keep_alive,
        drain=settings.drain,
        certificate=identity.certificate if identity else None,
        membership=membership,
        log_level=common.log_level,
        logs=_logs(settings, common),
    )


def _logs(settings: AppSettings, common: Common) -> CentralLog | None:
    if settings.logs is None:
        return None
    return CentralLog(settings.logs, str(common.state.path), str(settings.ca) if settings.ca else None)


async def _supervise(
    plan: Plan,
    wanted: Sequence[Place],
    settings: AppSettings,
    common: Common,
    identity: Identity | None,
    renewal: float,
) -> bool:
    def announce(bound: Sequence[Place]) -> None:
        urls = [place.url for place in bound]
        if common.json:
            as_json({"ready": "app", "app": plan.app, "urls": urls})
        else:
            click.echo(f"app ready: {' '.join(urls)}")

    watch = Path.cwd() if settings.reload else None
    renew = identity.renew if identity else None
    return await Supervisor(plan, wanted, announce, watch=watch, renew=renew, renewal=renewal).run()


def _membership(settings: AppSettings, common: Common, *, foreign: bool) -> Membership:
    assert settings.balancer is not None
    ca = str(settings.ca or common.state.ca)
    Dial.to_url(settings.balancer, ca).close()  # says at once what is wrong with either
    if common.state.token(create=not foreign) is None:
        raise UsageError(
            f"there is no token for the balancer at {settings.balancer}",
            hint="set HEADRACE_BALANCER_TOKEN to what `headrace token` prints on its machine",
        )
    if _is_local(settings.host) and not settings.address and not settings.uds and not _is_near(settings.balancer):
        progress(f"the balancer at {settings.balancer} may not reach {settings.host}; consider --host 0.0.0.0")
    named = None if settings.host in (*LOCAL_NAMES, *EVERYWHERE) else settings.host
    return Membership(
        settings.balancer.rstrip("/"),
        ca,
        str(common.state.path),
        service=settings.service,
        weight=settings.weight,
        capacity=settings.capacity,
        version=settings.version,
        address=settings.address or named,
    )


def _path(text: str) -> str:
    if not text.startswith("/"):
        raise UsageError(f"the ping path {text!r} doesn't begin with a slash", hint="write --ping-path /ping")
    return text


def _is_local(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def _is_near(url: str) -> bool:
    return _is_local(urlsplit(url).hostname or "")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
