"""The printed commands make a number again from a clone, bit for bit on one machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.spoiling import World

from workflow_src.errors import UserError
from workflow_src.lineage.records import Ground
from workflow_src.lineage.reproduce import (
    Reproduction,
    commands_for_evaluations,
    commands_for_run,
)
from workflow_src.storage import digest, write_json

pytestmark = pytest.mark.workflow

TRACE = "python -m workflow_src trace"
INSTALLED = f'ln -s {Path(sys.executable).parents[1]} .venv && export PYTHONPATH="$PWD"'


@pytest.fixture(scope="module")
def edited(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A finished workflow whose code was edited after the last commit, with a new file."""
    made = Checkout(tmp_path_factory.mktemp("edited"))
    made.commit("The project")
    package = made.folder / "workflow_src"
    model = package / "models" / "vae" / "model.py"
    model.write_text(
        f"from workflow_src.models.vae.added import ADDED\n{_text(model)}\nONE = ADDED\n"
    )
    (model.parent / "added.py").write_text('"""New and not committed."""\n\nADDED = 1\n')
    made.snakemake("--config likelihoods='[gaussian]'")
    return made


def _text(path: Path) -> str:
    """A module's text without its future import, which has to come first."""
    return path.read_text().replace("from __future__ import annotations\n", "")


def executed(made: Checkout, told: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the printed commands, but for the installation, which is replaced by this environment."""
    lines = told.splitlines()
    installation = [line for line in lines if line.startswith("make env")]
    assert len(installation) == 1
    script = "\n".join(INSTALLED if line in installation else line for line in lines)
    folder.mkdir()
    environment = {k: v for k, v in made.environment.items() if k != "PYTHONPATH"}
    return subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("of_run", [False, True])
def test_the_commands_make_the_same_bytes_from_a_clone(
    edited: Checkout, of_run: bool, tmp_path: Path
) -> None:
    record = sorted(edited.folder.glob("results/evaluations/vae/*/*/evaluation.json"))[0]
    winner = json.loads(record.read_text())["content"]["winner"]
    words = f"--run {winner}" if of_run else "comparison vae gaussian"
    told = edited.must(f"{TRACE} {words} --reproduce")
    assert "git apply" in told
    done = executed(edited, told, tmp_path / "elsewhere")
    assert done.returncode == 0, done.stdout
    assert "requirements.lock: OK" in done.stdout
    assert done.stdout.count("checkpoint.safetensors: OK") == 1
    assert done.stdout.count("bounds.npz: OK") == (0 if of_run else 1)
    (clone,) = (tmp_path / "elsewhere").iterdir()
    name = f"results/runs/vae/digits-gaussian/100pct-seed0-{winner}/checkpoint.safetensors"
    assert (clone / name).read_bytes() == (edited.folder / name).read_bytes()


def test_the_commands_of_the_page_make_them_too_from_loose_and_packed_sources(
    edited: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(edited.folder)
    record = sorted(Path().glob("results/evaluations/vae/*/*/evaluation.json"))[0]
    commands = Reproduction(Ground(Path("results"))).of_evaluation(record.parent.name[-16:])
    script = [*commands.shared, *commands.own]
    (changes,) = [line for line in script if line.startswith("CHANGES=")]
    assert changes.rpartition("/")[2] in {path.name for path in Path("results/sources").iterdir()}
    assert str(edited.folder) not in "\n".join(script)
    edited.must("python -m workflow_src pack")
    shutil.rmtree("results/sources")
    before = {path: path.read_bytes() for path in Path("results").rglob("*") if path.is_file()}
    head = edited.must("git status --branch --porcelain && git rev-parse HEAD")
    told = "\n".join(INSTALLED if line.startswith("make env") else line for line in script)
    environment = {k: v for k, v in edited.environment.items() if k != "PYTHONPATH"}
    # A reader may stand anywhere in the repository.
    done = subprocess.run(
        ["sh", "-c", told], cwd="rules", env=environment, stdout=-1, stderr=-2, text=True
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("checkpoint.safetensors: OK") == 1
    assert done.stdout.count("bounds.npz: OK") == 1
    after = {path: path.read_bytes() for path in Path("results").rglob("*") if path.is_file()}
    assert after == before
    assert edited.must("git status --branch --porcelain && git rev-parse HEAD") == head


def altered(world: World, **changes: object) -> str:
    """An evaluation's fingerprint, after its record was given other circumstances."""
    path = world.file("results/evaluations/vae/*/*/evaluation.json")
    record = json.loads(path.read_text()) | changes
    del record["record_digest"]
    write_json(path, record | {"record_digest": digest(record)})
    return str(record["fingerprint"])


def test_settings_and_digests_are_those_recorded(world: World) -> None:
    fingerprint = world.file("results/evaluations/vae/*/*/evaluation.json").parent.name[-16:]
    told = commands_for_evaluations(Ground(Path("results")), [fingerprint])
    (settings,) = [line for line in told if line.startswith("set -- ")]
    assert "'studies=[\"tiny.yaml\"]'" in settings
    assert "'seeds=[0]'" in settings
    assert "mirror" not in settings
    # The lock for itself; together the checkpoint, bounds and what was filled in.
    assert sum("sha256sum --check" in line for line in told) == 2
    compared = [line.split("/")[-1].split("'")[0] for line in told if line.startswith("  '")]
    assert compared == ["checkpoint.safetensors", "bounds.npz", "inpainting.npz"]
    assert any(line.startswith("make env PYTHON=python3.") for line in told)


def test_all_arrays_that_the_report_shows_are_compared(world: World) -> None:
    path = world.file("results/evaluations/spvae/*-gaussian/*/evaluation.json")
    told = commands_for_evaluations(Ground(Path("results")), [path.parent.name[-16:]])
    compared = {line.split("/")[-1].split("'")[0] for line in told if "results/meas" in line}
    assert compared == {"bounds.npz", "inpainting.npz", "leaf_posteriors.npz"}


def test_code_without_a_repository_cannot_come_from_a_clone(world: World) -> None:
    fingerprint = altered(world, git={"commit": None, "reason": "not a git work tree"})
    with pytest.raises(UserError, match="no clone has it"):
        commands_for_evaluations(Ground(Path("results")), [fingerprint])


def test_another_python_is_told(world: World) -> None:
    path = world.file("results/evaluations/vae/*/*/evaluation.json")
    environment = json.loads(path.read_text())["environment"] | {"python": "3.12.1"}
    fingerprint = altered(world, environment=environment)
    told = commands_for_evaluations(Ground(Path("results")), [fingerprint])
    assert any("Python 3.12.1 was used" in line for line in told)
    assert "make env PYTHON=python3.12" in told


def test_changes_that_are_lost_are_told(world: World) -> None:
    git = {"commit": "a" * 40, "dirty": True, "changes_digest": digest("x")}
    told = commands_for_evaluations(Ground(Path("results")), [altered(world, git=git)])
    assert any(line.startswith("# The uncommitted changes") for line in told)


def test_changes_without_a_copy_are_told(world: World) -> None:
    git = {"commit": "a" * 40, "dirty": True, "reason": "git add failed"}
    told = commands_for_evaluations(Ground(Path("results")), [altered(world, git=git)])
    assert "# No copy of the uncommitted changes was made: not here." in told


def test_a_commit_that_is_none_is_not_printed_for_a_shell(world: World) -> None:
    fingerprint = altered(world, git={"commit": "a; touch owned", "dirty": False})
    with pytest.raises(UserError, match="is no commit"):
        commands_for_evaluations(Ground(Path("results")), [fingerprint])


def test_the_origin_is_named_only_where_it_has_the_commit(world: World) -> None:
    fingerprint = world.file("results/runs/vae/*/*/run.json").parent.name[-16:]
    subprocess.run(
        "git remote add origin https://example.org/it.git"
        " && git update-ref refs/remotes/fork/main HEAD",
        shell=True,
        check=True,
    )
    told = commands_for_run(Ground(Path("results")), fingerprint)
    assert not any("example.org" in line for line in told)


def test_no_password_of_the_origin_is_printed(world: World) -> None:
    fingerprint = world.file("results/runs/vae/*/*/run.json").parent.name[-16:]
    subprocess.run(
        "git remote add origin https://someone:secret@example.org/it.git"
        " && git update-ref refs/remotes/origin/main HEAD",
        shell=True,
        check=True,
    )
    told = commands_for_run(Ground(Path("results")), fingerprint)
    assert any(line.startswith("git clone https://example.org/it.git ") for line in told)
    assert not any("secret" in line for line in told)


def test_a_run_that_is_not_here_is_refused(world: World) -> None:
    with pytest.raises(UserError, match="no record"):
        commands_for_run(Ground(Path("results")), "0" * 16)
