"""How templates become pages: HTML with everything escaped, and no value that is not there."""

from __future__ import annotations

import functools
from pathlib import Path

import jinja2

from workflow_src.report.wording import typeset


@functools.cache
def template_environment(folder: Path) -> jinja2.Environment:
    """What renders the templates in a folder; the filter ``typeset`` gives numbers true minus."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["typeset"] = typeset
    return environment
