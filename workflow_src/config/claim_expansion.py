"""Claims written once for several values, as the plain claims that they stand for.

A study's file may say a thing once where the paper says it of many values:

- In a check, ``fraction`` and the values in ``first`` and ``second`` may be lists. The check is
  then asked for each value in turn. What both list under one name goes together, value by value;
  all else makes a product, in which what is written last varies fastest.
- A claim may say ``for_each``, lists of values by name. It is then one claim for every value, or
  for every combination, with a name and a verdict of its own. The value is put into ``first`` and
  ``second`` of every check, and into the texts where they say ``{name}``.

This works on plain values, before the types look at them, so that only plain claims have types. It
refuses what makes the expansion unclear and leaves all else, such as an unknown key, to the types.
"""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workflow_src.config.complaints import Complaint, Place, shown, unknown
from workflow_src.config.strict import Scalar
from workflow_src.config.yaml_lines import KeyPath, dotted

_SUBJECTS = ("first", "second")
_TEXTS = ("statement", "place", "note")
_PLACEHOLDER = re.compile(r"\{([A-Za-z_]\w*)\}")


@dataclass(frozen=True)
class PlainClaims:
    """Claims without lists and ``for_each``, and where in the file their parts are written."""

    claims: Any
    origins: Mapping[KeyPath, KeyPath]

    def written(self, key: KeyPath) -> KeyPath:
        """The key in the file of what stands under ``key`` in the study with plain claims."""
        for end in range(len(key), 0, -1):
            if key[:end] in self.origins:
                return (*self.origins[key[:end]], *key[end:])
        return key


def expand_claims(written: Any, place: Place) -> PlainClaims:
    """The plain claims that the value of a study's key ``claims`` stands for.

    ``place`` says where a key of the study's file is, for errors.

    Raises
    ------
    UserError
        A list is empty, repeats a value or differs in length from the one that it goes with; a
        value of ``for_each`` is no number or text, is in a check already or is not in the
        statement; a placeholder names nothing; two claims get one name.
    """
    if not isinstance(written, Mapping):
        return PlainClaims(written, {})
    claims: dict[Any, Any] = {}
    origins: dict[KeyPath, KeyPath] = {}
    for name, claim in written.items():
        key: KeyPath = ("claims", name)
        for chosen in _combinations(key, claim, place):
            plain_name = "_".join(
                [name, *(f"{one.name}_{word_in_name(one.value)}" for one in chosen)]
            )
            plain_key: KeyPath = ("claims", plain_name)
            if plain_key in origins:
                raise Complaint(
                    key,
                    f"two claims get the name {plain_name}",
                    expected="names that differ, also with values after them",
                    remedy=f"give this one or {dotted(origins[plain_key])} another name",
                ).error(place)
            claims[plain_name], parts = _plain_claim(key, claim, chosen, place)
            origins[plain_key] = key
            origins |= {(*plain_key, *part): origin for part, origin in parts.items()}
    return PlainClaims(claims, origins)


@dataclass(frozen=True)
class _Chosen:
    """One value of ``for_each`` with the key that it is written under."""

    name: str
    value: Scalar
    key: KeyPath


def _combinations(key: KeyPath, claim: Any, place: Place) -> Iterator[tuple[_Chosen, ...]]:
    """Every combination of the values of ``for_each``; an empty one where a claim has none."""
    if not isinstance(claim, Mapping) or "for_each" not in claim:
        return iter([()])
    key = (*key, "for_each")
    lists = claim["for_each"]
    if not isinstance(lists, Mapping) or not lists:
        expected = "lists of values, by the name of what experiments compare"
        raise Complaint(key, f"{shown(lists)} is not allowed", expected).error(place)
    return itertools.product(
        *(_choices((*key, name), name, values, place) for name, values in lists.items())
    )


def _choices(key: KeyPath, name: str, values: Any, place: Place) -> list[_Chosen]:
    if not isinstance(values, list):
        expected = "a list of values in square brackets"
        raise Complaint(key, f"{shown(values)} is not allowed", expected).error(place)
    for position, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            expected = "a number or text"
            here = (*key, position)
            raise Complaint(here, f"{shown(value)} is not allowed", expected).error(place)
    _check_list(key, values, place)
    return [_Chosen(name, value, (*key, position)) for position, value in enumerate(values)]


def _check_list(key: KeyPath, values: Sequence[Any], place: Place) -> None:
    if not values:
        raise _empty(key).error(place)
    for position, value in enumerate(values):
        if value in values[:position]:
            raise Complaint(
                (*key, position), f"{shown(value)} is listed twice", expected="each entry once"
            ).error(place)


def _empty(key: KeyPath) -> Complaint:
    return Complaint(key, "the list is empty", expected="at least one entry")


def _text(value: Scalar) -> str:
    """A value as a sentence says it: 1 for 1.0, choices in words."""
    return (
        str(value).removesuffix(".0") if isinstance(value, float) else str(value).replace("_", " ")
    )


def word_in_name(value: Scalar) -> str:
    """A value as a part of a claim's name: ``0_05`` for 0.05."""
    return re.sub(r"[^a-z0-9]+", "_", re.sub("^-", "minus_", _text(value).lower()))


def _plain_claim(
    key: KeyPath, claim: Any, chosen: Sequence[_Chosen], place: Place
) -> tuple[Any, dict[KeyPath, KeyPath]]:
    """The claim for one combination of values, and the keys under which its parts are written."""
    if not isinstance(claim, Mapping):
        return claim, {}
    plain = {**claim, **_filled_texts(key, claim, chosen, place)}
    origins: dict[KeyPath, KeyPath] = {}
    if chosen:
        plain["for_each"] = {one.name: one.value for one in chosen}
        origins |= {("for_each", one.name): one.key for one in chosen}
    if isinstance(claim.get("checks"), list):
        plain["checks"] = []
        for position, check in enumerate(claim["checks"]):
            check_key: KeyPath = (*key, "checks", position)
            for plain_check, parts in _plain_checks(check_key, check, chosen, place):
                here: KeyPath = ("checks", len(plain["checks"]))
                origins[here] = check_key
                origins |= {(*here, *part): origin for part, origin in parts.items()}
                plain["checks"].append(plain_check)
    return plain, origins


def _filled_texts(
    key: KeyPath, claim: Mapping[str, Any], chosen: Sequence[_Chosen], place: Place
) -> dict[str, str]:
    """Statement, place and note with values for placeholders; the statement names every value."""
    values = {one.name: _text(one.value) for one in chosen}
    texts = {name: claim[name] for name in _TEXTS if isinstance(claim.get(name), str)}
    for name, text in texts.items():
        for word in _PLACEHOLDER.findall(text):
            if word not in values:
                raise unknown((*key, name), "placeholder", word, values).error(place)
    for name in values:
        if "statement" in texts and name not in _PLACEHOLDER.findall(texts["statement"]):
            raise Complaint(
                (*key, "statement"),
                f"the statement is the same for every {name}",
                expected=f"{{{name}}} where it says the value",
            ).error(place)
    return {
        name: _PLACEHOLDER.sub(lambda found: values[found[1]], text) for name, text in texts.items()
    }


def _plain_checks(
    key: KeyPath, check: Any, chosen: Sequence[_Chosen], place: Place
) -> Iterator[tuple[Any, dict[KeyPath, KeyPath]]]:
    """Every check that one stands for, and where those of its values are that were put there."""
    if not isinstance(check, Mapping):
        yield check, {}
        return
    axes = _axes(key, check, place)
    for positions in itertools.product(*(range(length) for _, length in axes)):
        plain: Any = copy.deepcopy(dict(check))
        origins: dict[KeyPath, KeyPath] = {}
        for (parts, _), position in zip(axes, positions, strict=True):
            for part in parts:
                _put(plain, part, _at(check, part)[position])
                origins[part] = (*key, *part, position)
        for one, subject in itertools.product(chosen, _SUBJECTS):
            part = (subject, one.name)
            if isinstance(plain.get(subject), Mapping):
                _check_free((*key, *part), plain[subject], one, place)
                _put(plain, part, one.value)
                origins[part] = one.key
        yield plain, origins


def _axes(key: KeyPath, check: Mapping[str, Any], place: Place) -> list[tuple[list[KeyPath], int]]:
    """Parts of a check that list values, those together that go together, with their length."""
    together: dict[str, list[KeyPath]] = {}
    for subject in _SUBJECTS:
        values = check.get(subject)
        for name, value in values.items() if isinstance(values, Mapping) else ():
            if isinstance(value, list):
                together.setdefault(name, []).append((subject, name))
    axes = list(together.values())
    if isinstance(check.get("fraction"), list):
        axes.append([("fraction",)])
    for parts in axes:
        _check_axis(key, {part: _at(check, part) for part in parts}, place)
    return [(parts, len(_at(check, parts[0]))) for parts in axes]


def _check_axis(key: KeyPath, lists: Mapping[KeyPath, Sequence[Any]], place: Place) -> None:
    """One list, or two that go together, by the part of the check: as long, without repetition."""
    for part, values in lists.items():
        if not values:
            raise _empty((*key, *part)).error(place)
    last = (*key, *list(lists)[-1])
    lengths = [len(values) for values in lists.values()]
    if lengths[0] != lengths[-1]:
        raise Complaint(
            last,
            f"the lengths of the lists differ: {lengths[0]} in the first, {lengths[-1]} here",
            expected="as many values here as in the first, or one value",
        ).error(place)
    entries = zip(*lists.values(), strict=True)
    _check_list(last, [one if len(one) > 1 else one[0] for one in entries], place)


def _check_free(key: KeyPath, subject: Mapping[str, Any], one: _Chosen, place: Place) -> None:
    if one.name in subject:
        raise Complaint(
            key,
            f"{one.name} has its values from for_each",
            expected="them in one of the two places",
        ).error(place)


def _at(check: Mapping[str, Any], part: KeyPath) -> Any:
    value: Any = check
    for name in part:
        value = value[name]
    return value


def _put(check: dict[str, Any], part: KeyPath, value: Any) -> None:
    _at(check, part[:-1])[part[-1]] = value
