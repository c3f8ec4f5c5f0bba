"""Accepts a change of code that changes no result, so that nothing is made again for it."""

from __future__ import annotations

import getpass
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from workflow_src.changes.comparison import Comparison, StepChange, compared
from workflow_src.changes.orphans import results_of
from workflow_src.changes.repetitions import Repeater
from workflow_src.changes.revisions import git, plans_since
from workflow_src.changes.trials import Trial
from workflow_src.errors import UserError
from workflow_src.plan.acceptances import (
    Acceptance,
    Replacement,
    append_acceptance,
    identifier_of,
)
from workflow_src.plan.fingerprints import ENVIRONMENT, REPORT
from workflow_src.provenance.repository import describe_repository
from workflow_src.storage import digest

_NO_IDENTIFIER = "0" * 12


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
        Results of each step that are made again; 0 for none.
    by:
        Who says so; None for git's author.
    device, threads:
        Where given, only results made so are tried; otherwise each is tried as it was made.
    """

    since: str
    why: str
    files: Sequence[Path]
    sample: int = 1
    by: str | None = None
    device: str | None = None
    threads: int | None = None


@dataclass(frozen=True)
class Answer:
    """What was found; ``acceptance`` is None where something differed and nothing was written."""

    comparison: Comparison
    trials: tuple[Trial, ...]
    acceptance: Acceptance | None


def accept(request: Request) -> Answer:
    """Try the changed code of every step and, where nothing differs, write the acceptance.

    Raises
    ------
    UserError
        Where there is nothing to accept, no reason is given, or code was accepted before.
    """
    if not request.why.strip():
        raise UserError(
            "an acceptance needs its reason",
            place="--why",
            expected="a sentence that says why no result can change",
        )
    if request.sample < 0:
        raise UserError(f"{request.sample} results cannot be sampled", place="--sample")
    comparison = compared(plans_since(request.since, request.files))
    changes = acceptable(comparison)
    plan = comparison.since.plan
    until = _state(plan.closures.package_root.parent)
    with tempfile.TemporaryDirectory(prefix="density-bench-") as folder:
        repeater = Repeater(
            plan,
            results_of(plan),
            Path(folder),
            request.sample,
            request.device,
            request.threads,
        )
        trials = tuple(
            trial
            for change in changes
            for trial in repeater.repeat(change, _codes_before(comparison, change))
        )
    if any(trial.equal is False for trial in trials):
        return Answer(comparison, trials, None)
    acceptance = _entry(request, comparison, changes, trials, until)
    append_acceptance(plan.closures.package_root, acceptance)
    return Answer(comparison, trials, acceptance)


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
        chain = known.chain(change.step, _bare(comparison.now["closures"][change.step]))
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
            one.step: Replacement(old=_bare(before[one.step]), new=_bare(now[one.step]))
            for one in changes
        },
        evidence=tuple(trial.evidence() for trial in trials),
    )
    identifier = identifier_of(entry.model_dump(mode="json"))
    return entry.model_copy(update={"identifier": identifier})


def _bare(code: dict[str, dict[str, str]]) -> str:
    """The digest of a step's code without the environment, as acceptances know it."""
    return digest({name: one for name, one in code["modules"].items() if name != ENVIRONMENT})


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
