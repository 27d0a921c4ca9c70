"""Secrets, ports, addresses."""

from __future__ import annotations

import os

import pytest

from rankiqa.errors import InputError
from rankiqa.web.serving import addresses, is_of_this_machine, listen, secret_of, token_of


def test_a_secret_stays_and_is_its_owners(tmp_path):
    path = tmp_path / "votes.sqlite.secret"
    secret = secret_of(path)
    assert len(secret) == 32 and secret_of(path) == secret
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert len(token_of(secret)) == 24 and secret.hex()[:24] not in token_of(secret)
    path.write_text("something else")
    with pytest.raises(InputError, match="holds no secret of rankiqa; remove it"):
        secret_of(path)
    with pytest.raises(InputError, match="cannot be written"):
        secret_of(tmp_path / "gone" / "secret")


def test_a_port_in_use_is_told():
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        assert addresses(taken, "t") == [f"http://127.0.0.1:{port}/t/"]
        with pytest.raises(InputError, match=f"the port {port} is in use"):
            listen("127.0.0.1", port)
    for host, port in (("127.0.0.1", 70000), ("192.0.2.1", 0), ("no.such.host.invalid", 0)):
        with pytest.raises(InputError, match="cannot listen at"):
            listen(host, port)
    with listen("0.0.0.0", 0) as taken:
        assert addresses(taken, "t")[0].startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("client", "own", "here"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("192.0.2.7", "192.0.2.7", True),  # its own address in the network
        ("192.0.2.8", "192.0.2.7", False),
        ("127.0.0.1.example", "127.0.0.1", False),
    ],
)
def test_who_sits_at_this_machine(client, own, here):
    assert is_of_this_machine({"client": (client, 50000), "server": (own, 8765)}) is here


def test_nobody_known_sits_elsewhere():
    assert not is_of_this_machine({"client": None, "server": ("127.0.0.1", 8765)})
