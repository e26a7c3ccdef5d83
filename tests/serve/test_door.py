"""The address is taken first: a port that somebody has is told before any model is loaded."""

from __future__ import annotations

import socket

import pytest

from weft.errors import ConfigError
from weft.serve import door

from ..cli.command import weft
from .live import free_port


def test_a_port_that_is_taken_is_told_before_models_are_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def work(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("weft.serve.deck.open_deck", work)
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        said = weft("serve", "model", "--port", str(port))
    assert said.code == 2
    assert said.err.startswith(f"error: port {port} of 127.0.0.1 is taken\n")
    assert "--port" in said.err
    assert '"event"' not in said.err


def test_a_model_that_is_none_gives_the_port_back() -> None:
    port = free_port()
    said = weft("serve", "nowhere", "--port", str(port))
    assert said.code == 2
    assert "nowhere" in said.err
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_nobody_is_let_in_before_it_listens() -> None:
    bound = door.reserve("localhost", 0)
    try:
        places = [one.getsockname()[:2] for one in bound]
        for place in places:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(place)
        addresses = door.listen(bound)
        assert len(addresses) == len(places)
        for place, address in zip(places, addresses, strict=True):
            assert address.endswith(f":{place[1]}")
            socket.create_connection(place).close()
    finally:
        door.close(bound)


def test_one_that_listened_first_has_the_port() -> None:
    port = free_port()
    first, second = door.reserve("127.0.0.1", port), door.reserve("127.0.0.1", port)
    try:
        assert door.listen(first) == [f"http://127.0.0.1:{port}"]
        with pytest.raises(ConfigError, match="is taken"):
            door.listen(second)
    finally:
        door.close(first + second)


@pytest.mark.parametrize("host", ["192.0.2.1", "no host", "a" * 70])
def test_an_address_that_is_not_ours(host: str) -> None:
    with pytest.raises(ConfigError, match="is no address of this machine") as refused:
        door.reserve(host, 0)
    assert "--host" in refused.value.remedy
