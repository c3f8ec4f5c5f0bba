"""Entries of the registry of data sets, written out: one mapping of facts for every data set.

An entry may leave to another one what it shares with it: the files with that which publishes them
(``published_as``), and all but a few words and numbers with that which it is a part of
(``part_of``). An entry with ``for_each_label`` stands for one data set for each label from 0 on,
whose name ends in the label: ``{label}`` in its words is the label, ``training_labels`` holds it
alone, and ``sizes`` lists a number for each label.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workflow_src.config.complaints import Complaint, Place, unknown
from workflow_src.config.yaml_lines import KeyPath

Facts = dict[str, Any]
Entries = Mapping[str, Facts]

_OWN = frozenset(
    {"title", "part_of", "training_labels", "anomalies", "sizes", "split", "collection"}
)
"""What a part says for itself, or has not at all; also where its files are and who judges it."""


def registry_facts(entries: Entries, place: Place) -> dict[str, tuple[Facts, str]]:
    """The facts of every data set by name, with the name of the entry that says them.

    Raises
    ------
    UserError
        Where an entry refers to one that does not exist or cannot be referred to, says what the
        other one says for it, or lists no number for each label.
    """
    found: dict[str, tuple[Facts, str]] = {}
    for entry, facts in entries.items():
        here = _Entry(entry, facts, entries, place)
        for name, own in here.for_each_label():
            if name in found:
                raise here.error((), f"there are two data sets {name}", "names of their own")
            found[name] = here.with_files(here.as_part(own)), entry
    return found


class _Entry:
    """One entry, seen among the others."""

    def __init__(self, name: str, facts: Facts, entries: Entries, place: Place) -> None:
        self.name, self.facts, self.entries, self.place = name, facts, entries, place

    def error(self, key: KeyPath, problem: str, expected: str) -> Exception:
        """The complaint about what stands under ``key``."""
        return Complaint(key, problem, expected=expected).error(self._place)

    def for_each_label(self) -> Iterator[tuple[str, Facts]]:
        """The data sets that the entry stands for; itself, where it is one."""
        labels = self.facts.get("for_each_label")
        if labels is None:
            yield self.name, self.facts
            return
        if not isinstance(labels, int) or not 1 <= labels <= 256:
            raise self.error(("for_each_label",), f"{labels!r} is no number of labels", "1 to 256")
        sizes = self._sizes(labels)
        for label in range(labels):
            own = {
                name: value.replace("{label}", str(label)) if isinstance(value, str) else value
                for name, value in self.facts.items()
                if name != "for_each_label"
            }
            yield (
                f"{self.name}_{label}",
                own | {"training_labels": (label,), "sizes": sizes[label]},
            )

    def as_part(self, facts: Facts) -> Facts:
        """The facts, with those of the whole where it is a part and does not say otherwise."""
        whole = facts.get("part_of")
        if whole is None:
            return facts
        shared = self._referred("part_of", whole)
        if "part_of" in shared:
            raise self.error(
                ("part_of",), f"{whole} is itself a part", f"the whole, {shared['part_of']}"
            )
        inherited = {name: value for name, value in shared.items() if name not in _OWN | {"files"}}
        return {"published_as": whole, "judged_by": whole} | inherited | facts

    def with_files(self, facts: Facts) -> Facts:
        """The facts of one data set, with the files of its publisher where it names one."""
        publisher = facts.get("published_as")
        if publisher is None:
            return facts
        files = self._referred("published_as", publisher).get("files", [])
        if "files" in facts:
            raise self.error(
                ("files",), f"the files are those of {publisher}", "no files beside published_as"
            )
        if (first := self.entries[publisher].get("published_as")) is not None:
            raise self.error(
                ("published_as",),
                f"{publisher} has no files of its own",
                f"the data set that publishes them, {first}",
            )
        return facts | {"files": files}

    def _sizes(self, labels: int) -> list[dict[str, int]]:
        sizes = self.facts.get("sizes")
        if not isinstance(sizes, dict):
            raise self.error((), "the key 'sizes' is missing", "the images of each part, by label")
        for part, numbers in sizes.items():
            if not isinstance(numbers, list) or len(numbers) != labels:
                raise self.error(
                    ("sizes", part), f"{numbers!r} is not for each label", f"{labels} numbers"
                )
        return [{part: own[label] for part, own in sizes.items()} for label in range(labels)]

    def _referred(self, key: str, name: str) -> Facts:
        if name not in self.entries:
            raise unknown((key,), "data set", name, self.entries).error(self._place)
        return self.entries[name]

    def _place(self, key: KeyPath) -> str:
        return self.place(("data_sets", self.name, *key))
