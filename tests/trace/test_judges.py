"""The line from a number down to the judges that it depends on, and what changes when they do."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from rich.console import Console
from support.judged_world import JudgedWorld

from workflow_src.archive.results import Results
from workflow_src.changes.details import tell_place
from workflow_src.changes.explaining import explain
from workflow_src.changes.places import Place
from workflow_src.lineage.records import DIFFERS, Ground
from workflow_src.lineage.reproduce import commands_for_evaluations
from workflow_src.release.prune import find_stale
from workflow_src.trace.lineage import Lineage
from workflow_src.trace.links import Link


def below(link: Link) -> Iterator[Link]:
    yield link
    for one in link.below:
        yield from below(one)


def test_judges_are_followed_beside_the_measurement(finished_judged: JudgedWorld) -> None:
    one = finished_judged.judged(finished_judged.plan())
    ground = Ground(Path("results"), finished_judged.root)
    link = Lineage(ground).evaluation(one.fingerprint)
    everything = list(below(link))
    titles = [each.title for each in everything]
    for judge in one.judges:
        assert any(title.startswith(f"run {judge.fingerprint}: ") for title in titles)
    assert not any("other candidates" in title for title in titles)
    assert "judged by 2 of 2 runs" in link.facts
    own = [each for each in everything if each.title.startswith(("run ", "measurement "))]
    assert DIFFERS not in {each.verdict for each in own}


def test_commands_make_the_judges_again_too(finished_judged: JudgedWorld) -> None:
    one = finished_judged.judged(finished_judged.plan())
    ground = Ground(Path("results"), finished_judged.root)
    text = "\n".join(commands_for_evaluations(ground, [one.fingerprint]))
    for judge in one.judges:
        assert f"{judge.directory}/checkpoint.safetensors" in text
    assert "judged.npz" in text


def test_other_judges_are_why_an_evaluation_is_made_again(judged: JudgedWorld) -> None:
    grid = judged.study["experiments"]["table1"]["scales"]["demo"]
    grid["judges"]["seeds"] = [0]
    plan = judged.plan()
    (reason,) = explain(plan).evaluations[judged.judged(plan).fingerprint]
    assert (reason.kind, reason.lines) == ("judges", ("0 more, 1 fewer judges",))


def test_a_missing_judge_is_what_an_evaluation_waits_for(judged: JudgedWorld) -> None:
    grid = judged.study["experiments"]["table1"]["scales"]["demo"]
    grid["judges"]["values"]["filters"] = 5
    plan = judged.plan()
    one = judged.judged(plan)
    explanation = explain(plan)
    assert set(explanation.runs) == {judge.fingerprint for judge in one.judges}
    assert explanation.evaluations[one.fingerprint] == explanation.runs[one.judges[0].fingerprint]
    said = StringIO()
    console = Console(file=said, width=200)
    results = Results(judged.root / "results")
    tell_place(explanation, results, Place("evaluation", one.fingerprint), console)
    assert "judged by 2 runs, of which 2 are missing" in said.getvalue()


def test_judges_that_are_asked_for_are_not_pruned(judged: JudgedWorld) -> None:
    del judged.study["experiments"]["judges"]
    plan = judged.plan()
    with contextlib.chdir(judged.root):
        stale = find_stale([plan])
    kept = {judge.directory.name for judge in judged.judged(plan).judges}
    assert not kept.intersection(path.path.name for path in stale.stale)
    grid = judged.study["experiments"]["table1"]["scales"]["demo"]
    grid["judges"]["seeds"] = [0]
    with contextlib.chdir(judged.root):
        stale = find_stale([judged.plan()])
    names = {path.path.name for path in stale.stale if path.kind == "runs"}
    assert names == {judged.judged(plan).judges[1].directory.name}
