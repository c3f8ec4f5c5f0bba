"""Fetching: kept files, mirrors, downloads that break off, and checksums that are wrong."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workflow_src.config.data_sets import DataSet, data_set
from workflow_src.data import downloading
from workflow_src.data.fetching import fetch, mirror_directory
from workflow_src.errors import UserError

CONTENT = bytes(range(256)) * 2000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
NOWHERE = "http://127.0.0.1:9/file.bin"


class Server(http.server.ThreadingHTTPServer):
    """Gives ``content`` at every path but /missing; breaks off after so many bytes, so often."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.ranges = True
        self.break_after = 0
        self.breaks = 0
        self.asked: list[str | None] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        content = self.server.content
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if "missing" in self.path:
            self.send_error(404)
            return
        if start and self.server.ranges:
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            start = 0
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        if self.server.breaks:
            self.server.breaks -= 1
            body = body[: self.server.break_after]
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloading, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def small_set(*addresses: str, **checksums: Any) -> DataSet:
    file = {
        "name": "file.bin",
        "mirror_names": ["small/file.bin", "file.bin"],
        "addresses": list(addresses) or [NOWHERE],
        **(checksums or {"sha256": SHA256}),
    }
    facts = data_set("mnist").model_dump() | {"name": "small", "files": [file]}
    return DataSet.model_validate(facts)


def leftovers(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name != ".fetch.lock")


def test_a_download_is_whole_and_says_where_from(tmp_path: Path, server: Server) -> None:
    (file,) = fetch(small_set(server.address), tmp_path / "raw", None)
    assert (tmp_path / "raw" / "file.bin").read_bytes() == CONTENT
    assert (file.origin, file.sha256, file.bytes) == (server.address, SHA256, len(CONTENT))
    assert leftovers(tmp_path / "raw") == ["file.bin"]


def test_a_right_file_is_kept_without_asking(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file.bin").write_bytes(CONTENT)
    (file,) = fetch(small_set(server.address), tmp_path, None)
    assert file.origin == "already there"
    assert server.asked == []


def test_a_damaged_file_is_fetched_again(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file.bin").write_bytes(CONTENT[:-1])
    fetch(small_set(server.address), tmp_path, None)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_broken_connection_is_continued(tmp_path: Path, server: Server) -> None:
    server.breaks, server.break_after = 2, 1000
    fetch(small_set(server.address), tmp_path, None)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1000-", "bytes=2000-"]


def test_the_next_start_continues_an_interrupted_download(tmp_path: Path, server: Server) -> None:
    server.breaks, server.break_after = 3, 5000
    with pytest.raises(UserError, match="ended after 15000 of 512000 bytes"):
        fetch(small_set(server.address), tmp_path, None)
    assert leftovers(tmp_path) == ["file.bin.part"]
    fetch(small_set(server.address), tmp_path, None)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=15000-"
    assert leftovers(tmp_path) == ["file.bin"]


def test_a_server_without_ranges_starts_over(tmp_path: Path, server: Server) -> None:
    server.ranges = False
    (tmp_path / "file.bin.part").write_bytes(b"some beginning")
    fetch(small_set(server.address), tmp_path, None)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_a_part_that_is_too_long_starts_over(tmp_path: Path, server: Server) -> None:
    (tmp_path / "file.bin.part").write_bytes(CONTENT + b"more")
    fetch(small_set(server.address), tmp_path, None)
    assert (tmp_path / "file.bin").read_bytes() == CONTENT
    assert server.asked == ["bytes=512004-", None]


@pytest.mark.parametrize(
    ("checksums", "expected"),
    [
        ({"sha256": "a" * 64}, "a" * 64),
        ({"md5": "b" * 32}, "b" * 32),
        ({"bytes": 7}, "size in bytes 7"),
    ],
)
def test_a_wrong_download_names_both_sums_and_is_not_kept(
    tmp_path: Path, server: Server, checksums: dict[str, Any], expected: str
) -> None:
    found = {
        "sha256": SHA256,
        "md5": hashlib.md5(CONTENT).hexdigest(),
        "bytes": str(len(CONTENT)),
    }[next(iter(checksums))]
    with pytest.raises(UserError) as caught:
        fetch(small_set(server.address, **checksums), tmp_path, None)
    for part in (found, expected, "file.bin", server.address):
        assert part in str(caught.value)
    assert leftovers(tmp_path) == []


def test_a_wrong_mirror_copy_names_both_sums_and_is_not_kept(
    tmp_path: Path, server: Server
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "file.bin").write_bytes(b"something else")
    with pytest.raises(UserError) as caught:
        fetch(small_set(server.address), tmp_path / "raw", mirror)
    wrong = hashlib.sha256(b"something else").hexdigest()
    for part in (wrong, SHA256, str(mirror / "file.bin")):
        assert part in str(caught.value)
    assert leftovers(tmp_path / "raw") == []


def test_the_mirror_comes_first_and_in_its_order(tmp_path: Path, server: Server) -> None:
    for name, content in (("small/file.bin", CONTENT), ("file.bin", b"never looked at")):
        (tmp_path / "mirror" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mirror" / name).write_bytes(content)
    (file,) = fetch(small_set(server.address), tmp_path / "raw", tmp_path / "mirror")
    assert file.origin == str(tmp_path / "mirror" / "small" / "file.bin")
    assert server.asked == []


def test_a_mirror_that_lacks_the_file_is_passed_over(tmp_path: Path, server: Server) -> None:
    (tmp_path / "mirror").mkdir()
    (file,) = fetch(small_set(server.address), tmp_path / "raw", tmp_path / "mirror")
    assert file.origin == server.address


def test_the_second_address_helps_the_first(tmp_path: Path, server: Server) -> None:
    missing = server.address.replace("file.bin", "missing")
    (file,) = fetch(small_set(missing, NOWHERE, server.address), tmp_path, None)
    assert file.origin == server.address


def test_a_file_that_is_nowhere_names_every_try_and_the_way_out(
    tmp_path: Path, server: Server
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    missing = server.address.replace("file.bin", "missing")
    with pytest.raises(UserError) as caught:
        fetch(small_set(missing, NOWHERE), tmp_path / "raw", mirror)
    tried = [str(mirror / "small/file.bin"), str(mirror / "file.bin"), missing, NOWHERE]
    for part in ["file.bin can be had nowhere", *tried, "404", "refused", "mirror"]:
        assert part in str(caught.value)
    assert leftovers(tmp_path / "raw") == []


def test_a_file_can_be_known_by_gits_name_of_it(tmp_path: Path) -> None:
    # `git hash-object` of the bytes 0, 1, ..., 255, two thousand times over.
    right, wrong = "85ca3d5aeed19f818566b9244ef5ad7d1d11174a", "0" * 40
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "file.bin").write_bytes(CONTENT)
    (file,) = fetch(small_set(git_blob=right), tmp_path / "raw", tmp_path / "mirror")
    assert file.sha256 == SHA256
    with pytest.raises(UserError, match=f"git blob is {right}.*{wrong}"):
        fetch(small_set(git_blob=wrong), tmp_path / "other", tmp_path / "mirror")
    assert leftovers(tmp_path / "other") == []


def test_a_packed_mirror_copy_of_an_unpacked_file_is_unpacked(tmp_path: Path) -> None:
    packed = tmp_path / "mirror" / "file.bin.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(CONTENT))
    known = small_set().files[0].model_copy(update={"mirror_names": ("file.bin.gz",)})
    one = small_set().model_copy(update={"files": (known,)})
    (file,) = fetch(one, tmp_path / "raw", packed.parent)
    assert (file.origin, file.sha256) == (str(packed), SHA256)
    assert (tmp_path / "raw" / "file.bin").read_bytes() == CONTENT
    packed.write_bytes(gzip.compress(CONTENT[:-1]))
    with pytest.raises(UserError, match="not the published file"):
        fetch(one, tmp_path / "other", packed.parent)
    packed.write_bytes(gzip.compress(CONTENT)[:-20])
    with pytest.raises(UserError, match="cannot be unpacked"):
        fetch(one, tmp_path / "other", packed.parent)
    assert leftovers(tmp_path / "other") == []


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "raw").write_text("a file in the way")
    with pytest.raises(UserError, match=re.escape(str(tmp_path / "raw"))):
        fetch(small_set(), tmp_path / "raw", None)


def test_two_fetches_at_once_download_once(tmp_path: Path, server: Server) -> None:
    origins: list[str] = []

    def one() -> None:
        origins.append(fetch(small_set(server.address), tmp_path, None)[0].origin)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(origins) == ["already there"] * 3 + [server.address]
    assert len(server.asked) == 1


def test_a_log_file_gets_a_line_per_tenth(
    tmp_path: Path, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.content = bytes(20_000_000)
    sha256 = hashlib.sha256(server.content).hexdigest()
    fetch(small_set(server.address, sha256=sha256), tmp_path, None)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "file.bin: 20.0 of 20.0 MB"


def test_the_environment_names_the_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DENSITY_BENCH_MIRROR", raising=False)
    assert mirror_directory(None) is None
    assert mirror_directory(tmp_path) == tmp_path
    monkeypatch.setenv("DENSITY_BENCH_MIRROR", str(tmp_path))
    assert mirror_directory(Path("elsewhere")) == tmp_path
    monkeypatch.setenv("DENSITY_BENCH_MIRROR", str(tmp_path / "absent"))
    with pytest.raises(UserError, match="absent"):
        mirror_directory(None)


def test_every_address_is_a_web_address_and_every_file_has_a_checksum() -> None:
    from workflow_src.config.data_sets import DATA_SETS

    for known in DATA_SETS.values():
        for file in known.files:
            assert file.sha256 or file.git_blob
            assert all(re.match(r"https?://", address) for address in file.addresses)
