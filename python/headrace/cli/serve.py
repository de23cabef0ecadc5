"""`headrace serve`."""

import asyncio
import functools
import hashlib
import ipaddress
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

import click

from headrace.app.dial import Dial
from headrace.app.loading import AppName
from headrace.app.place import Place, places
from headrace.app.plan import Certificate, Membership, Plan
from headrace.app.supervisor import Supervisor
from headrace.certs.authority import Authority, Leaf
from headrace.certs.names import host_names
from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import as_json, progress
from headrace.errors import UsageError
from headrace.settings import AppSettings, TlsSettings, load

if TYPE_CHECKING:
    from headrace.app.interface import Interface

LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - compared with what the user asks for


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
@common_options
def command(common: Common, app: str, **flags: object) -> None:
    """Run an ASGI or WSGI app in worker processes that join the balancer by themselves.

    APP is module:attribute, as in shop:app, found in the current folder or on the Python path.
    """
    AppName.parse(app)
    settings = load(AppSettings, flags, file=common.settings_file)
    authority = Authority(common.state.path / "certs")
    secured = not settings.plain and settings.uds is None
    names = _names(settings, load(TlsSettings, {}, file=common.settings_file))
    fresh_leaf = functools.partial(_leaf, authority, names) if secured else None
    plan = _plan(app, settings, common, authority, fresh_leaf() if fresh_leaf else None)
    wanted = places(host=settings.host, port=settings.port, uds=settings.uds, workers=settings.workers, tls=secured)
    if not asyncio.run(_supervise(plan, wanted, settings, common, fresh_leaf)):
        click.get_current_context().exit(1)


def _plan(app: str, settings: AppSettings, common: Common, authority: Authority, leaf: Leaf | None) -> Plan:
    certificate = Certificate(str(leaf.certificate), str(leaf.key), str(authority.ca)) if leaf else None
    return Plan(
        app,
        interface=cast("Interface", settings.interface),
        factory=settings.factory,
        ping_path=_path(settings.ping_path),
        keep_alive=settings.keep_alive,
        drain=settings.drain,
        certificate=certificate,
        membership=_membership(settings, common, authority) if settings.balancer else None,
        log_level=common.log_level,
    )


async def _supervise(
    plan: Plan, wanted: Sequence[Place], settings: AppSettings, common: Common, renew: Callable[[], object] | None
) -> bool:
    def announce(bound: Sequence[Place]) -> None:
        urls = [place.url for place in bound]
        if common.json:
            as_json({"ready": "app", "app": plan.app, "urls": urls})
        else:
            click.echo(f"app ready: {' '.join(urls)}")

    watch = Path.cwd() if settings.reload else None
    return await Supervisor(plan, wanted, announce, watch=watch, renew=renew).run()


def _membership(settings: AppSettings, common: Common, authority: Authority) -> Membership:
    assert settings.balancer is not None
    ca = str(settings.ca or authority.ca)
    Dial.to_url(settings.balancer, ca).close()  # says at once what is wrong with either
    common.state.token(create=True)
    if _is_local(settings.host) and not settings.address and not settings.uds and not _is_near(settings.balancer):
        progress(f"the balancer at {settings.balancer} may not reach {settings.host}; consider --host 0.0.0.0")
    named = None if _is_local(settings.host) or settings.host in EVERYWHERE else settings.host
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


def _names(settings: AppSettings, tls: TlsSettings) -> list[str]:
    """What the workers' certificate is for: this machine, and the addresses by which a balancer elsewhere comes."""
    if settings.host in EVERYWHERE:
        return [*host_names(), *filter(None, [settings.address]), *tls.names]
    own = [name for name in (settings.host, settings.address) if name and name not in LOCAL_NAMES]
    return [*LOCAL_NAMES, *own, *(tls.names if own else ())]


def _leaf(authority: Authority, names: Sequence[str]) -> Leaf:
    """One label for each set of names, so that two kinds of app servers don't take turns in renewing one file."""
    own = "-".join(name for name in names if name not in LOCAL_NAMES)
    digest = hashlib.sha256(own.encode()).hexdigest()[:12]
    return authority.leaf(names, f"app-{digest}" if own else "app")


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
