"""A real browser that trusts the local authority as a user's would, and ignores no certificate error."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from playwright.async_api import async_playwright, expect

from tests.processes import until

pytestmark = pytest.mark.browser


def tool(name):
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is missing (.ci/run names its package)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return path


@pytest.fixture
def running(demo):
    """The demo, ready."""
    started = demo()
    assert started.url
    return started


@pytest.fixture
def home(running, tmp_path):
    """The environment of a user who has said `headrace certs trust`."""
    tool("certutil")
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    trust = [sys.executable, "-m", "headrace", "certs", "trust", "--state", running.state]
    subprocess.run(trust, env=environment, check=True, capture_output=True)
    return environment


@pytest.fixture
async def page(running, home):
    """A page of that user's Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=tool("chromium"), env=home)
        page = await browser.new_page(base_url=running.url)
        yield page
        await browser.close()


async def server(page):
    """Which app server answered the page that is shown."""
    return await page.locator(".answered").get_attribute("data-server")


async def seen(page, count):
    """The app servers of the next pages, until there are `count`."""
    servers = set()
    for _ in range(30):
        answer = await page.goto("/new")  # which is kept nowhere
        assert answer.status == 200
        servers.add(await server(page))
        if len(servers) == count:
            break
    return servers


async def test_the_blog_comes_trusted_over_http2_from_both_app_servers_in_turn(page):
    assert len(await seen(page, 2)) == 2
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(request.url))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    await page.goto("/", wait_until="networkidle")
    script = "performance.getEntriesByType(kind).map(entry => entry.nextHopProtocol)"
    assert await page.evaluate(f"kind => {script}", "navigation") == ["h2"]
    assert set(await page.evaluate(f"kind => {script}", "resource")) <= {"h2", ""}
    await expect(page.locator(".protocol")).to_have_text("HTTP/2")
    assert await page.locator("article").count() == 7
    drawn = "[...document.images].filter(image => image.loading !== 'lazy').every(image => image.naturalWidth > 0)"
    assert await page.evaluate(drawn)
    assert problems == []


async def test_a_post_is_edited_in_the_browser_and_read_from_both_app_servers(page):
    await page.goto("/posts/two-random-choices")
    assert await page.locator(".text img").evaluate("image => image.naturalWidth > 0")
    await page.click("text=Edit")
    await page.fill("#body", "Water **runs** downhill.\n\n<script>document.title = 'no'</script>")
    await page.click("text=Save")
    await expect(page.locator(".text strong")).to_have_text("runs")
    servers = set()
    for _ in range(30):
        await page.reload()
        await expect(page.locator(".text strong")).to_have_text("runs")
        servers.add(await server(page))
    assert len(servers) == 2
    assert "Two random choices" in await page.title()


async def test_the_foot_tells_what_comes_from_the_edge_and_since_when(page):
    await page.goto("/posts/two-random-choices")
    foot, title = page.locator(".kept"), page.locator("h1")
    await expect(foot).to_have_attribute("data-source", "call")
    deadline = time.monotonic() + 30
    while await foot.get_attribute("data-source") != "edge":
        assert time.monotonic() < deadline
        await page.goto("/posts/two-random-choices", wait_until="networkidle")
    assert re.fullmatch(r"From the edge, kept \d+ s ago", await foot.text_content())
    await page.reload(wait_until="networkidle")
    assert await foot.get_attribute("data-source") in ("service", "near")
    await expect(title).to_contain_text("Two random choices")


async def test_a_killed_app_server_is_not_noticed(page, running):
    assert len(await seen(page, 2)) == 2
    (victim,) = running.family(HEADRACE_WORKER="1")
    os.kill(victim, signal.SIGKILL)
    for _ in range(20):
        assert (await page.goto("/")).status == 200
    until(lambda: running.family(HEADRACE_WORKER="1") not in ([], [victim]), 30, "app server in its place")
    assert len(await seen(page, 2)) == 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
async def test_no_page_is_wider_than_the_window(page, scheme, width):
    await page.emulate_media(color_scheme=scheme)
    await page.set_viewport_size({"width": width, "height": 800})
    for path in ("/", "/posts/threads-processes-or-a-loop", "/posts/two-random-choices/edit", "/nothing"):
        await page.goto(path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
