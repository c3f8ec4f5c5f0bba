"""How checks, ways and outcomes read: in the claims' files and on the page the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workflow_src.config.claim_expansion import word_in_name
from workflow_src.config.claims import Check, Comparison, Limit, Ratio, SmallerLoss, Stability
from workflow_src.config.data_sets import COLLECTIONS, DATA_SETS
from workflow_src.config.metrics import metric
from workflow_src.config.models import model_declarations
from workflow_src.report.claim_checks import NOT_RUN, Judgement, Outcome
from workflow_src.report.claims import ELSEWHERE, PUBLISHED, ClaimCell, Verdict
from workflow_src.report.table_files import interval_text
from workflow_src.report.wording import (
    NOTHING,
    PROPER_NAMES,
    axis_title,
    axis_value,
    listed,
    number,
    signed,
)

OUTCOMES: Mapping[Outcome, str] = {
    "holds": "holds",
    "fails": "fails",
    "undecided": "undecided",
    "not_run": "not run",
}

_SHARE = "%"


def claim_title(name: str, for_each: Mapping[str, Any] | None = None) -> str:
    """The name of a claim with models, data sets and methods as people call them.

    Between digits an underscore is a decimal point, as in names of claims for several values. Such
    a name has the values of ``for_each`` in lower case; its title has them as they are written.
    """
    titles = {key: axis_value("model", key) for key in model_declarations()}
    titles |= {f"{key}s": f"{title}s" for key, title in titles.items()}
    titles |= {key: axis_value("data_set", key) for key in (*DATA_SETS, *COLLECTIONS)}
    titles |= PROPER_NAMES
    words = _words(name)
    # The longer names first: one may be a part of another.
    for key in sorted(titles, key=len, reverse=True):
        words = re.sub(rf"\b{key.replace('_', ' ')}\b", titles[key], words)
    for key, value in (for_each or {}).items():
        if value != str(value).lower():
            lower = re.escape(_words(f"{key}_{word_in_name(value)}"))
            words = re.sub(rf"(?<!\w){lower}(?!\w)", f"{_words(key)} {value}", words)
    words = _with_layouts(words)
    return words[:1].upper() + words[1:]


def _with_layouts(words: str) -> str:
    """The words with layouts as they are called, those whose names are letters: "instance E"."""
    names = {
        name.lower(): name
        for model in model_declarations().values()
        for one in model.hyperparameters.values()
        for name in one.names
        if name.isalpha()
    }

    def written(found: re.Match[str]) -> str:
        before, name = found[1] or "", found[2]
        # Alone it is the article.
        return found[0] if name == "a" and not before else before + names[name]

    return re.sub(rf"\b(instances? )?({'|'.join(names)})\b", written, words)


def _words(name: str) -> str:
    return re.sub(r"(?<=\d)_(?=\d)", ".", name).replace("_", " ")


def described_checks(checks: Sequence[Check]) -> list[str]:
    """What the checks ask for; those that differ in the part of the training images share a line.

    Every line starts with the numbers of its checks.
    """
    shared: dict[str, list[int]] = {}
    for place, check in enumerate(checks):
        shared.setdefault(_phrase(check), []).append(place)
    return [
        f"({_numbers(places)}) {phrase}{_fractions([checks[place] for place in places])}"
        for phrase, places in shared.items()
    ]


def _numbers(places: Sequence[int]) -> str:
    first, last = places[0] + 1, places[-1] + 1
    if last - first == len(places) - 1 > 1:
        return f"{first} to {last}"
    return listed(str(place + 1) for place in places)


def _fractions(checks: Sequence[Check]) -> str:
    """Which parts of the training images, where it is not all and not told already."""
    fractions = [check.fraction for check in checks]
    if isinstance(checks[0], Stability | SmallerLoss) or set(fractions) == {1.0}:
        return ""
    return f"; trained on {listed(axis_value('fraction', one) for one in fractions)} of the images"


def _phrase(check: Check) -> str:
    first, title = subject(check.first), metric(check.metric).title
    where = "" if check.data_sets is None else f", on {_listed('data_set', check.data_sets)}"
    if check.likelihoods is not None:
        where += f" ({_listed('likelihood', check.likelihoods)})"
    match check:
        case Comparison():
            second = _other_subject(check.first, check.second)
            return f"{first} {check.relation} than {second}: {title}{where}"
        case Ratio():
            return f"{first} / {subject(check.second)} {_bounds(check)}: {title}{where}"
        case Limit():
            every = " in every run" if metric(check.metric).over_seeds == "largest" else ""
            return f"{first} {_bounds(check)}{every}: {title}{where}"
        case Stability():
            few, loss = (axis_value("fraction", one) for one in (check.fraction, check.tolerance))
            return (
                f"{first} loses at most {loss} of its value by training on {few} of the images: "
                f"{title}{where}"
            )
        case SmallerLoss():
            few = axis_value("fraction", check.fraction)
            return (
                f"{first} loses less than {subject(check.second)} from its best part of the "
                f"training images to {few}: {title}{where}"
            )


def _listed(axis: str, values: Iterable[str]) -> str:
    return listed(axis_value(axis, value) for value in values)


def subject(chosen: Mapping[str, Any]) -> str:
    """What is compared, as people call it."""
    title = axis_value("model", chosen["model"])
    others = _settings_text({name: one for name, one in chosen.items() if name != "model"})
    return f"{title} ({others})" if others else title


def _other_subject(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """What ``first`` is compared with: of the same model, the settings that tell it from that."""
    others = {name: value for name, value in second.items() if first.get(name) != value}
    if "model" in others or not others or not first.keys() <= second.keys():
        return subject(second)
    return f"with {_settings_text(others)}"


def _settings_text(chosen: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{axis_title(name).lower()} {axis_value(name, value)}" for name, value in chosen.items()
    )


def way_text(one: Verdict) -> str:
    """Whose numbers a verdict is from."""
    if one.scope == PUBLISHED or one.way is None:
        return "published"
    way = f"{one.way.protocol}, {one.way.stream}"
    return f"{way}; other data sets" if one.scope == ELSEWHERE else way


def outcome_text(one: Verdict) -> str:
    """The verdict in words."""
    if one.scope == PUBLISHED and one.outcome == NOT_RUN:
        return "not printed"
    return OUTCOMES[one.outcome]


def cell_title(cell: ClaimCell) -> str:
    """Data set and likelihood of a cell."""
    data_set = axis_value("data_set", cell.data_set)
    return f"{data_set} {axis_value('likelihood', cell.likelihood)}"


def value_text(cell: ClaimCell) -> str:
    """What the outcome rests on, with its interval."""
    one, unit = cell.judgement, metric(cell.check.metric).unit
    if one.value is None:
        return NOTHING
    if isinstance(cell.check, Stability):
        return _with_interval(_percent(one.value), one, _SHARE)
    if isinstance(cell.check, Ratio):
        return _with_interval(number(one.value, ""), one, "")
    shown = number if isinstance(cell.check, Limit) else signed
    return _with_interval(shown(one.value, unit), one, unit)


def number_text(value: float | None, cell: ClaimCell) -> str:
    """One of the numbers that a cell was judged by."""
    return NOTHING if value is None else number(value, metric(cell.check.metric).unit)


def counts_text(one: Verdict) -> str:
    """How many cells say what."""
    counts = one.counts
    if one.outcome == NOT_RUN:
        run = len(one.cells) - counts["not_run"]
        done = "printed" if one.scope == PUBLISHED else "run"
        told = [f"{name} in {counts[name]}" for name in ("holds", "undecided") if counts[name]]
        so_far = f" ({', '.join(told)})" if told else ""
        return f"{run} of {len(one.cells)} cells {done}{so_far}"
    words = [f"{OUTCOMES[name]} in {count}" for name, count in counts.items() if count]
    return f"{', '.join(words)} of {len(one.cells)} cells"


def _with_interval(text: str, one: Judgement, unit: str) -> str:
    if one.interval is None:
        return text
    if unit == _SHARE:
        return f"{text} [{', '.join(map(_percent, one.interval))}]"
    return f"{text} {interval_text(one.interval, unit)}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} {_SHARE}"


def _bounds(check: Ratio | Limit) -> str:
    words = {"at least": check.at_least, "at most": check.at_most}
    return " and ".join(f"{word} {value:g}" for word, value in words.items() if value is not None)
