"""What Snakemake's own report (`snakemake --report`) says beside each result that it shows.

The report job leaves, beside its figures and plain tables, one file with their titles and captions.
It is read when somebody asks, since Snakemake makes its report from what lies there, without a job.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.storage import read_json_object

CAPTIONS = "captions.json"


@dataclass(frozen=True)
class Captions:
    """The titles and captions in one folder of results, by ``<study>/<experiment>/<name>``.

    Snakemake prints it among the parameters of a job, as the path that it is read from.
    """

    path: Path

    def __str__(self) -> str:
        return self.path.as_posix()

    def label(self, wildcards: Any) -> str:
        """The title of a result; with its name where another of its experiment is called so too.

        Snakemake's report shows one of several results with the same label and hides the others.
        """
        said = _read(self.path)
        folder = f"{wildcards.study}/{wildcards.experiment}/"
        title = self._title(said, wildcards)
        titles = Counter(str(one["title"]) for key, one in said.items() if key.startswith(folder))
        return title if titles[title] <= 1 else f"{title} ({wildcards.figure})"

    def restructured_text(self, wildcards: Any) -> str:
        """Title and caption of a result in the language of Snakemake's captions, without markup."""
        said = _read(self.path)
        caption = str(said.get(_key(wildcards), {}).get("caption", ""))
        title = f"**{escaped(self._title(said, wildcards))}**"
        return f"{title}\n\n{escaped(caption)}\n"

    def _title(self, said: Mapping[str, Any], wildcards: Any) -> str:
        return str(said.get(_key(wildcards), {}).get("title") or wildcards.figure)


def escaped(text: str) -> str:
    """Text in one line in which reStructuredText finds no markup."""
    return re.sub(r"([^\w\s]|_)", r"\\\1", " ".join(text.split()))


def _key(wildcards: Any) -> str:
    return f"{wildcards.study}/{wildcards.experiment}/{wildcards.figure}"


@functools.lru_cache(maxsize=4)
def _read_once(path: Path, _changed: tuple[int, int]) -> Mapping[str, Any]:
    return read_json_object(path)


def _read(path: Path) -> Mapping[str, Any]:
    facts = path.stat()
    return _read_once(path, (facts.st_mtime_ns, facts.st_ino))
