"""Accepts a change of code that changes no result, so that nothing is made again for it."""

from __future__ import annotations

import getpass
import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from workflow_src.changes.comparison import Comparison, StepChange, compared
from workflow_src.changes.description import all_code
from workflow_src.changes.earlier import bare_digest
from workflow_src.changes.effect import without_effect
from workflow_src.changes.orphans import results_of
from workflow_src.changes.repetitions import Repeater
from workflow_src.changes.revisions import plans_since
from workflow_src.changes.samples import Sample
from workflow_src.changes.telling import counted
from workflow_src.changes.trials import Trial
from workflow_src.config.loading import load_layered
from workflow_src.errors import UserError
from workflow_src.plan.acceptances import (
    Acceptance,
    Replacement,
    append_acceptance,
    identifier_of,
)
from workflow_src.plan.fingerprints import REPORT, Closures
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.provenance.git import git
from workflow_src.provenance.repository import describe_repository

_NO_IDENTIFIER = "0" * 12
_DEVICE = re.compile(r"cpu|cuda(:[0-9]+)?")
_NAMED = 5


@dataclass(frozen=True)
class Request:
    """What is to be accepted, and how it is tried.

    Attributes
    ----------
    since:
        The git revision before the change.
    why:
        Why the change changes no result.
    files:
        The settings files, config.yaml first.
    sample:
        Results of each family of each step that are made again; 0 for none.
    by:
        Who says so; None for git's author.
    device, threads:
        Where given, only results made so are tried; otherwise each is tried as it was made.
    untried:
        Accept as well for families of results of which none can be tried here.
    """

    since: str
    why: str
    files: Sequence[Path]
    sample: int = 1
    by: str | None = None
    device: str | None = None
    threads: int | None = None
    untried: bool = False


@dataclass(frozen=True)
class Answer:
    """What was found.

    Attributes
    ----------
    acceptance:
        None where something differed and nothing was written.
    plan:
        As it is now.
    remains:
        What would be made again in spite of the acceptance, and why.
    """

    comparison: Comparison
    trials: tuple[Trial, ...]
    acceptance: Acceptance | None
    plan: Plan
    remains: tuple[str, ...] = ()


def accept(request: Request, tell: Callable[[str], None] = lambda line: None) -> Answer:
    """Try the changed code of every step and, where nothing differs, write the acceptance.

    ``tell`` is given what will be tried, line by line, before anything is.

    Raises
    ------
    UserError
        Where there is nothing to accept, no reason is given, code was accepted before, families of
        results cannot be tried, or the code was changed during the trial.
    """
    _check(request)
    comparison = compared(plans_since(request.since, request.files))
    changes = acceptable(comparison)
    plan = comparison.since.plan
    package_root = plan.closures.package_root
    until = _state(package_root.parent)
    with tempfile.TemporaryDirectory(prefix="density-bench-") as folder:
        repeater = Repeater(
            plan,
            results_of(plan),
            Path(folder),
            request.sample,
            request.device,
            request.threads,
        )
        samples = [repeater.sample(one.step, _codes_before(comparison, one)) for one in changes]
        announce(samples, tell)
        if not request.untried:
            refuse_untried(samples)
        trials = [
            trial for sample in samples for trial in (*repeater.repeat(sample), *sample.untried)
        ]
    if any(trial.equal is False for trial in trials):
        return Answer(comparison, tuple(trials), None, plan)
    acceptance = _entry(request, comparison, changes, trials, until)
    refuse_other_code(plan.closures, comparison.now["closures"])
    append_acceptance(package_root, acceptance)
    after = build_plan(load_layered(request.files), package_root=package_root)
    again = compared(replace(comparison.since, plan=after))
    remains = without_effect([one.step for one in changes], again)
    return Answer(comparison, tuple(trials), acceptance, after, tuple(remains))


def announce(samples: Sequence[Sample], tell: Callable[[str], None]) -> None:
    """Say what will be tried, what cannot be, and how long it took when it was made."""
    for sample in samples:
        for line in sample.lines():
            tell(line)
        for one in sample.untried:
            tell(f"not to be tried: {one.title} ({one.reason})")
    seconds = sum(one.seconds for sample in samples for one in sample.chosen)
    if seconds:
        tell(f"this takes about {seconds:.0f} device seconds; --sample makes it fewer or more")


def refuse_untried(samples: Sequence[Sample]) -> None:
    """Refuse to accept for results that are there and cannot be tried."""
    untried = [one for sample in samples for one in sample.untried if one.family]
    if not untried:
        return
    named = "; ".join(f"{one.title}: {one.reason}" for one in untried[:_NAMED])
    more = f"; and {len(untried) - _NAMED} more" if len(untried) > _NAMED else ""
    raise UserError(
        f"{counted(len(untried), 'kind')} of results cannot be tried ({named}{more})",
        expected="results that can be made again here, of every data set and likelihood",
        remedy="accept where they were made and their data lie, or say --untried to accept the "
        "change for them without a trial",
    )


def refuse_other_code(planned: Closures, before: Mapping[str, Mapping[str, object]]) -> None:
    """Refuse where the files are no longer the code that was planned with, and tried."""
    # Modules are parsed once for each content, so this sees the files as they are now.
    now = Closures(planned.package_root, environment=planned.environment)
    changed = [one.step for one in all_code(now) if before[one.step]["digest"] != one.digest]
    if changed:
        raise UserError(
            f"the code was changed while it was tried: {', '.join(changed)}",
            place=str(planned.package_root),
            remedy="start again, and leave the files alone meanwhile",
        )


def acceptable(comparison: Comparison) -> list[StepChange]:
    """The changed steps that an acceptance is for: all but the report, which is cheap to make."""
    if not comparison.steps:
        raise UserError(
            f"no code that a result depends on was changed since {comparison.since.revision}",
            place="--since",
        )
    changes = [one for one in comparison.steps if one.step != REPORT and not one.accepted]
    known = comparison.since.plan.closures.acceptances
    before = [one for one in comparison.steps if one.accepted]
    if not changes and before:
        raise UserError(
            f"the change since {comparison.since.revision} is accepted already",
            place=", ".join(one.step for one in before),
        )
    if not changes:
        raise UserError(
            f"only the report's code was changed since {comparison.since.revision}",
            place="--since",
            remedy="start Snakemake: the report is made again in no time and never accepted",
        )
    for change in changes:
        chain = known.chain(
            change.step, bare_digest(comparison.now["closures"][change.step]["modules"])
        )
        if chain:
            raise UserError(
                f"the code of {change.step} was accepted already, by {chain[0].identifier}, in "
                "the place of other code",
                place="--since",
                expected=f"a revision with the code of {chain[0].since}",
            )
    return changes


def not_covered(comparison: Comparison) -> list[str]:
    """What else changed, which no acceptance is for."""
    report = ["the code of the report" for one in comparison.steps if one.step == REPORT]
    return [*report, *comparison.settings, *comparison.values, *comparison.recipes]


def _check(request: Request) -> None:
    if not request.why.strip():
        raise UserError(
            "an acceptance needs its reason",
            place="--why",
            expected="a sentence that says why no result can change",
        )
    if request.sample < 0:
        raise UserError(f"{request.sample} results cannot be sampled", place="--sample")
    if request.device is not None and not _DEVICE.fullmatch(request.device):
        raise UserError(
            f"{request.device!r} is no device", place="--device", expected="cpu, cuda or cuda:N"
        )
    if request.threads is not None and request.threads < 1:
        raise UserError(
            f"{request.threads} threads cannot compute", place="--threads", expected="1 or more"
        )


def _entry(
    request: Request,
    comparison: Comparison,
    changes: Sequence[StepChange],
    trials: Sequence[Trial],
    until: str,
) -> Acceptance:
    before, now = comparison.since.before["closures"], comparison.now["closures"]
    entry = Acceptance(
        identifier=_NO_IDENTIFIER,
        why=request.why.strip(),
        by=request.by or _author(comparison.since.plan.closures.package_root.parent),
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        since=comparison.since.commit,
        until=until,
        steps={
            one.step: Replacement(
                old=bare_digest(before[one.step]["modules"]),
                new=bare_digest(now[one.step]["modules"]),
            )
            for one in changes
        },
        evidence=tuple(trial.evidence() for trial in trials),
    )
    identifier = identifier_of(entry.model_dump(mode="json"))
    return entry.model_copy(update={"identifier": identifier})


def _codes_before(comparison: Comparison, change: StepChange) -> frozenset[str]:
    """What records may name code that counts as the old one: its digest, or its identity."""
    code = comparison.since.before["closures"][change.step]
    return frozenset((code["digest"], code["identity"]))


def _state(root: Path) -> str:
    """The commit of the code as it is, with the digest of uncommitted changes."""
    facts = describe_repository(root)
    changes = f"+{facts['changes_digest']}" if facts.get("changes_digest") else ""
    return f"{facts.get('commit') or 'no commit'}{changes}"


def _author(root: Path) -> str:
    told = git(root, "var", "GIT_AUTHOR_IDENT")
    name = told.decode(errors="replace").partition("<")[0].strip() if told else ""
    return name or getpass.getuser()
