"""Records come from others: whatever they say, a reader who pastes the commands runs no more."""

from __future__ import annotations

import copy
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.reports import write_record

from workflow_src.errors import UserError
from workflow_src.lineage.records import Ground
from workflow_src.lineage.reproduce import (
    Reproduction,
    commands_for_evaluations,
    commands_for_run,
)

COMMIT, SHA256 = "a" * 40, "b" * 64
RUN, EVALUATION, MEASUREMENT = "1" * 16, "2" * 16, "3" * 16
ORDER = "touch owned"

GIT = {
    "commit": COMMIT,
    "dirty": True,
    "changes_digest": SHA256,
    "difference_file": f"{SHA256}.patch",
    "left_out_files": [{"name": "large.bin", "bytes": 5}],
}
HONEST: dict[str, Any] = {
    "kind": "evaluation",
    "fingerprint": EVALUATION,
    "git": GIT,
    "environment": {
        "python": "3.11.7",
        "packages": {"torch": "2.1"},
        "lock": {"name": "requirements.lock", "sha256": SHA256},
    },
    "machine": {"cpu": "A processor", "gpu": {"name": "An accelerator"}},
    "threads": 1,
    "time": {"ended": "2024-01-02T03:04:05+00:00"},
    "parents": [{"kind": "measurement", "fingerprint": MEASUREMENT}],
    "outputs": {},
    "content": {
        "winner": RUN,
        "settings": {"studies": ["tiny.yaml"], "scale": "demo"},
        "metrics": [
            {"metric": "test_bound", "value": -1.5, "unit": "nats", "importance_samples": 5}
        ],
    },
}
PLACES: tuple[tuple[Any, ...], ...] = (
    ("git", "commit"),
    ("git", "changes_digest"),
    ("git", "difference_file"),
    ("git", "left_out_files", 0, "name"),
    ("git", "left_out_files", 0, "bytes"),
    ("environment", "python"),
    ("environment", "packages", "torch"),
    ("environment", "lock", "name"),
    ("environment", "lock", "sha256"),
    ("machine", "cpu"),
    ("machine", "gpu", "name"),
    ("threads",),
    ("content", "settings", "studies", 0),
    ("content", "settings", "scale"),
    ("content", "metrics", 0, "metric"),
    ("content", "metrics", 0, "value"),
    ("content", "metrics", 0, "unit"),
    ("content", "metrics", 0, "importance_samples"),
)
DAMAGED = {
    ("git", "commit"),
    ("git", "changes_digest"),
    ("git", "difference_file"),
    ("environment", "python"),
    ("environment", "lock", "name"),
    ("environment", "lock", "sha256"),
}
"""Where nothing but a digest, a version or a name may stand."""

WORDS = st.sampled_from(
    ["\n", "\r", "\x1b", "\u2028", "'", '"', "`", "$(", ")", "#", ";", "&", "|", "\\", " ", "x"]
)
HOSTILE = st.tuples(st.lists(WORDS, max_size=6), st.lists(WORDS, max_size=6)).map(
    lambda ends: "".join([*ends[0], ORDER, *ends[1]])
)
EXAMPLES = (
    f"A\n{ORDER} #.yaml",
    f"$({ORDER}).patch",
    f"a'; {ORDER}; '",
    f'"; {ORDER}; "',
    f"`{ORDER}`",
    f"3.11$({ORDER})",
)

Command = Callable[[Ground], Sequence[str]]


def page(ground: Ground) -> list[str]:
    found = Reproduction(ground).of_evaluation(EVALUATION)
    return [*found.shared, *found.own]


COMMANDS: dict[str, Command] = {
    "page": page,
    "trace": lambda ground: commands_for_evaluations(ground, [EVALUATION]),
    "run": lambda ground: commands_for_run(ground, RUN),
}

STUBS = {
    "git": """
        case "$1" in
            rev-parse) echo "$PWD" ;;
            clone) /bin/mkdir -p "$3/.venv/bin" && /bin/cp {stubs}/make "$3/.venv/bin/snakemake" ;;
        esac""",
    "make": 'echo "$0" "$1" >> {ran}',
    "sha256sum": "/bin/cat > /dev/null",
    "python3": "",
    "grep": "echo shard.json",
    "basename": 'echo "$1"',
    "touch": 'echo "$@" > {owned}',
}


class Sandbox:
    """A folder in which commands run that do nothing but say that they ran."""

    def __init__(self, folder: Path) -> None:
        self.work, self.stubs = folder / "work", folder / "stubs"
        self.ran, self.owned = folder / "ran", folder / "owned"
        self.stubs.mkdir()
        for name, text in STUBS.items():
            stub = self.stubs / name
            text = text.format(stubs=self.stubs, ran=self.ran, owned=self.owned)
            stub.write_text(f"#!/bin/sh\n{text}\n")
            stub.chmod(0o755)

    def run(self, lines: Sequence[str]) -> None:
        """Run the lines, which must get to their end and do nothing but what they are for."""
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir()
        self.ran.unlink(missing_ok=True)
        (self.work / "repository").mkdir()
        text = "\n".join(lines)
        for words in (["-n"], []):
            done = subprocess.run(
                ["/bin/sh", *words, "-c", text],
                cwd=self.work / "repository",
                env={"PATH": str(self.stubs)},
                capture_output=True,
            )
            assert done.returncode == 0, (done.stderr, text)
        assert not self.owned.exists(), text
        made = [line.rpartition("/")[2].split()[0] for line in self.ran.read_text().splitlines()]
        assert made == ["make", "snakemake", "snakemake"]


def ground_of(folder: Path, path: Sequence[Any], value: Any) -> Ground:
    """Records of one evaluation, one field of which, there or in its run, is as given."""
    record = copy.deepcopy(HONEST)
    place = record
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    shutil.rmtree(folder, ignore_errors=True)
    write_record(folder / f"evaluations/vae/digits/a-{EVALUATION}/evaluation.json", **record)
    content = record["content"] | {"result": {"best_validation_bound": value}}
    checkpoint = {"checkpoint.safetensors": {"sha256": SHA256}}
    run = record | {"fingerprint": RUN, "outputs": checkpoint, "content": content}
    write_record(folder / f"runs/vae/digits/a-{RUN}/run.json", **run)
    write_record(
        folder / f"measurements/vae/digits/a-{MEASUREMENT}/measurement.json",
        fingerprint=MEASUREMENT,
        outputs={"bounds.npz": {"sha256": SHA256}},
    )
    return Ground(folder)


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_honest_records_give_commands_that_run(
    command: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    lines = COMMANDS[command](ground_of(tmp_path / "results", ("threads",), 1))
    sandbox.run(lines)
    assert any(COMMIT in line for line in lines)


@pytest.mark.parametrize("value", EXAMPLES)
@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_no_field_runs_anything(
    path: tuple[Any, ...], value: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    ground = ground_of(tmp_path / "results", path, value)
    if path in DAMAGED:
        with pytest.raises(UserError, match="damaged"):
            page(ground)
    else:
        sandbox.run(page(ground))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(path=st.sampled_from(PLACES), value=HOSTILE, command=st.sampled_from(sorted(COMMANDS)))
def test_no_text_whatever_runs_anything(
    path: tuple[Any, ...], value: str, command: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    ground = ground_of(tmp_path / "results", path, value)
    if path in DAMAGED:
        with pytest.raises(UserError, match="damaged"):
            COMMANDS[command](ground)
        return
    lines = COMMANDS[command](ground)
    assert all(line.isprintable() for line in lines)
    sandbox.run(lines)


@pytest.mark.parametrize("name", [f"x=1'; {ORDER}; '", "--snakefile", "a b", "a\nb"])
def test_no_name_of_a_setting_is_an_option_of_another_command(name: str, tmp_path: Path) -> None:
    ground = ground_of(tmp_path / "results", ("content", "settings"), {"studies": [], name: 1})
    with pytest.raises(UserError, match="is no setting"):
        page(ground)


def test_no_digest_of_a_file_is_anything_else(tmp_path: Path) -> None:
    ground = ground_of(tmp_path / "results", ("threads",), 1)
    write_record(
        tmp_path / f"results/measurements/vae/digits/a-{MEASUREMENT}/measurement.json",
        fingerprint=MEASUREMENT,
        outputs={"bounds.npz": {"sha256": f"'; {ORDER}; '"}},
    )
    with pytest.raises(UserError, match="is no sha256"):
        page(ground)


@pytest.mark.parametrize(
    ("command", "failing"),
    [
        *(("page", word) for word in ("rev-parse", "clone", "checkout", "apply")),
        *(("trace", word) for word in ("clone", "checkout")),
        *(("run", word) for word in ("clone", "checkout")),
    ],
)
def test_nothing_follows_a_failure(
    failing: str, command: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Else a checkout, an installation or a training would go on in the reader's own folder."""
    lines = COMMANDS[command](ground_of(tmp_path / "results", ("threads",), 1))
    stub = sandbox.stubs / "git"
    stub.write_text(
        stub.read_text().replace('case "$1"', f'[ "$1" = {failing} ] && exit 1\ncase "$1"')
        + f'echo "$@" >> {sandbox.ran}\n'
    )
    sandbox.work.mkdir()
    text = "\n".join([*lines, "echo still here"])
    done = subprocess.run(
        ["/bin/sh", "-c", text],
        cwd=sandbox.work,
        env={"PATH": str(sandbox.stubs)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "still here"
    ran = sandbox.ran.read_text().splitlines() if sandbox.ran.exists() else []
    before = ["rev-parse", "clone", "checkout", "apply"]
    expected = before[: before.index(failing)]
    assert [line.split()[0] for line in ran] == [
        name for name in expected if command == "page" or name != "rev-parse"
    ]
