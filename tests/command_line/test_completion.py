"""The completion scripts, tried in the shells that are on this machine."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from support.terminals import ROOT

from workflow_src import __main__ as command_line
from workflow_src.command_line.completion import SHELLS, script

_COMPLETE = """
source "$1"; shift
# As the Tab key does: the words of the line, and the function that the shell has for the first.
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
function_name=$(complete -p density-bench | sed -E 's/.*-F ([^ ]+).*/\\1/')
"$function_name" 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The script for bash in a file."""
    path = tmp_path_factory.mktemp("completion") / "density-bench"
    path.write_text(script("bash"))
    return path


@pytest.fixture
def completed(written: Path, tmp_path: Path) -> object:
    """What bash offers for a line, in a folder with some files."""
    (tmp_path / "paper.yaml").touch()
    (tmp_path / "packs").mkdir()
    for name in ("first", "second"):
        (tmp_path / "releases" / name).mkdir(parents=True)

    def ask(*words: str) -> list[str]:
        done = subprocess.run(
            ["bash", "--norc", "-c", _COMPLETE, "bash", str(written), "density-bench", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return sorted(filter(None, done.stdout.splitlines()))

    return ask


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("st",), ["status"]),
        (("completion", ""), ["bash", "tcsh", "zsh"]),
        (("show", "--cl"), ["--claims"]),
        (("show", "three_l"), ["three_layers"]),
        (("why", "three_l"), ["three_layers"]),
        (("trace", "spvae_three"), ["spvae_three_layers"]),
        (("plan", "--configfile", "pa"), ["packs", "paper.yaml"]),
        (("status", "--results", "pa"), ["packs"]),
        (("release", ""), ["first", "second"]),
        (("release", "fi"), ["first"]),
        (("compare", "first", "se"), ["second"]),
        (("compare", ""), ["first", "packs", "paper.yaml", "releases", "second"]),
        (("compare", "pap"), ["paper.yaml"]),
        (("trace", "spvae/three"), ["spvae/three_layers"]),
        (("why", "spvae/three"), ["spvae/three_layers"]),
        (("show", "spvae/three"), ["spvae/three_layers"]),
        (("fetch", "--data-set", "omni"), ["omniglot"]),
        (("pack", "--checkpoints", ""), ["all", "winners"]),
        (("train", "--device", "cp"), ["cpu"]),
        (("prepare", "--likelihood", "bern"), ["bernoulli"]),
    ],
)
def test_bash_offers(words: tuple[str, ...], offered: list[str], completed: object) -> None:
    assert callable(completed)
    assert completed(*words) == offered


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("command", "offered"),
    [
        ("show", {"spvae", "spvae/table1"}),
        ("why", {"spvae/table1"}),
        ("trace", {"spvae/table1", "spvae_table1"}),
    ],
)
def test_bash_offers_studies_and_their_experiments(
    command: str, offered: set[str], completed: object
) -> None:
    assert callable(completed)
    found = completed(command, "spv")
    assert offered <= set(found)
    assert all(name.startswith("spvae") for name in found)


def test_every_change_is_tried_in_every_shell() -> None:
    """Where a shell is not installed, its tests are skipped, so that the gate installs them all."""
    (programs,) = re.findall(r"^for pair in (.+); do$", (ROOT / ".ci" / "run").read_text(), re.M)
    assert {"zsh", "tcsh"} <= set(programs.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_can_complete_an_alias_by_the_same_name(written: Path) -> None:
    program = f"alias density-bench='python -m workflow_src'; source {written}; complete -p"
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert any(line.endswith(" density-bench") for line in done.stdout.splitlines())


@pytest.mark.parametrize("shell", SHELLS)
def test_the_command_prints_the_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["completion", shell]) == 0
    told = capsys.readouterr().out
    assert "density-bench" in told
    assert "three_layers" in told
    assert "omniglot" in told


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_reads_its_script(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(script(shell))
    done = subprocess.run([shell, "-n", str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_completion_does_not_narrow_what_is_allowed() -> None:
    """Names of the day the script was made are offers; others parse as before."""
    script("bash")
    from workflow_src.command_line.parsing import parse

    assert parse(["train", "--shard", "a", "--manifest", "b", "--device", "cuda:7"]).device
    assert parse(["why", "not_yet_there"]).what == "not_yet_there"
