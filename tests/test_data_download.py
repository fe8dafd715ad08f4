"""Downloads from a server on loopback: resume, checksum, offline."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from morelike.core.errors import BadInput
from morelike.data import download as module
from morelike.data.download import DOWNLOADS, Download, Remote, download, fetch
from morelike.data.open import open_source
from test_data_arrays import cifar_archive

CONTENT = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8).tobytes()


class Server(ThreadingHTTPServer):
    """Serves `files`; breaks off after `cut` bytes where that is set; keeps the Range headers asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.asked: list[str | None] = []
        self.cut = 0
        self.ranges = True

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        content, wanted = self.server.files.get(self.path), self.headers.get("Range")
        self.server.asked.append(wanted)
        if content is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end = start + self.server.cut if self.server.cut else len(content)
        self.wfile.write(content[start:end])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("MORELIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MORELIKE_DATA", raising=False)
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def remote(content: bytes = CONTENT) -> Remote:
    return Remote("file.bin", (hashlib.sha256(content).hexdigest(),), len(content))


def silent(what: str, done: int, total: int) -> None:
    pass


def test_a_file_is_fetched_checked_and_renamed(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    seen: list[tuple[str, int, int]] = []
    path = fetch(remote(), server.base, tmp_path, lambda *report: seen.append(report))
    assert path.read_bytes() == CONTENT
    assert not (tmp_path / "file.bin.part").exists()
    assert seen[-1] == ("file.bin", len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_a_part_is_resumed_where_it_ended(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT
    (tmp_path / "file.bin.part").write_bytes(CONTENT[:123_456])
    assert fetch(remote(), server.base, tmp_path, silent).read_bytes() == CONTENT
    assert server.asked == ["bytes=123456-"]


def test_a_broken_connection_goes_on_and_keeps_what_came(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"], server.cut = CONTENT, 120_000
    assert fetch(remote(), server.base, tmp_path, silent).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=120000-", "bytes=240000-"]
    (tmp_path / "file.bin").unlink()
    server.cut = 50_000
    with pytest.raises(BadInput, match=r"could not be fetched: .*What came is kept"):
        fetch(remote(), server.base, tmp_path, silent)
    assert (tmp_path / "file.bin.part").stat().st_size == 150_000
    assert not (tmp_path / "file.bin").exists()


def test_a_server_without_ranges_starts_anew(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"], server.ranges = CONTENT, False
    (tmp_path / "file.bin.part").write_bytes(b"other bytes")
    assert fetch(remote(), server.base, tmp_path, silent).read_bytes() == CONTENT


def test_a_wrong_checksum_is_refused_and_deleted(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT[:-1] + b"?"
    with pytest.raises(BadInput, match="wrong checksum"):
        fetch(remote(), server.base, tmp_path, silent)
    assert list(tmp_path.iterdir()) == []


def test_a_longer_file_than_promised_is_cut_off(server: Server, tmp_path: Path) -> None:
    server.files["/file.bin"] = CONTENT + CONTENT
    with pytest.raises(BadInput, match="longer than"):
        fetch(remote(), server.base, tmp_path, silent)
    assert not (tmp_path / "file.bin").exists()


def test_a_missing_file_and_a_strange_address_are_sentences(server: Server, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="answered 404"):
        fetch(remote(), server.base, tmp_path, silent)
    with pytest.raises(BadInput, match="http or https"):
        fetch(remote(), "file:///etc", tmp_path, silent)
    with pytest.raises(BadInput, match="could not be fetched"):
        fetch(remote(), "http://127.0.0.1:1", tmp_path, silent)


def test_a_name_is_fetched_once_and_then_found(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cifar_archive(tmp_path / "archive.tar.gz")
    content = (tmp_path / "archive.tar.gz").read_bytes()
    file = Remote("cifar-10-binary.tar.gz", (hashlib.sha256(content).hexdigest(),), len(content))
    monkeypatch.setitem(DOWNLOADS, "cifar10", Download("http://127.0.0.1:1", (file,)))
    monkeypatch.setenv("MORELIKE_MIRROR", server.base + "/")
    server.files["/cifar10/cifar-10-binary.tar.gz"] = content
    assert len(open_source("cifar10").items) == 24
    assert len(open_source("CIFAR10", offline=True).items) == 24
    assert len(server.asked) == 1


def test_offline_never_tries_and_says_where_it_looked(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MORELIKE_MIRROR", server.base)
    monkeypatch.setenv("MORELIKE_DATA", str(tmp_path / "sets"))
    with pytest.raises(BadInput, match=r"--offline forbids fetching it. Looked in: .*sets/fashion-mnist, .*cache/fashion-mnist"):
        open_source("Fashion_MNIST", offline=True)
    assert server.asked == []


def test_the_table_is_complete() -> None:
    assert set(DOWNLOADS) == {"mnist", "fashion-mnist", "cifar10"}
    for entry in DOWNLOADS.values():
        assert entry.base.startswith("http")
        for file in entry.files:
            assert all(len(digest) == 64 for digest in file.sha256)
            assert 4_000 < file.size < 200_000_000


def test_a_cache_that_cant_be_written_is_a_sentence(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file in the way")
    with pytest.raises(BadInput, match="set MORELIKE_CACHE"):
        download("mnist")
    assert module.cached("mnist") is None
