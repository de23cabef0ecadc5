"""App servers on another machine join with two things, the authority's certificate and the token.

The other machine is another address of this one, and a state folder of its own.
"""

import shutil
from pathlib import Path

import pytest
from cryptography import x509

from headrace.certs.authority import Authority
from tests.processes import HEADRACE, START, Process, free_port, until

from .stack import Stack

ELSEWHERE = "127.0.0.2"


class Machine:
    """A machine beside the balancer's: what was copied to it, and what it starts."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.state = folder / "elsewhere"
        self.ca = folder / "copied.pem"
        self.token = ""

    def is_given(self) -> None:
        """The two things that the balancer's operator hands over."""
        shutil.copy(self.stack.ca, self.ca)
        self.token = (self.stack.state / "token").read_text().strip()

    def serve(self, *flags: str, host: str = ELSEWHERE) -> Process:
        place = ("--host", host, "--port", str(free_port()), "--state", str(self.state), "--ca", str(self.ca))
        command = (*HEADRACE, "serve", "plain:app", "--balancer", self.stack.admin_url, *place, *flags)
        return self.stack.start("elsewhere", *command, env={"HEADRACE_BALANCER_TOKEN": self.token})


@pytest.fixture
def machine(stack: Stack, tmp_path: Path) -> Machine:
    return Machine(stack, tmp_path)


def end(process: Process) -> tuple[int, str]:
    """Its exit code and what it said, once it has ended by itself."""
    return process.popen.wait(START), process.err.read_text()


def test_it_joins_over_verified_tls_serves_and_leaves(stack: Stack, machine: Machine):
    stack.balance()
    machine.is_given()
    process = machine.serve()
    stack.wait_until_up(1)
    (server,) = stack.up()
    assert server["address"].startswith(f"{ELSEWHERE}:")
    assert server["scheme"] == "https"
    with stack.client() as client:
        assert client.post("/echo", content=b"from afar").content == b"from afar"
    assert process.stop() == 0, process.output()
    until(lambda: not stack.up(), 5, "leaving")


def test_the_admin_port_is_verified_by_the_address_it_was_given(stack: Stack, machine: Machine):
    stack.admin_url = f"https://127.0.0.3:{stack.port + 1}"
    stack.balance("--admin", stack.admin_url.removeprefix("https://"))
    machine.is_given()
    machine.serve()
    stack.wait_until_up(1)


def test_its_key_never_left_and_no_second_authority_was_made(stack: Stack, machine: Machine):
    stack.balance()
    machine.is_given()
    machine.serve()
    stack.wait_until_up(1)
    certs = machine.state / "certs"
    assert not (certs / "ca-key.pem").exists()
    (leaf,) = [path for path in certs.glob("*.pem") if not path.name.endswith("-key.pem")]
    authority = x509.load_pem_x509_certificate(machine.ca.read_bytes())
    x509.load_pem_x509_certificate(leaf.read_bytes()).verify_directly_issued_by(authority)


def test_it_waits_for_a_balancer_that_is_not_there_yet(stack: Stack, machine: Machine):
    balancer = stack.balance()
    machine.is_given()
    balancer.stop()
    process = machine.serve()
    until(lambda: "waiting for it" in process.output(), START, "word of waiting")
    stack.balance()
    stack.wait_until_up(1)


def test_with_a_certificate_of_before_it_serves_on_without_the_balancer(stack: Stack, machine: Machine):
    balancer = stack.balance()
    machine.is_given()
    first = machine.serve()
    stack.wait_until_up(1)
    first.stop()
    balancer.stop()
    machine.serve().wait_for_line("app ready")


@pytest.mark.parametrize(
    ("token", "says"),
    [("wrong", ["the token is not this service's"]), ("", ["no token", "HEADRACE_BALANCER_TOKEN"])],
    ids=["wrong", "none"],
)
def test_a_wrong_token_is_one_clear_line(stack: Stack, machine: Machine, token: str, says: list[str]):
    stack.balance()
    machine.is_given()
    machine.token = token
    code, said = end(machine.serve())
    assert code == (1 if token else 2)
    assert len(said.splitlines()) == 1, said
    assert all(word in said for word in says), said


def test_a_wrong_authority_is_one_clear_line(stack: Stack, machine: Machine, tmp_path: Path):
    stack.balance()
    machine.is_given()
    machine.ca = Authority(tmp_path / "other").ca
    code, said = end(machine.serve())
    assert code == 1
    assert len(said.splitlines()) == 1, said
    assert str(machine.ca) in said
