"""A release freezes results that pass the audit, under a commit; it can be verified and signed."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.spoiling import World

from workflow_src.__main__ import main
from workflow_src.errors import UserError
from workflow_src.release import releases
from workflow_src.release.releases import verify_release
from workflow_src.storage import digest, sha256_file, write_json

pytestmark = pytest.mark.workflow

HERE = Path()
RELEASE = "python -m workflow_src release"
SIGNING = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="needs ssh-keygen")


@pytest.fixture
def checkout(world: World) -> Checkout:
    return Checkout(world.folder)


@pytest.fixture(scope="module")
def released(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder ``releases`` with one of name v1."""
    folder = tmp_path_factory.mktemp("released") / "checkout"
    shutil.copytree(finished.folder, folder, symlinks=True)
    Checkout(folder).must(f"{RELEASE} v1")
    return folder / "releases"


@pytest.fixture
def world_with_release(world: World, released: Path) -> Path:
    shutil.copytree(released, "releases")
    return Path("releases", "v1")


def test_it_names_commit_tables_directories_and_every_file(world_with_release: Path) -> None:
    release = json.loads((world_with_release / "release.json").read_text())
    rest = {name: value for name, value in release.items() if name != "release_digest"}
    assert release["release_digest"] == digest(rest)
    assert len(release["commit"]) == 40
    assert (
        sha256_file(Path("results/tables/tiny_comparison.csv"))
        == (release["tables"]["tiny_comparison.csv"])
    )
    loose = {
        p.parent.relative_to("results").as_posix() for p in Path("results").glob("*/*/*/*/*.json")
    }
    assert set(release["directories"]) == loose
    assert set(release["prepared"]) == {p.name for p in Path("data/prepared").iterdir()}
    with zipfile.ZipFile(world_with_release / "crate.zip") as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    assert names == set(release["crate"]["files"])


def test_git_takes_the_small_file_alone(checkout: Checkout, world_with_release: Path) -> None:
    told = checkout.must("git status --short --untracked-files=all")
    assert told == "?? releases/v1/release.json\n"


def test_it_stands(world_with_release: Path) -> None:
    assert verify_release("v1", root=HERE) == []
    assert main(["release", "--verify", "v1"]) == 0


@pytest.mark.parametrize("name", ["release.json", "crate.zip"])
def test_a_changed_byte_is_found(world_with_release: Path, name: str) -> None:
    path = world_with_release / name
    data = bytearray(path.read_bytes())
    place = data.index(b"vae") if name == "release.json" else len(data) // 2
    data[place] ^= 1
    path.write_bytes(data)
    assert main(["release", "--verify", "v1"]) == 1


@pytest.mark.parametrize("content", [[], {"sha256": "0", "files": {"a": []}}, {"files": ["a"]}])
def test_a_release_that_lists_no_files_does_not_stand(
    world_with_release: Path, content: object
) -> None:
    path = world_with_release / "release.json"
    release = json.loads(path.read_text()) | {"crate": content}
    del release["release_digest"]
    write_json(path, release | {"release_digest": digest(release)})
    assert verify_release("v1", root=HERE)


def test_a_crate_whose_compressed_bytes_are_damaged_does_not_stand(
    world_with_release: Path,
) -> None:
    path = world_with_release / "crate.zip"
    with zipfile.ZipFile(path) as archive:
        entry = next(one for one in archive.infolist() if one.filename == "README.md")
        start = entry.header_offset + 30 + len(entry.filename)
    data = bytearray(path.read_bytes())
    data[start : start + 40] = b"\xff" * 40
    path.write_bytes(data)
    findings = verify_release("v1", root=HERE)
    assert any("it cannot be read" in finding for finding in findings)


@SIGNING
def test_a_key_that_waits_for_its_passphrase_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def late(*words: object, **options: object) -> None:
        raise subprocess.TimeoutExpired("ssh-keygen", 120)

    monkeypatch.setattr(subprocess, "run", late)
    with pytest.raises(UserError, match="ssh-keygen did not end"):
        releases._sign(tmp_path / "release.json", tmp_path / "key")


def test_a_crate_that_is_elsewhere_is_told(world_with_release: Path) -> None:
    (world_with_release / "crate.zip").unlink()
    (finding,) = verify_release("v1", root=HERE)
    assert "fetch it from where it is published" in finding


def test_a_release_is_never_made_anew(checkout: Checkout, world_with_release: Path) -> None:
    before = (world_with_release / "release.json").read_bytes()
    refused = checkout.shell(f"{RELEASE} v1")
    assert refused.returncode == 2
    assert "there is a release v1 already" in refused.stdout
    assert (world_with_release / "release.json").read_bytes() == before


def test_uncommitted_changes_are_refused(checkout: Checkout) -> None:
    (checkout.folder / "config.yaml").write_text("studies: [tiny.yaml]\nseeds: [0]\nthreads: 1\n")
    refused = checkout.shell(f"{RELEASE} v1")
    assert refused.returncode == 2
    assert "uncommitted changes: config.yaml" in refused.stdout
    assert not (checkout.folder / "releases").exists()


def test_what_the_audit_finds_refuses_a_release(checkout: Checkout) -> None:
    table = checkout.folder / "results/tables/tiny_comparison.csv"
    table.write_text(table.read_text().replace("-", "-1", 1))
    refused = checkout.shell(f"{RELEASE} v1")
    assert refused.returncode == 1
    assert "finding" in refused.stdout
    assert "no release v1 was made" in refused.stdout
    assert not (checkout.folder / "releases").exists()


@pytest.mark.parametrize("name", ["latest", "../elsewhere", ".hidden", "a b"])
def test_some_names_are_refused(checkout: Checkout, name: str) -> None:
    refused = checkout.shell(f"{RELEASE} '{name}'")
    assert refused.returncode == 2
    assert "cannot be the name of a release" in refused.stdout


def test_an_unknown_release_is_refused_with_those_that_are_there(world_with_release: Path) -> None:
    with pytest.raises(UserError, match="expected v1"):
        verify_release("v2", root=HERE)


@SIGNING
def test_a_signature_is_made_and_verified(checkout: Checkout, tmp_path: Path) -> None:
    key, other = tmp_path / "key", tmp_path / "other"
    for path in (key, other):
        checkout.must(f"ssh-keygen -q -t ed25519 -N '' -C somebody -f {path}")
    allowed = tmp_path / "allowed"
    allowed.write_text(f"somebody@example.org {key.with_suffix('.pub').read_text()}")
    checkout.must(f"{RELEASE} v1 --sign {key}")
    assert verify_release("v1", root=HERE) == []
    assert verify_release("v1", root=HERE, allowed_signers=allowed) == []
    stranger = tmp_path / "stranger"
    stranger.write_text(f"somebody@example.org {other.with_suffix('.pub').read_text()}")
    assert verify_release("v1", root=HERE, allowed_signers=stranger)
    release = Path("releases/v1/release.json")
    release.write_text(release.read_text().replace('"v1"', '"v2"'))
    assert len(verify_release("v1", root=HERE, allowed_signers=allowed)) == 2


@SIGNING
def test_a_bad_key_leaves_no_release(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    refused = checkout.shell(f"{RELEASE} v1 --sign {tmp_path / 'key'} < /dev/null")
    assert refused.returncode == 2
    assert "could not be signed" in refused.stdout
    assert not (checkout.folder / "releases" / "v1").exists()


def test_an_unsigned_release_does_not_pass_for_a_signed_one(
    world_with_release: Path, tmp_path: Path
) -> None:
    (tmp_path / "allowed").write_text("")
    (finding,) = verify_release("v1", root=HERE, allowed_signers=tmp_path / "allowed")
    assert "not signed" in finding


def test_make_makes_a_release(checkout: Checkout) -> None:
    words = "release NAME=v1 SIGN=key --assume-old=.venv/.installed"
    told = checkout.must(f"make --no-print-directory --dry-run {words}")
    assert told.splitlines()[-1].endswith("python -m workflow_src release v1 --sign key")
