"""Fetching against a server on loopback: resumed, checked, refused."""

import hashlib
import http.server
import threading
from typing import cast

import pytest

from ensemble.datasets.fetch import fetch_tiny_imagenet
from ensemble.errors import BadInput, KofnError

BODY = bytes(range(256)) * 4000
SIZE = 1_024_000
MD5 = hashlib.md5(BODY).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves one body, as badly as a test asks for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = BODY
        self.ranges = True
        self.status: int | None = None
        self.breaks_after: int | None = None
        self.asked: list[str | None] = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = cast(Server, self.server)
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.status:
            self.send_error(server.status)
            return
        start = 0
        if asked and server.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(server.body) - 1}/{len(server.body)}")
        else:
            self.send_response(200)
        body = server.body[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: server.breaks_after])

    def log_message(self, format, *args):  # noqa: A002 - the base class's name
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def fetch(server, folder, size=SIZE, md5=MD5, progress=None):
    url = f"http://127.0.0.1:{server.server_port}/tiny.zip"
    return fetch_tiny_imagenet(folder, progress, url=url, size=size, md5=md5)


def test_fetched_once(server, tmp_path):
    seen = []
    path = fetch(server, tmp_path / "new" / "data", progress=lambda done, total: seen.append((done, total)))
    assert path == tmp_path / "new" / "data" / "tiny.zip"
    assert path.read_bytes() == BODY
    assert seen[-1] == (len(BODY), len(BODY))
    assert [p.name for p in path.parent.iterdir()] == ["tiny.zip"]
    assert fetch(server, path.parent) == path
    assert server.asked == [None]


def test_goes_on_where_it_broke_off(server, tmp_path):
    server.breaks_after = 300_000
    assert fetch(server, tmp_path).read_bytes() == BODY
    assert server.asked == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]


def test_goes_on_in_a_later_call(server, tmp_path):
    (tmp_path / ".tiny.zip.part").write_bytes(BODY[:1000])
    assert fetch(server, tmp_path).read_bytes() == BODY
    assert server.asked == ["bytes=1000-"]


def test_a_server_without_ranges_begins_anew(server, tmp_path):
    server.ranges = False
    (tmp_path / ".tiny.zip.part").write_bytes(b"x" * 1000)
    assert fetch(server, tmp_path).read_bytes() == BODY


def test_gives_up_where_nothing_more_comes(server, tmp_path):
    server.ranges, server.breaks_after = False, 5000
    with pytest.raises(KofnError, match=r"broke off after 5,000 of 1,024,000 bytes, 5 times; what came is kept"):
        fetch(server, tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == [".tiny.zip.part"]


def test_a_leftover_that_is_too_long_is_thrown_away(server, tmp_path):
    (tmp_path / ".tiny.zip.part").write_bytes(b"x" * (len(BODY) + 1))
    assert fetch(server, tmp_path).read_bytes() == BODY


def test_another_checksum_is_refused(server, tmp_path):
    with pytest.raises(KofnError) as error:
        fetch(server, tmp_path, md5="0" * 32)
    assert f"expected the MD5 {'0' * 32}, found {MD5}" in str(error.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [len(BODY) - 1, len(BODY) + 1])
def test_another_size_is_refused(server, tmp_path, size):
    with pytest.raises(KofnError) as error:
        fetch(server, tmp_path, size=size)
    assert f"expected {size:,} bytes, found {len(BODY):,}" in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_another_file_of_that_name_is_kept(server, tmp_path):
    (tmp_path / "tiny.zip").write_bytes(b"mine")
    with pytest.raises(BadInput, match=r"is there already, but expected 1,024,000 bytes, found 4; move it away"):
        fetch(server, tmp_path)
    assert (tmp_path / "tiny.zip").read_bytes() == b"mine"


def test_the_server_does_not_have_it(server, tmp_path):
    server.status = 404
    with pytest.raises(KofnError, match=r"cannot be fetched, the server answered 404 Not Found; check the network"):
        fetch(server, tmp_path)


def test_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(KofnError, match=r"^http://127.0.0.1:9/tiny.zip: cannot be fetched, connection refused; check"):
        fetch_tiny_imagenet(tmp_path, url="http://127.0.0.1:9/tiny.zip")
    assert list(tmp_path.iterdir()) == []
