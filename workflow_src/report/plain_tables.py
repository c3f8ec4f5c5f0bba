"""Tables as small pages that need nothing beside them, for Snakemake's own report."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from workflow_src.config.studies import Study
from workflow_src.report.claim_files import LEGEND, overview_ways
from workflow_src.report.claim_wording import claim_title, outcome_text, way_text
from workflow_src.report.claims import JudgedClaim
from workflow_src.report.page.chapters import Chapter
from workflow_src.report.table_files import grid, legend, letter
from workflow_src.report.tables import Table
from workflow_src.report.wording import CLAIMS_STEM, NOTHING, typeset

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem; color: #1c2430; background: #fff }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #d9dee5; text-align: right }
th { vertical-align: bottom; border-bottom: 2px solid #1c2430 }
.name { text-align: left }
p, li { max-width: 50rem; color: #4a5462 }
"""


def plain_tables(folder: Path, chapter: Chapter) -> dict[Path, bytes]:
    """The files of a study's tables and of the verdicts on its claims, by path below ``folder``."""
    study = chapter.study
    pages = {name: table_page(table, study) for name, table in chapter.tables.items()}
    if chapter.claims:
        pages[CLAIMS_STEM] = claims_page(chapter.claims)
    return {folder / study.name / f"{name}.html": page.encode() for name, page in pages.items()}


def table_page(table: Table, study: Study) -> str:
    """A comparison with its legend and footnotes."""
    experiment = study.experiments[table.experiment]
    header, body = grid(table)
    notes = [f"[{letter(place)}] {text}" for place, text in enumerate(table.notes)]
    below = [experiment.description, *legend(table, study), *notes]
    return _page(experiment.title, header, body, len(table.row_axes), below)


def claims_page(claims: Sequence[JudgedClaim]) -> str:
    """Claims down, whose numbers across, and what the papers state in words."""
    ways = overview_ways(claims)
    body = []
    for one in claims:
        said = {way_text(verdict): outcome_text(verdict) for verdict in one.verdicts}
        title = claim_title(one.name, one.claim.for_each)
        place = f"{one.claim.statement} ({one.claim.place})"
        body.append([title, place, *(said.get(way, NOTHING) for way in ways)])
    return _page("Claims", ["Claim", "As the paper states it", *ways], body, 2, [LEGEND])


def _page(
    title: str,
    header: Sequence[str],
    body: Iterable[Sequence[str]],
    left: int,
    below: Sequence[str],
) -> str:
    """One table; its first ``left`` columns are flush left."""
    lines = [
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>{_text(title)}</title>',
        f"<style>{_STYLE}</style>\n<h1>{_text(title)}</h1>\n<table>",
        f"<thead>{_row('th', header, left)}</thead>\n<tbody>",
        *(_row("td", row, left) for row in body),
        "</tbody>\n</table>",
        *(f"<p>{_text(text)}</p>" for text in below if text),
    ]
    return "\n".join(lines) + "\n</html>\n"


def _row(tag: str, texts: Sequence[str], left: int) -> str:
    kinds = [' class="name"' if place < left else "" for place in range(len(texts))]
    cells = zip(kinds, map(_text, texts), strict=True)
    return f"<tr>{''.join(f'<{tag}{kind}>{text}</{tag}>' for kind, text in cells)}</tr>"


def _text(text: str) -> str:
    """Markdown text of a cell as HTML: nothing of it is markup but bold numbers."""
    bold = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", html.escape(typeset(text)))
    return bold.replace("<strong>-", "<strong>\N{MINUS SIGN}")
