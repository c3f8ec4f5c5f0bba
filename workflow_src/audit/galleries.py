"""The figures that pages must show: their names and words by the report's own code, undrawn.

Pixels depend on fonts and on matplotlib's version, so that they are not compared; those of pages
must be those of the files that the manifest vouches for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

_RENDERERS = ("png", "svg", "panels_png")


def illustrated(evidence: Any, chapters: Sequence[Any]) -> list[Any]:
    """The chapters with their figures, whose images are those that lie in the files."""
    from workflow_src.report.page.chapters import drawn_chapter

    with _undrawn():
        drawn = [drawn_chapter(evidence, chapter) for chapter in chapters]
    return [_with_images(evidence.results, chapter) for chapter in drawn]


def figure_files(results: Path, chapters: Sequence[Any]) -> set[Path]:
    """The files of the chapters' figures."""
    return {
        results / "figures" / f"{figure.name}{suffix}"
        for chapter in chapters
        for figure in chapter.figures
        for suffix in figure.images
    }


def _with_images(results: Path, chapter: Any) -> Any:
    def found(figures: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(
            dataclasses.replace(one, images=_images(results, one.name, one.images))
            for one in figures
        )

    galleries = {
        name: dataclasses.replace(gallery, figures=found(gallery.figures))
        for name, gallery in chapter.galleries.items()
    }
    curves = found(chapter.learning_curves)
    return dataclasses.replace(chapter, galleries=galleries, learning_curves=curves)


def _images(results: Path, name: str, suffixes: Mapping[str, bytes]) -> dict[str, bytes]:
    paths = {suffix: results / "figures" / f"{name}{suffix}" for suffix in suffixes}
    return {suffix: path.read_bytes() if path.is_file() else b"" for suffix, path in paths.items()}


@contextlib.contextmanager
def _undrawn() -> Iterator[None]:
    """While this lasts, figures are told and not rendered, which takes nearly all of the time."""
    from workflow_src.report import figures

    names = [one.name for one in pkgutil.iter_modules(figures.__path__)]
    modules = [importlib.import_module(f"{figures.__name__}.{name}") for name in names]
    rendering = [
        (module, name) for module in modules for name in _RENDERERS if hasattr(module, name)
    ]
    before = [getattr(module, name) for module, name in rendering]
    try:
        for module, name in rendering:
            setattr(module, name, lambda *_, **__: b"")
        yield
    finally:
        for (module, name), function in zip(rendering, before, strict=True):
            setattr(module, name, function)
