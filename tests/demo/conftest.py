import httpx
import pytest

from headrace.demo.blog import blog
from headrace.demo.client import DataClient
from headrace.demo.data import service
from headrace.demo.post import Draft
from headrace.demo.store import Store

from .running import FREE_PORTS, Demo
from .samples import DRAFT


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "demo" / "blog.db")


@pytest.fixture
def post(store):
    """A post that is there already."""
    return store.create(Draft(**DRAFT), "2026-02-01")


@pytest.fixture
async def data(store):
    """A client of the data service."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service(store)), base_url="https://data") as client:
        yield client


@pytest.fixture
async def visitor(data):
    """A browser, as far as cookies and redirects go, at the blog."""
    application = blog(DataClient(data))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="https://blog") as client:
        yield client


@pytest.fixture
def demo(tmp_path):
    """Starts demos, each on free ports of its own; ends what is left of them."""
    started = []

    def start(*arguments, ports=FREE_PORTS):
        started.append(Demo(tmp_path, *ports, *arguments))
        return started[-1]

    yield start
    for running in started:
        running.close()
