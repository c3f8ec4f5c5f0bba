"""Entities of a crate's metadata: files, data sets, people, each made once.

Made with the rocrate library; everything is added in an order of its own, so equal content gives
equal text.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.config.data_sets import DataSet, data_set
from workflow_src.config.settings import Settings
from workflow_src.provenance.git import git_text
from workflow_src.storage import read_json_object, sha256_file

RO_CRATE_VERSION = "1.1"
RUN_TERMS = "https://w3id.org/ro/terms/workflow-run/context"
COMPLETED = "http://schema.org/CompletedActionStatus"
PACKAGE = "workflow_src/"

_TYPES = {
    ".lock": "text/plain",
    ".md": "text/markdown",
    ".npz": "application/x-npz",
    ".parquet": "application/vnd.apache.parquet",
    ".py": "text/x-python",
    ".safetensors": "application/octet-stream",
    ".yaml": "application/yaml",
}


@dataclass(frozen=True)
class Described:
    """A staged crate: ``folder`` holds its files; directories are relative to its results."""

    folder: Path
    settings: Settings
    report: Mapping[str, Any]
    manifest: str
    evaluations: tuple[str, ...]
    measurements: tuple[str, ...]
    winners: tuple[str, ...]
    root: Path

    def record(self, directory: str, name: str) -> dict[str, Any]:
        """A record in the crate."""
        return read_json_object(self.folder / "results" / directory / name)


class Entities:
    """The entities of one crate; ``files`` has those in it by their path."""

    def __init__(self, described: Described) -> None:
        from rocrate.rocrate import ROCrate

        self.of = described
        self.crate: Any = ROCrate(version=RO_CRATE_VERSION)
        self.crate.metadata.extra_contexts.append(RUN_TERMS)
        self.packages: Mapping[str, str] = described.report["environment"]["packages"]
        self.commit = git_text(described.root, "rev-parse", "HEAD")
        self.homepage = _homepage(described.root)
        self.files: dict[str, Any] = {}
        # Whoever made the commit that it was written from is said to have run it.
        name = git_text(described.root, "log", "-1", "--format=%an") or "density-bench contributors"
        self.agent = self.entity("#agent", "Organization", name=name, url=self.homepage)

    def entity(self, address: str, kind: str, /, **properties: Any) -> Any:
        """A contextual entity; properties without a value are left out."""
        from rocrate.model.contextentity import ContextEntity

        entity = ContextEntity(self.crate, address, properties={"@type": kind})
        self.crate.add(entity)
        for name, value in properties.items():
            if value not in (None, [], ""):
                entity[name] = value
        return entity

    def known(self, names: Sequence[str]) -> list[Any]:
        """The entities of those files that are in the crate."""
        return [self.files[name] for name in names if name in self.files]

    def add_files(self) -> None:
        """Every file but the workflow; the package's code is one data set."""
        for path in sorted(self.of.folder.rglob("*")):
            name = path.relative_to(self.of.folder).as_posix()
            if path.is_file() and name != "Snakefile" and not name.startswith(PACKAGE):
                self.files[name] = self.crate.add_file(path, name, properties=facts(path, name))
        self.files["README.md"]["about"] = self.crate.root_dataset
        description = (
            "The package that the workflow calls: studies, plan, data, models, training, "
            "evaluation, report and audit."
        )
        self.crate.add_dataset(
            self.of.folder / PACKAGE,
            PACKAGE,
            properties={"name": "workflow_src", "description": description},
        )

    def add_tool(self, name: str, meaning: str) -> Any:
        """The command that a rule of the workflow calls."""
        place = f"{PACKAGE}commands/{name}.py"
        path = self.of.folder / place
        properties = {
            **facts(path, place),
            "@type": ["File", "SoftwareSourceCode"],
            "name": f"python -m workflow_src {name}",
            "description": meaning,
            "programmingLanguage": "Python",
            "version": self.commit or "unknown",
        }
        if self.homepage:
            properties["url"] = self.homepage
        return self.crate.add_file(path, place, properties=properties)

    def add_raw_data(self) -> dict[str, list[Any]]:
        """Published files by data set; a data set without files stands for itself."""
        runs = (self.of.record(directory, "run.json") for directory in self.of.winners)
        wanted = (data_set(run["content"]["spec"]["data_set"]) for run in runs)
        names = sorted({one.raw_name for one in wanted})
        return {name: self._raw(data_set(name)) for name in names}

    def _raw(self, one: DataSet) -> list[Any]:
        if not one.files:
            version = self.packages.get("scikit-learn", "")
            origin = "Drawn by this program." if one.is_drawn else f"From scikit-learn {version}."
            properties = {
                "name": one.title,
                "description": f"{one.split} {origin}",
                "license": one.licence,
            }
            return [self.crate.add_dataset(source=one.homepage, properties=properties)]
        record = self.of.folder / "data" / "raw" / one.name / "record.json"
        fetched = read_json_object(record)["time"]["ended"] if record.is_file() else None
        return [
            self.crate.add_file(
                file.addresses[0],
                properties={
                    "name": f"{one.title}: {file.name}",
                    "description": f"Published file of {one.title}, see {one.homepage}",
                    "license": one.licence,
                    "encodingFormat": _type(file.name),
                    **({"sdDatePublished": fetched} if fetched else {}),
                    **({"sha256": file.sha256} if file.sha256 else {}),
                    **({"contentSize": str(file.bytes)} if file.bytes else {}),
                },
            )
            for file in one.files
        ]


def facts(path: Path, name: str) -> dict[str, Any]:
    """What is said of every file."""
    return {
        "name": name,
        "contentSize": str(path.stat().st_size),
        "sha256": sha256_file(path),
        "encodingFormat": _type(name),
    }


def plain(value: Any) -> Any:
    """The metadata with lists of one as their single value, as RO-Crate recommends."""
    if isinstance(value, dict):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list):
        return plain(value[0]) if len(value) == 1 else [plain(one) for one in value]
    return value


def _type(name: str) -> str:
    suffix = Path(name).suffix
    return _TYPES.get(suffix) or mimetypes.types_map.get(suffix, "text/plain")


def _homepage(root: Path) -> str | None:
    address = git_text(root, "remote", "get-url", "origin").removesuffix(".git")
    return address if address.startswith("https://") and "@" not in address else None
