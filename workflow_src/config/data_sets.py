"""The registry of data sets: data_sets.yaml as typed facts.

Where the files come from, what they must hash to, and the shape of what preparation makes of them.
Nothing is downloaded or opened here. What one entry of the file says of several data sets, and of
parts of another one, is written out by `workflow_src.config.registry_entries`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from workflow_src.config.complaints import Complaint, Place, unknown, validate
from workflow_src.config.registry_entries import registry_facts
from workflow_src.config.strict import Distinct, Likelihood, Name, StrictModel
from workflow_src.config.yaml_lines import KeyPath, read_yaml

REGISTRY = Path(__file__).with_name("data_sets.yaml")

Positive = Annotated[int, Field(ge=1)]
Label = Annotated[int, Field(ge=0, le=255)]

_DRAWN = ("circle", "wave")
"""Readers of points that this program draws."""


class SourceFile(StrictModel):
    """One file of a data set as its publisher offers it."""

    name: str = Field(description="File name inside data/raw/<data set>/.")
    mirror_names: Distinct[str] = Field(
        description="Paths inside a mirror folder, tried in this order."
    )
    addresses: Distinct[str] = Field(description="Web addresses, tried in this order.")
    sha256: str | None = Field(
        None, pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file, where it is known."
    )
    md5: str | None = Field(
        None, pattern=r"^[0-9a-f]{32}$", description="MD5 that the publisher or torchvision gives."
    )
    git_blob: str | None = Field(
        None,
        pattern=r"^[0-9a-f]{40}$",
        description="SHA-1 by which git names the file's content, where a repository publishes it.",
    )
    bytes: Positive | None = Field(None, description="Size of the file, where it is known.")


class Sizes(StrictModel):
    """Number of images, or points, in each part."""

    train: Positive = Field(description="Images to train on.")
    validation: Positive = Field(description="Images to stop and choose by.")
    test: Positive = Field(description="Images that results are measured on, anomalies included.")


class DataSet(StrictModel):
    """One data set: facts about the prepared images or points, and where the files come from."""

    name: Name = Field(description="Name in settings, paths and columns.")
    title: str = Field(description="Name in tables and figures.")
    shape: Annotated[tuple[Positive, Positive], Field(strict=False)] = Field(
        description="Height and width of a prepared image in pixels; 1 and the number of "
        "coordinates for points."
    )
    channels: Literal[1, 3] = Field(1, description="1 for gray images, 3 for red, green and blue.")
    levels: Annotated[int, Field(ge=1, le=255)] | None = Field(
        None,
        description="Largest count of a pixel: 255 for 8-bit images, 1 for binary ones; points, "
        "which are real numbers, have none.",
    )
    likelihoods: Distinct[Likelihood] = Field(
        description="Likelihoods that its images can be prepared for."
    )
    superpixel: Positive | None = Field(
        None,
        description="Step of the Poon-Domingos splits in pixels (Delta), giving 4 x 4 "
        "super-pixels; points have none.",
    )
    training_label: Label | None = Field(
        None,
        description="Label of all training and validation images, where they have but one; test "
        "images of other labels are anomalies.",
    )
    part_of: Name | None = Field(
        None,
        description="Data set of whose training, validation and test images these are some; what "
        "is not said here is as there.",
    )
    training_labels: Annotated[tuple[Label, ...], Field(strict=False)] = Field(
        (),
        description="Labels of the training and validation images that are kept of the data set "
        "that these are part of; test images of other labels are anomalies or left out.",
    )
    collection: Name | None = Field(
        None, description="Collection of data sets whose numbers are averaged in tables."
    )
    judged_by: Name | None = Field(
        None,
        description="Data set that classifiers are trained on which judge samples; itself, where "
        "none is said.",
    )
    anomalies: int = Field(
        0,
        ge=0,
        description="How many of the test images are anomalies, told by labels that no training "
        "image has. They stand last.",
    )
    published_as: Name | None = Field(
        None,
        description="Data set whose files these are; they are fetched once, into its folder.",
    )
    licence: str = Field(description="Terms of use, as far as the publisher states them.")
    homepage: str = Field(description="Page of the publisher.")
    reader: Literal[
        "digits",
        "idx",
        "svhn",
        "cifar10",
        "cifar10_colour",
        "binarised_mnist",
        "omniglot",
        "silhouettes",
        "svhn_colour",
        "idx_label",
        "digits_label",
        "circle",
        "wave",
    ] = Field(description="Format of the files, and how the images are divided.")
    sizes: Sizes = Field(description="Number of images in each part.")
    split: str = Field(description="How the parts are made, in a sentence.")
    files: Annotated[tuple[SourceFile, ...], Field(strict=False)] = Field(
        description="Files to fetch; none where the data come with a dependency or are drawn."
    )

    @property
    def is_drawn(self) -> bool:
        """Whether it is of points that this program draws; nobody publishes them."""
        return self.reader in _DRAWN

    @property
    def largest_count(self) -> int:
        """`levels` as recipes and records say it: 0 for points."""
        return self.levels or 0

    @property
    def raw_name(self) -> str:
        """The data set in whose raw folder its files lie; itself, but where it shares them."""
        return self.published_as or self.name

    @model_validator(mode="after")
    def _facts_agree(self) -> DataSet:
        for complaint in (self._wrong_levels(), self._wrong_labels(), self._wrong_anomalies()):
            if complaint is not None:
                raise complaint.raised_in_validator()
        return self

    def _wrong_levels(self) -> Complaint | None:
        if self.is_drawn == (self.levels is None):
            return None
        if self.is_drawn:
            return Complaint(
                ("levels",), "points have a number of levels", expected="none, they are no counts"
            )
        return Complaint(
            (), "the key 'levels' is missing", expected="levels: largest count of a pixel"
        )

    def _wrong_labels(self) -> Complaint | None:
        if (self.part_of is None) == (not self.training_labels):
            return None
        if self.part_of is None:
            return Complaint(
                ("training_labels",), "it is said of no data set", expected="part_of beside it"
            )
        return Complaint(
            (),
            "the key 'training_labels' is missing",
            expected=f"training_labels: those that are kept of {self.part_of}",
        )

    def _wrong_anomalies(self) -> Complaint | None:
        if self.anomalies and self.training_label is None and not self.training_labels:
            return Complaint(
                ("anomalies",),
                "nothing tells the anomalies, as there is no training_label",
                expected="training_label: the label of all training images",
            )
        if self.anomalies >= self.sizes.test:
            return Complaint(
                ("anomalies",),
                f"of {self.sizes.test} test images {self.anomalies} are anomalies",
                expected=f"fewer than {self.sizes.test}",
            )
        return None


class Collection(StrictModel):
    """Data sets that stand for one in tables, which then show the mean over them."""

    name: Name = Field(description="Name in settings and grids, where it stands for its members.")
    title: str = Field(description="Name in tables and figures.")
    members: Distinct[Name] = Field(description="Its data sets, in the order of tables.")


class _Registry(StrictModel):
    collections: dict[Name, str] = Field({}, description="Titles of collections by name.")
    data_sets: dict[Name, dict[str, Any]] = Field(description="Data sets by name.")


DATA_SETS: Mapping[str, DataSet]
"""All data sets by name; read at first use."""

COLLECTIONS: Mapping[str, Collection]
"""All collections by name; read at first use."""


def data_set(name: str) -> DataSet:
    """The data set of that name; an unknown name is a `UserError` that lists the known ones."""
    known = _data_sets()
    if name not in known:
        raise unknown((), "data set", name, known).error(lambda key: "data_sets")
    return known[name]


def with_members(names: Iterable[str]) -> tuple[str, ...]:
    """The names of data sets, with the members of a collection in its place, each once."""
    known = _collections()
    each = (known[name].members if name in known else (name,) for name in names)
    return tuple(dict.fromkeys(itertools.chain.from_iterable(each)))


def as_collections(names: Iterable[str]) -> tuple[str, ...]:
    """The names of data sets and collections, with the collection in its members' place."""
    known = _data_sets()
    each = (known[name].collection or name if name in known else name for name in names)
    return tuple(dict.fromkeys(each))


def unknown_data_set(key: KeyPath, name: str) -> Complaint | None:
    """What is wrong with a name that is neither a data set's nor a collection's."""
    if name in _data_sets() or name in _collections():
        return None
    alone = [one.name for one in _data_sets().values() if one.collection is None]
    return unknown(key, "data set", name, [*alone, *_collections()])


@functools.cache
def _data_sets() -> dict[str, DataSet]:
    return _read()[0]


@functools.cache
def _collections() -> dict[str, Collection]:
    return _read()[1]


def _read() -> tuple[dict[str, DataSet], dict[str, Collection]]:
    document = read_yaml(REGISTRY)
    registry = validate(_Registry, document.value, document.place)
    found = {}
    for name, (facts, key) in registry_facts(registry.data_sets, document.place).items():
        place = _below(document.place, ("data_sets", key))
        one = validate(DataSet, {"name": name, **facts}, place)
        if one.collection is not None and one.collection not in registry.collections:
            raise unknown(
                ("collection",), "collection", one.collection, registry.collections
            ).error(place)
        found[name] = one
    collections = {
        name: Collection(
            name=name,
            title=title,
            members=tuple(one.name for one in found.values() if one.collection == name),
        )
        for name, title in registry.collections.items()
    }
    return found, collections


def _below(place: Place, outer: KeyPath) -> Place:
    return lambda key: place((*outer, *key))


def __getattr__(name: str) -> Any:
    if name == "DATA_SETS":
        return _data_sets()
    if name == "COLLECTIONS":
        return _collections()
    raise AttributeError(name)
