"""Which results of the old code are made again: some of every family, of different shapes first.

A family is what one change may spare while it hits another: a step's results on one data set with
one likelihood, and on one kind of device where bits depend on it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from workflow_src.changes.telling import counted
from workflow_src.changes.trials import Trial

Difference = tuple[dict[str, str], list[str]]
"""What a repetition gives: sha256 of outputs, and what differs."""


@dataclass(frozen=True)
class Candidate:
    """Something that the old code made and that may be made again.

    Attributes
    ----------
    family:
        The kind of results that it stands for.
    names:
        Fingerprints of what would be made again.
    shape:
        Equal for candidates that go through the same shapes.
    seconds:
        What it took, of its device.
    repeat:
        Makes it again and compares; a text says why that cannot be expected to give the same.
    """

    family: str
    names: tuple[str, ...]
    shape: Hashable
    seconds: float
    repeat: Callable[[], Difference] | str


@dataclass(frozen=True)
class Sample:
    """What is tried of one step, and the families of which nothing can be."""

    step: str
    chosen: tuple[Candidate, ...]
    untried: tuple[Trial, ...]

    def lines(self) -> Iterator[str]:
        """What will be tried, family by family."""
        families: dict[str, list[Candidate]] = defaultdict(list)
        for one in self.chosen:
            families[one.family].append(one)
        for family, members in families.items():
            count = counted(sum(len(one.names) for one in members), "result")
            seconds = sum(one.seconds for one in members)
            yield f"to be tried: {self.step}, {family}: {count}, {seconds:.0f} s"


def sampled(step: str, candidates: Iterable[Candidate], size: int) -> Sample:
    """At most ``size`` candidates of every family: the cheapest of each shape, then the next."""
    families: dict[str, list[Candidate]] = defaultdict(list)
    for one in candidates:
        families[one.family].append(one)
    chosen: list[Candidate] = []
    untried = []
    for family, members in sorted(families.items()):
        fit = [one for one in members if not isinstance(one.repeat, str)]
        chosen += _different_first(fit)[:size]
        if not fit:
            reasons = Counter(one.repeat for one in members if isinstance(one.repeat, str))
            told = "; ".join(reason for reason, _ in reasons.most_common(2))
            untried.append(Trial(step, family, reason=told))
    return Sample(step, tuple(chosen), tuple(untried))


def _different_first(candidates: Sequence[Candidate]) -> list[Candidate]:
    """The cheapest of each shape, then the second of each, and so on."""
    seen: Counter[Hashable] = Counter()
    ranked = []
    for one in sorted(candidates, key=lambda one: (one.seconds, one.names)):
        ranked.append((seen[one.shape], one))
        seen[one.shape] += 1
    return [one for _, one in sorted(ranked, key=lambda pair: pair[0])]
