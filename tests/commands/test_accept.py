"""`accept` refuses in one line; what it does on real results is in tests/workflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_src import __main__ as command_line


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yaml").write_text("seeds: [0]\n")


@pytest.mark.parametrize("words", [[], ["--since", "HEAD"], ["--why", "x"]])
def test_revision_and_reason_are_needed(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main(["accept", *words])
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--since", "HEAD", "--why", "  "], "an acceptance needs its reason"),
        (["--since", "HEAD", "--why", "x", "--sample", "-1"], "cannot be sampled"),
        (["--since", "HEAD", "--why", "x", "--device", "gpu"], "expected cpu, cuda or cuda:N"),
        (["--since", "HEAD", "--why", "x", "--device", "cuda:"], "expected cpu, cuda or cuda:N"),
        (["--since", "HEAD", "--why", "x", "--threads", "0"], "--threads: 0 threads cannot"),
        (["--since", "nowhere", "--why", "x"], "git knows no revision 'nowhere'"),
        (["--since", "", "--why", "x"], "git knows no revision ''"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command_line.main(["accept", *words]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
