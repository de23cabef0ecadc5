"""The names a certificate is for: what is one, which are this machine's, which are private."""

import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from cryptography import x509

from headrace.errors import UsageError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Suffixes that no public authority signs (RFC 6761, 6762, 8375, ICANN's `internal`) and the two that routers hand out.
PRIVATE_SUFFIXES = ("localhost", "test", "local", "home.arpa", "internal", "localdomain", "lan")
# Loopback, RFC 1918, link-local, shared (RFC 6598) and unique local (RFC 4193) addresses.
PRIVATE_NETWORKS: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "127.0.0.0/8",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "169.254.0.0/16",
        "100.64.0.0/10",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


@dataclass(frozen=True)
class Realm:
    """What an authority may sign for, so that a stolen key cannot speak for the rest of the Internet.

    `suffixes` stand for themselves and all names below them.
    """

    suffixes: tuple[str, ...]
    networks: tuple[Network, ...]

    def holds(self, name: str) -> bool:
        """Whether `name` (normal form) lies in it.

        Example: `Realm(("test",), ()).holds("blog.test")` is true.
        """
        address = as_address(name)
        if address is not None:
            return any(address in network for network in self.networks if network.version == address.version)
        return any(name == suffix or name.endswith(f".{suffix}") for suffix in self.suffixes)


def realm_of(names: Iterable[str]) -> Realm:
    """The private names and networks, and `names` (a machine's own) where they are not among them."""
    private = Realm(PRIVATE_SUFFIXES, PRIVATE_NETWORKS)
    own = [name for name in names if not private.holds(name)]
    return Realm(
        private.suffixes + tuple(name for name in own if as_address(name) is None),
        private.networks + tuple(ip_network(name) for name in own if as_address(name) is not None),
    )


def host_names() -> list[str]:
    """What this machine is called: `localhost`, loopback, its host name, and the addresses it reaches others from.

    Example: `["localhost", "127.0.0.1", "::1", "mill.example.org", "mill", "192.168.1.7"]`.
    """
    full = socket.gethostname()
    names = ["localhost", "127.0.0.1", "::1", full, full.split(".")[0], *_outward_addresses()]
    return normal_names(name for name in names if _is_name(name))


def normal_names(names: Iterable[str]) -> list[str]:
    """`names` in normal form (lower case, ASCII, addresses as short as they go), each once, in their order.

    Raises `UsageError` for what is neither a host name, a wildcard nor an address.
    """
    return list(dict.fromkeys(_normal_name(name) for name in names))


def as_address(name: str) -> Address | None:
    """The address that `name` writes, or None when it is a host name."""
    try:
        return ip_address(name)
    except ValueError:
        return None


def general_names(names: Sequence[str]) -> list[x509.GeneralName]:
    """Names in normal form as a certificate has them."""
    addresses = ((name, as_address(name)) for name in names)
    return [x509.DNSName(name) if address is None else x509.IPAddress(address) for name, address in addresses]


def _normal_name(name: str) -> str:
    text = name.strip().rstrip(".").lower()
    address = as_address(text)
    if address is not None:
        return str(address)
    try:
        text = text.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise UsageError(f"{name!r} is not a host name", hint="give a name such as blog.test or an address") from error
    labels = text.removeprefix("*.").split(".")
    if len(text) > 253 or not all(_is_label(label) for label in labels):
        raise UsageError(f"{name!r} is not a host name", hint="give a name such as blog.test or an address")
    return text


def _is_label(label: str) -> bool:
    return label.replace("-", "").replace("_", "").isalnum() and label[0] != "-" and label[-1] != "-"


def _is_name(name: str) -> bool:
    try:
        _normal_name(name)
    except UsageError:
        return False
    return True


def _outward_addresses() -> list[str]:
    routes = (_outward_address(socket.AF_INET, "192.0.2.1"), _outward_address(socket.AF_INET6, "2001:db8::1"))
    return [address for address in routes if address]


def _outward_address(family: socket.AddressFamily, elsewhere: str) -> str:
    """The address packets to `elsewhere` would leave from; connecting a datagram socket sends none."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((elsewhere, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""
