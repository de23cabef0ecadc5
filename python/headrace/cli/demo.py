"""`headrace demo`."""

import asyncio
import importlib.util
import os
import shlex
import shutil
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from headrace.cli.options import Common, common_options, examples
from headrace.cli.output import as_json, progress, table
from headrace.errors import OperationError

if TYPE_CHECKING:
    from headrace.demo.stage import Scene

LAST_LINES = 10
NEEDS = ("jinja2", "markdown_it", "python_multipart")


@click.command(
    epilog=examples(
        "headrace demo                                     # https://localhost:2000",
        "headrace demo --posts ~/notes --workers 4",
        "headrace demo --check                             # a scripted visit instead",
        "headrace demo --port 0 --admin-port 0 --blog-port 0 --data-port 0 --cache-port 0 --logs-port 0",
    )
)
@click.option("--posts", type=click.Path(path_type=Path), metavar="FOLDER", help="Show the Markdown files in FOLDER.")
@click.option(
    "--workers", type=click.IntRange(1, 64), metavar="N", default=2, show_default=True, help="How many app servers."
)
@click.option("--host", metavar="HOST", default="127.0.0.1", show_default=True, help="Where the balancer listens.")
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", default=2000, show_default=True, help="The balancer's port."
)
@click.option(
    "--admin-port", type=click.IntRange(0, 65535), metavar="N", default=2001, show_default=True, help="Its admin port."
)
@click.option(
    "--blog-port",
    type=click.IntRange(0, 65535),
    metavar="N",
    default=3000,
    show_default=True,
    help="The first worker's.",
)
@click.option(
    "--data-port",
    type=click.IntRange(0, 65535),
    metavar="N",
    default=4000,
    show_default=True,
    help="The data service's.",
)
@click.option(
    "--cache-port", type=click.IntRange(0, 65535), metavar="N", default=5000, show_default=True, help="The cache's."
)
@click.option(
    "--logs-port",
    type=click.IntRange(0, 65535),
    metavar="N",
    default=6000,
    show_default=True,
    help="The central log's.",
)
@click.option("--check", is_flag=True, help="Visit it by a script, print a line for each step, exit 0 or 1.")
@click.option("--no-browser", is_flag=True, help="Open no browser.")
@common_options
def command(
    common: Common,
    posts: Path | None,
    workers: int,
    host: str,
    port: int,
    admin_port: int,
    blog_port: int,
    data_port: int,
    cache_port: int,
    logs_port: int,
    *,
    check: bool,
    no_browser: bool,
) -> None:
    """Run a blog behind the balancer: a data service, a cache, a balancer, two app servers, a central log.

    Each is a process of its own.

    Port 0 picks a free one. Posts that you write are kept in STATE/demo.
    """
    needed = (*NEEDS, "h2") if check else NEEDS  # the script speaks HTTP/2, the demo itself doesn't
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise OperationError(f"the demo needs {', '.join(missing)}", hint="pip install 'headrace[demo]'")
    from headrace.demo.data import OWN_POSTS  # noqa: PLC0415 - needs what was looked for above
    from headrace.demo.folder import read_posts  # noqa: PLC0415
    from headrace.demo.ports import Ports, settle  # noqa: PLC0415
    from headrace.demo.stage import Scene  # noqa: PLC0415

    folder = posts.expanduser().resolve() if posts else OWN_POSTS
    read_posts(folder)
    ports = settle(Ports(port, admin_port, blog_port, data_port, cache_port, logs_port), host, workers)
    scene = Scene(common.state.path, ports, host, workers, folder, common.log_level)
    if not asyncio.run(_play(scene, common, check=check, browser=not no_browser)):
        click.get_current_context().exit(1)


async def _play(scene: "Scene", common: Common, *, check: bool, browser: bool) -> bool:
    """Runs the scene until somebody ends it, or for the length of a scripted visit."""
    from headrace.demo.stage import Stage  # noqa: PLC0415
    from headrace.demo.visit import visit  # noqa: PLC0415

    async with Stage(scene, progress) as stage:
        if stage.stopped:
            return not check
        if check:
            return await stage.perform(lambda: visit(scene.url, scene.ca, scene.workers, scene.log, click.echo))
        _announce(scene, common)
        if browser and _can_show():
            await asyncio.to_thread(webbrowser.open, scene.url)
        await stage.until_stopped()
        progress("stopping: the app servers leave, then the others end; a second signal stops at once")
    _show_last_lines(scene)
    return True


def _show_last_lines(scene: "Scene") -> None:
    """How the visitor meets the central log: it is complete once all have ended."""
    lines = scene.log.read_text("utf-8", errors="replace").splitlines() if scene.log.exists() else []
    progress("\n".join([f"\nthe last lines of {scene.log}:", *lines[-LAST_LINES:]]))


def _announce(scene: "Scene", common: Common) -> None:
    from headrace.demo.stage import parts  # noqa: PLC0415

    found = [(name, url) for part in parts(scene) for name, url in part.urls.items()]
    if common.json:
        as_json({"ready": "demo", "url": scene.url, "parts": [{"name": name, "url": url} for name, url in found]})
        return
    progress("\n" + table(["PART", "WHERE"], found) + "\n")
    trust = f"{_own_name()} certs trust" + (
        f" --state {shlex.quote(str(common.state_flag))}" if common.state_flag else ""
    )
    progress(f"A browser warns until it trusts the local authority: {trust}. Ctrl-C ends it all.")
    click.echo(f"demo ready: {scene.url}")


def _own_name() -> str:
    """How this command is typed: by its path where that isn't on the PATH, as after `make demo`."""
    typed = sys.argv[0]
    by_path = Path(typed).name == "headrace" and shutil.which("headrace") != str(Path(typed).absolute())
    return shlex.quote(typed) if by_path else "headrace"


def _can_show() -> bool:
    """Whether somebody sits before it: a terminal, and a display to open a window on."""
    return sys.stdout.isatty() and bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
