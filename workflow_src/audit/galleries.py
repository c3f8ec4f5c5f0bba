"""The figures that pages must show: their names and words by the report's own code, undrawn.

Drawing takes nearly all of a report's time and is left to `redrawing`; here, the pixels of pages
must be those of the files that the manifest vouches for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import pkgutil
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workflow_src.audit.findings import Notes

_RENDERERS = ("png", "svg", "panels_png")

_EMPTY = b'<svg xmlns="http://www.w3.org/2000/svg" width="0pt" height="0pt"/>'
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"pHYs", b"IDAT", b"IEND"}
"""Of a PNG file, what pictures are made of: pixels, colours and dots per inch."""


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


def same_picture(found: bytes, expected: bytes) -> bool:
    """Whether a PNG file shows what another one does, in equal size and with nothing besides.

    How pixels are packed is the business of Pillow's and zlib's versions.
    """
    from PIL import Image

    if found == expected:
        return True
    if not _is_picture_alone(found):
        return False
    try:
        with Image.open(io.BytesIO(found)) as one, Image.open(io.BytesIO(expected)) as other:
            alike = (one.size, one.info.get("dpi")) == (other.size, other.info.get("dpi"))
            return alike and one.convert("RGBA").tobytes() == other.convert("RGBA").tobytes()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def _is_picture_alone(data: bytes) -> bool:
    """Whether bytes are a whole PNG file without words in it or anything after it."""
    if not data.startswith(_SIGNATURE):
        return False
    at, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        if len(data) < at + 12:
            return False
        length, kind = struct.unpack_from(">I4s", data, at)
        body, sum_of_it = data[at + 4 : at + 8 + length], data[at + 8 + length : at + 12 + length]
        if kind not in _CHUNKS or zlib.crc32(body).to_bytes(4, "big") != sum_of_it:
            return False
        at += 12 + length
    return at == len(data)


def without_damage(results: Path, chapters: Sequence[Any], notes: Notes) -> list[Any]:
    """The chapters with an empty image in the place of each that cannot be shown."""

    def sound(figure: Any) -> Any:
        from workflow_src.report.page.pictures import Pictures

        try:
            Pictures("").shown("", "", figure)
        except Exception as error:
            # What decoders raise on bytes that are no image is anything.
            place = results / "figures" / f"{figure.name}{min(figure.images)}"
            told = f"{type(error).__name__}: {error}"
            notes.find("changed", place, f"it cannot be shown ({told}); expected an image")
            return dataclasses.replace(figure, images={".svg": _EMPTY})
        return figure

    return [_with_each_figure(chapter, sound) for chapter in chapters]


def _with_images(results: Path, chapter: Any) -> Any:
    def found(figure: Any) -> Any:
        return dataclasses.replace(figure, images=_images(results, figure.name, figure.images))

    return _with_each_figure(chapter, found)


def _with_each_figure(chapter: Any, change: Callable[[Any], Any]) -> Any:
    galleries = {
        name: dataclasses.replace(gallery, figures=tuple(map(change, gallery.figures)))
        for name, gallery in chapter.galleries.items()
    }
    curves = tuple(map(change, chapter.learning_curves))
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
