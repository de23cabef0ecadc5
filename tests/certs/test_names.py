import pytest

from headrace.certs.names import Realm, as_address, host_names, normal_names, realm_of
from headrace.errors import UsageError


@pytest.mark.parametrize(
    ("given", "normal"),
    [
        ("LocalHost.", "localhost"),
        (" blog.test", "blog.test"),
        ("*.blog.test", "*.blog.test"),
        ("bücher.test", "xn--bcher-kva.test"),
        ("0:0::0:1", "::1"),
        ("127.0.0.1", "127.0.0.1"),
    ],
)
def test_a_name_has_one_normal_form(given, normal):
    assert normal_names([given]) == [normal]


@pytest.mark.parametrize("name", ["", ".", "a b", "-a.test", "a-.test", "a..test", "*", "a.*.test", "x" * 64, "a/b"])
def test_what_is_no_name_is_refused_by_its_name(name):
    with pytest.raises(UsageError, match="host name"):
        normal_names([name])


def test_each_name_stands_once_in_the_order_given():
    assert normal_names(["b.test", "A.test", "a.test", "::1", "b.test"]) == ["b.test", "a.test", "::1"]


def test_the_host_is_localhost_and_more_and_never_twice():
    names = host_names()
    assert names[:3] == ["localhost", "127.0.0.1", "::1"]
    assert len(set(names)) == len(names)
    assert names == normal_names(names)


@pytest.mark.parametrize(
    "name", ["localhost", "shop.localhost", "nas.local", "a.b.internal", "10.9.8.7", "fd00::7", "::1"]
)
def test_private_names_are_in_every_realm(name):
    assert realm_of([]).holds(name)


@pytest.mark.parametrize("name", ["example.com", "notlocalhost", "8.8.8.8", "2001:db8::1", "local.example.com"])
def test_the_internet_is_in_none(name):
    assert not realm_of([]).holds(name)


def test_the_host_itself_is_in_its_realm_and_its_neighbours_are_not():
    realm = realm_of(["mill.example.org", "198.51.100.7"])
    assert realm.holds("mill.example.org")
    assert realm.holds("www.mill.example.org")
    assert realm.holds("198.51.100.7")
    assert not realm.holds("198.51.100.8")
    assert not realm.holds("example.org")


def test_an_empty_realm_holds_nothing():
    assert not Realm((), ()).holds("localhost")
    assert as_address("localhost") is None
