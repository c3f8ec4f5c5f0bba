"""The report's folder: an overview, a page per study, and what these show and need, all in memory.

The folder is whole by itself: it opens from disk wherever it lies, without a network, and nothing
in it refers to a place outside of it. Values are laid out by this package's modules; how they look
is the templates'.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from workflow_src.report.evidence import Evidence
from workflow_src.report.page.addresses import (
    OVERVIEW,
    SCRIPT,
    STYLE,
    TABLES_SCRIPT,
    provenance_script,
)
from workflow_src.report.page.assets import asset_files, provenance_file
from workflow_src.report.page.chapters import Chapter
from workflow_src.report.page.overview import overview_values
from workflow_src.report.page.pictures import Pictures
from workflow_src.report.page.study_page import study_values
from workflow_src.report.page.templating import template_environment
from workflow_src.report.provenance_lines import provenance_lines

TEMPLATES = Path(__file__).parent / "templates"
_COMMIT = 12
_INDENT = re.compile(r"\n\s+")
"""Templates are indented for their readers; pages, which have no preformatted text, need not be."""


def render_pages(
    evidence: Evidence,
    chapters: Sequence[Chapter],
    *,
    git: Mapping[str, Any],
    made: datetime,
) -> dict[str, bytes]:
    """Every file of the folder by its name in it.

    ``git`` is the state of the source tree, as `workflow_src.provenance.repository` describes it.
    Equal arguments give equal bytes.
    """
    pictures = Pictures(evidence.fingerprint)
    studies = [study_values(evidence, chapter, pictures) for chapter in chapters]
    shared = {
        "fingerprint": evidence.fingerprint,
        "made": made.strftime("%Y-%m-%d %H:%M UTC"),
        "commit": _commit(git),
        "studies": studies,
        "addresses": {
            "overview": OVERVIEW,
            "style": STYLE,
            "script": SCRIPT,
            "tables_script": TABLES_SCRIPT,
        },
    }
    environment = template_environment(TEMPLATES)
    overview = overview_values(evidence, chapters, studies)
    first = environment.get_template("overview.html")
    template = environment.get_template("study.html")
    pages = {
        OVERVIEW: first.render(shared, overview=overview, pages=_pages(studies, OVERVIEW)),
        **{
            study["address"]: template.render(
                shared, study=study, pages=_pages(studies, study["address"])
            )
            for study in studies
        },
    }
    origins = {
        provenance_script(study["name"]): provenance_file(provenance_lines(evidence, study["name"]))
        for study in studies
    }
    texts = {name: _INDENT.sub("\n", text).encode() for name, text in pages.items()}
    return dict(
        itertools.chain(
            texts.items(), asset_files().items(), origins.items(), pictures.files.items()
        )
    )


def _pages(studies: Sequence[Mapping[str, Any]], current: str) -> list[dict[str, Any]]:
    """The links between pages, as each of them shows them."""
    named = [(OVERVIEW, "Overview", "")]
    named += [(study["address"], study["name"], study["title"]) for study in studies]
    return [
        {"address": address, "text": text, "title": title, "current": address == current}
        for address, text, title in named
    ]


def _commit(git: Mapping[str, Any]) -> str:
    if not git.get("commit"):
        return "no commit"
    return f"commit {git['commit'][:_COMMIT]}" + (
        " with uncommitted changes" if git["dirty"] else ""
    )
