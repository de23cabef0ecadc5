import socket
from pathlib import Path

import pytest

from headrace.app.place import Place, bind_all, places
from headrace.errors import OperationError, UsageError


def some(workers=3, port=3000, uds=None, host="127.0.0.1", tls=True):
    return places(host=host, port=port, uds=uds, workers=workers, tls=tls)


def test_each_worker_has_the_next_port():
    assert [place.url for place in some()] == [f"https://127.0.0.1:{port}" for port in (3000, 3001, 3002)]


def test_port_0_is_a_free_one_for_each():
    bound = bind_all(some(port=0))
    ports = {place.port for place, _ in bound}
    for _, listener in bound:
        listener.close()
    assert len(ports) == 3
    assert 0 not in ports


def test_ports_end():
    with pytest.raises(UsageError, match="65535"):
        some(port=65534)


def test_an_ipv6_address_is_in_brackets():
    assert Place("::1", 3000).address == "[::1]:3000"


def test_a_taken_port_is_named_and_nothing_stays_bound():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OperationError, match=rf"127.0.0.1:{port}: it is taken; choose another with --port"):
            bind_all([Place("127.0.0.1", 0), Place("127.0.0.1", port)])


def test_an_address_of_another_machine_is_said():
    with pytest.raises(OperationError, match=r"192\.0\.2\.1:3000"):
        Place("192.0.2.1", 3000).bind()


def test_sockets_stand_in_a_folder_for_ourselves_alone(tmp_path: Path):
    folder = tmp_path / "run"
    place, listener = some(uds=folder, workers=2)[1].bind()
    with listener:
        assert place.address == f"unix:{folder}/1.sock"
        assert folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "1.sock").stat().st_mode & 0o777 == 0o600
    place.release()
    assert not (folder / "1.sock").exists()


def test_a_socket_that_a_killed_worker_left_is_replaced(tmp_path: Path):
    place = Place(path=tmp_path / "0.sock")
    place.bind()[1].close()
    place.bind()[1].close()


def test_a_socket_that_somebody_answers_is_taken(tmp_path: Path):
    place = Place(path=tmp_path / "0.sock")
    with place.bind()[1] as listener:
        listener.listen()
        with pytest.raises(OperationError, match=r"taken.*--uds"):
            place.bind()


def test_a_path_that_is_too_long_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="longer"):
        some(uds=tmp_path / ("x" * 100))


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.5"])
def test_a_host_that_isnt_ours_is_named_with_what_to_change(host):
    with pytest.raises(OperationError, match=host) as caught:
        Place(host).bind()
    assert "--host" in caught.value.hint
