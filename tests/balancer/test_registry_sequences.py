"""Whatever happens in whatever order."""

from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from headrace.balancer.heartbeat import Heartbeat
from headrace.balancer.member import Offer, State
from headrace.balancer.registry import Registry, Rules
from headrace.balancer.routing import Planner
from headrace.clock import Clock

ADDRESSES = strategies.sampled_from(["127.0.0.1:3000", "127.0.0.1:3001", "unix:/run/app.sock"])
INDEX = strategies.integers(0, 20)


class Sequences(RuleBasedStateMachine):
    @initialize()
    def begin(self):
        self.now = 0.0
        clock = Clock(monotonic=lambda: self.now, wall=lambda: self.now)
        self.registry = Registry(Rules(), clock)
        self.planner = Planner([], 30.0, clock)
        self.asked = []
        self.heartbeat = Heartbeat(
            lambda server, _: self.asked.append(server),
            interval=2.0,
            timeout=5.0,
            clock=clock,
            uniform=lambda low, _: low,
        )
        self.gone = set()

    def pick(self, index):
        members = self.registry.members()
        return members[index % len(members)].id if members else None

    @rule(address=ADDRESSES)
    def register(self, address):
        member = self.registry.register(Offer(address))
        assert member.id not in self.gone
        assert member.state is not State.GONE

    @rule(index=INDEX, ok=strategies.booleans())
    def probed(self, index, ok):
        if server := self.pick(index):
            before = self.registry.get(server)
            after = self.registry.probed(server, ok=ok)
            assert (after is None) == (not before.probed)
            if after:
                self.heartbeat.answered(after, ok=ok)

    @rule(index=INDEX, held=strategies.booleans())
    def leave(self, index, held):
        if server := self.pick(index):
            assert self.registry.leave(server, "it leaves", held=held).state in (State.DRAINING, State.GONE)

    @rule(index=INDEX)
    def let_in(self, index):
        if server := self.pick(index):
            self.registry.let_in(server)

    @rule(index=INDEX)
    def remove(self, index):
        if server := self.pick(index):
            assert self.registry.remove(server).state is State.GONE

    @rule(index=INDEX)
    def emptied(self, index):
        if server := self.pick(index):
            self.registry.emptied(server)

    @rule(seconds=strategies.floats(0.1, 40))
    def time_passes(self, seconds):
        self.now += seconds
        self.registry.tick()
        self.asked.clear()
        self.heartbeat.beat()
        for server in self.asked:
            assert self.registry.get(server).probed

    @invariant()
    def nobody_comes_back_from_gone(self):
        if not hasattr(self, "registry"):
            return
        for member in self.registry.take_changes():
            self.heartbeat.watch(member)
            assert member.id not in self.gone
            if member.state is State.GONE:
                self.gone.add(member.id)
        assert not self.gone & {m.id for m in self.registry.members() if m.state is not State.GONE}

    @invariant()
    def only_those_who_are_up_are_picked(self):
        if not hasattr(self, "registry"):
            return
        members = self.registry.members()
        picked = [m.id for service in self.planner.plan(members).services for m in service.members]
        assert picked == [m.id for m in members if m.state is State.UP]

    @invariant()
    def an_address_has_one_server_that_stays(self):
        if not hasattr(self, "registry"):
            return
        staying = [m.address for m in self.registry.members() if m.probed or m.held]
        assert len(staying) == len(set(staying))

    @invariant()
    def whoever_drains_by_itself_has_a_deadline(self):
        if not hasattr(self, "registry"):
            return
        for member in self.registry.members():
            if member.state is State.DRAINING and not member.held:
                assert member.deadline is not None


TestSequences = Sequences.TestCase
TestSequences.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
