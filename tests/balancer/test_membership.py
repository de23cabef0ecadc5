"""What happens is decided, published, saved and told, at once."""

import asyncio
import json

import pytest

from headrace.balancer.member import Offer, State
from headrace.balancer.registration import BadRegistrationError
from headrace.balancer.registry import Rules

from .conftest import CoreEvent, eventually

APP = "127.0.0.1:3000"


@pytest.fixture
async def running(rig):
    """The rig with its two tasks under way."""
    tasks = [asyncio.create_task(part) for part in (rig.membership.run(), rig.membership.keep_saved())]
    yield rig
    rig.membership.stop()
    await asyncio.gather(*tasks)


async def test_a_server_is_picked_as_soon_as_its_first_probe_passed(rig):
    member = rig.membership.register(Offer(APP))
    assert rig.traffic.picked() == []
    rig.probe(member.id, ok=True)
    assert rig.traffic.picked() == [member.id]


async def test_a_leaving_server_is_out_of_the_table_when_the_call_returns(rig):
    server = rig.up(APP)
    rig.membership.leave(rig.membership.registry.get(server), "it unregistered")
    assert rig.traffic.picked() == []


async def test_renewals_publish_nothing(rig):
    rig.up(APP)
    plans = len(rig.traffic.plans)
    for _ in range(10):
        rig.membership.register(Offer(APP))
    assert len(rig.traffic.plans) == plans


async def test_the_cores_word_that_nothing_is_in_flight_ends_the_drain(rig):
    server = rig.up(APP)
    member = rig.membership.leave(rig.membership.registry.get(server), "it unregistered")
    waiting = asyncio.create_task(rig.membership.wait_gone(member, 5))
    await asyncio.sleep(0)
    rig.membership.happened([CoreEvent("drained", server)])
    await waiting
    assert rig.membership.registry.get(server).state is State.GONE


async def test_waiting_for_a_drain_ends_in_time(rig):
    server = rig.up(APP)
    rig.traffic.in_flight[server] = 1
    member = rig.membership.leave(rig.membership.registry.get(server), "it unregistered")
    await rig.membership.wait_gone(member, 0.01)
    assert rig.membership.view(member)["in_flight"] == 1
    assert rig.membership.view(member)["state"] == "draining"


async def test_a_server_that_was_not_in_the_table_leaves_without_a_word_of_the_core(running):
    member = running.membership.register(Offer(APP))
    running.membership.leave(member, "it unregistered")
    running.time.pass_(0.3)
    await eventually(lambda: running.membership.registry.get(member.id).state is State.GONE)


async def test_what_is_in_flight_when_the_drain_is_over_is_cut(running):
    server = running.up(APP)
    running.traffic.in_flight[server] = 2
    running.membership.leave(running.membership.registry.get(server), "it unregistered")
    for _ in range(31):
        running.time.pass_(0.99)
        await asyncio.sleep(0)
    await eventually(lambda: running.traffic.cuts == [server])


async def test_streams_of_a_leaving_server_end_over_the_time_it_stays(rig):
    server = rig.up(APP)
    rig.membership.leave(rig.membership.registry.get(server), "it unregistered", stays=12.0)
    assert rig.traffic.ending == {server: 12.0}


async def test_streams_of_a_server_whose_lease_ended_end_over_the_drain(running):
    server = running.up(APP)
    for _ in range(3):
        running.time.pass_(4)
        await eventually(lambda: running.membership.registry._last_tick == running.time.now)
    assert running.traffic.ending == {server: 30.0}


async def test_a_server_that_is_down_keeps_its_streams(rig):
    server = rig.up(APP)
    for _ in range(3):
        rig.probe(server, ok=False)
    assert rig.membership.registry.get(server).state is State.DOWN
    assert rig.traffic.ending == {}


async def test_a_removed_server_is_cut_at_once(rig):
    server = rig.up(APP)
    rig.traffic.in_flight[server] = 2
    rig.membership.remove(rig.membership.registry.get(server))
    assert rig.traffic.cuts == [server]
    assert rig.traffic.picked() == []


async def test_a_new_server_is_probed_at_once_and_a_leaving_one_no_more(running):
    member = running.membership.register(Offer(APP))
    await eventually(lambda: running.asked == [member.id])
    running.membership.leave(member, "it unregistered")
    running.time.pass_(20)
    await asyncio.sleep(0.02)
    assert running.asked == [member.id]


async def test_a_lease_that_ends_takes_the_server_out(running):
    server = running.up(APP)
    for _ in range(3):
        running.time.pass_(4)
        await eventually(lambda: running.membership.registry._last_tick == running.time.now)
    await eventually(lambda: running.traffic.picked() == [])
    assert "not renewed" in running.membership.registry.get(server).reason


async def test_the_end_of_holding_is_published_by_itself(make_rig):
    rig = make_rig(hold=5.0)
    server = rig.up(APP)
    rig.membership.remove(rig.membership.registry.get(server))
    assert rig.traffic.plans[-1].services[0].hold
    rig.time.pass_(6)
    rig.membership.happened([])
    assert not rig.traffic.plans[-1].services[0].hold


async def test_every_change_is_saved(running, tmp_path):
    running.up(APP)
    file = tmp_path / "membership.json"
    await eventually(lambda: file.exists() and '"state": "up"' in file.read_text())


async def test_what_is_unsaved_at_the_end_is_saved_then(rig, tmp_path):
    saving = asyncio.create_task(rig.membership.keep_saved())
    await asyncio.sleep(0)
    rig.up(APP)
    rig.membership.stop()
    await saving
    assert json.loads((tmp_path / "membership.json").read_text())["members"][0]["state"] == "up"


async def test_a_disk_that_refuses_stops_nothing(rig, tmp_path, caplog):
    (tmp_path / "membership.json").mkdir()
    saving = asyncio.create_task(rig.membership.keep_saved())
    rig.up(APP)
    rig.membership.stop()
    await saving
    assert "not saved" in caplog.text
    assert rig.traffic.picked() == ["s1"]


async def test_restored_members_are_picked_before_anything_else_happens(make_rig):
    before = make_rig()
    saving = asyncio.create_task(before.membership.keep_saved())
    server = before.up(APP)
    before.membership.stop()
    await saving
    after = make_rig()
    after.membership.restore([Offer("127.0.0.1:4000", static=True)])
    assert after.traffic.picked() == [server]
    assert [plan.services[0].hold for plan in after.traffic.plans] == [False]


async def test_requests_wait_for_a_static_server_that_is_not_probed_yet(rig):
    rig.membership.restore([Offer(APP, static=True)])
    assert rig.traffic.plans[-1].services[0].hold


async def test_a_server_that_the_core_refuses_is_not_registered(rig):
    with pytest.raises(BadRegistrationError):
        rig.membership.register(Offer("refused:3000"))
    assert rig.membership.registry.members() == []


async def test_every_change_is_told(rig):
    server = rig.up(APP)
    rig.membership.leave(rig.membership.registry.get(server), "it unregistered")
    rig.membership.happened([CoreEvent("drained", server)])
    assert [data["state"] for _, data in rig.news] == ["joining", "up", "draining", "gone"]


async def test_a_listener_that_fails_is_told(rig):
    rig.membership.happened([CoreEvent("listener", ok=False, detail="too many open files")])
    assert rig.news == [("listener", {"ok": False, "detail": "too many open files"})]


async def test_a_thousand_servers_join_quickly(make_rig):
    rig = make_rig(rules=Rules())
    ids = [rig.membership.register(Offer(f"127.0.0.1:{port}")).id for port in range(1, 1001)]
    rig.membership.happened([CoreEvent("probe", server) for server in ids])
    assert len(rig.traffic.picked()) == 1000
    assert len(rig.traffic.plans) < 5
