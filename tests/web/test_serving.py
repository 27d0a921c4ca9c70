"""Secrets, ports, addresses."""

from __future__ import annotations

import os

import pytest

from rankiqa.errors import InputError
from rankiqa.web.serving import addresses, listen, secret_of, token_of


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
