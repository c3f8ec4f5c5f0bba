"""One image of a figure for the report's folder: small, and still good to look at.

Drawings of few lines stay drawings, rid of what draws nothing; all else becomes a picture of few
colours. Equal input gives equal bytes.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from PIL import Image, ImageChops

from workflow_src.report.figures.style import DPI, Figure

_SVG = "http://www.w3.org/2000/svg"
_HREF = "{http://www.w3.org/1999/xlink}href"
_SHAPES = {f"{{{_SVG}}}{name}" for name in ("path", "use", "text", "rect", "image", "tspan", "g")}
_GROUP = f"{{{_SVG}}}g"
_IMAGE = f"{{{_SVG}}}image"
_PLACES = ("d", "x", "y", "transform", "points", "width", "height", "style")

_NUMBER = re.compile(r"-?\d+\.\d{3,}(?!\d*e)")
_USED = re.compile(r"url\(#([^)]+)\)")
_CLIP = "clip-path"
_FONT = re.compile(r"font-family:([^;]*);? ?")
_LEVEL = re.compile(r"rotate\(-?0 [^)]*\)")
_SPACES = re.compile(r"\s+")
_STEP = re.compile(r"([MLQCz])([^MLQCz]*)")
_STEPS = {"M": 2, "L": 2, "Q": 4, "C": 6}
"""Numbers of a step of a path: to a point, straight there, and by one or two others."""

_COLOURS = 64
"""Of a picture with lines and letters in colour, whose edges need shades."""
_GRAYS = 24
"""Of a picture of gray images; more of them are not told apart in squares of a few pixels."""
_TINT = 24
"""Difference of red, green and blue, of 255, up to which a colour counts as a gray, as ink does."""
_LARGE = 15_000
"""Bytes of a picture in colour from which it is worth a coarser one."""
_COARSER = 96
"""Dots per inch of that, as many as pages have; the finer one lies in ``results/figures``."""
_HOPELESS = 6
"""How many times as large as the picture a drawing may be for it to be worth a try."""


def report_image(figure: Figure) -> tuple[str, bytes]:
    """The suffix and the bytes of the one image of a figure that the report's folder holds.

    It is the drawing (``.svg``) where that is no larger than the picture (``.png``).
    """
    images = figure.images
    if ".png" not in images:
        return ".svg", smaller_svg(images[".svg"])
    picture = smaller_png(images[".png"])
    if ".svg" not in images or len(images[".svg"]) > _HOPELESS * len(picture):
        return ".png", coarser_png(picture)
    drawing = smaller_svg(images[".svg"])
    return (".svg", drawing) if len(drawing) <= len(picture) else (".png", coarser_png(picture))


def smaller_png(data: bytes) -> bytes:
    """The picture with as few colours as it needs, or as it is where that is no smaller."""
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    few = _in_grays(image) if _is_gray(image) else _in_colours(image)
    smaller = _png_bytes(few)
    return smaller if len(smaller) < len(data) else data


def coarser_png(data: bytes) -> bytes:
    """A large picture in colour with fewer dots per inch, which it tells; any other as it is.

    What is made of squares, whose edges a coarser picture smears, grows by it and stays as it is.
    """
    if len(data) <= _LARGE:
        return data
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    if _is_gray(image):
        return data
    width, height = (round(length * _COARSER / DPI) for length in image.size)
    coarse = image.resize((width, height), Image.Resampling.LANCZOS)
    smaller = _png_bytes(_in_rare_colours(coarse), dpi=(_COARSER, _COARSER))
    return smaller if len(smaller) < len(data) else data


def _png_bytes(image: Image.Image, **settings: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format="png", optimize=True, **settings)
    return stream.getvalue()


def smaller_svg(data: bytes) -> bytes:
    """The drawing without what draws nothing, and with places to a hundredth of a point."""
    root = ElementTree.fromstring(data)
    for parent in root.iter():
        for child in list(parent):
            if child.tag.rpartition("}")[2] == "metadata":
                parent.remove(child)
    used = _names_in_use(root)
    for element in root.iter():
        if element.get("id") not in used:
            element.attrib.pop("id", None)
        if element is not root:
            _shorten(element)
            _clip_by_style(element)
    _rename(root, {name: f"n{place}" for place, name in enumerate(sorted(used))})
    _unwrap(root)
    _share_font(root)
    _share_styles(root)
    for element in root.iter():
        if not (element.text or "").strip():
            element.text = None
        element.tail = element.tail if (element.tail or "").strip() else None
    ElementTree.register_namespace("", _SVG)
    # Neither words nor values can have this end of an element: in them it is written as "/&gt;".
    return bytes(ElementTree.tostring(root, encoding="utf-8")).replace(b" />", b"/>")


def is_drawing(suffix: str, data: bytes) -> bool:
    """Whether an image is lines and letters alone, so that a page may turn its colours around."""
    return suffix == ".svg" and b"<image" not in data


def _names_in_use(root: ElementTree.Element) -> set[str]:
    found = set()
    for element in root.iter():
        for value in element.attrib.values():
            found.update(_USED.findall(value))
        if (target := element.get(_HREF, "")).startswith("#"):
            found.add(target[1:])
    return found


def _clip_by_style(element: ElementTree.Element) -> None:
    """Where an element is cut off becomes part of its style, which many share."""
    if (clip := element.attrib.pop(_CLIP, None)) is not None:
        style = element.get("style", "").rstrip("; ")
        element.set("style", f"{style}; {_CLIP}: {clip}" if style else f"{_CLIP}: {clip}")


def _rename(root: ElementTree.Element, names: Mapping[str, str]) -> None:
    """Give what is used its new name, there and wherever it is used."""
    for element in root.iter():
        target = element.attrib.pop(_HREF, None)
        for name, value in element.attrib.items():
            element.set(name, _USED.sub(lambda used: f"url(#{names[used[1]]})", value))
        if (own := element.get("id")) is not None:
            element.set("id", names[own])
        if target is not None:
            element.set("href", f"#{names[target[1:]]}" if target.startswith("#") else target)


def _shorten(element: ElementTree.Element) -> None:
    for name in _PLACES:
        if (value := element.get(name)) is None:
            continue
        value = _by_steps(value) if name == "d" else _NUMBER.sub(_rounded, _LEVEL.sub("", value))
        value = _SPACES.sub(" ", value).strip()
        if value:
            element.set(name, value)
        else:
            del element.attrib[name]


def _by_steps(path: str) -> str:
    """A path by the steps between its points, each of which is at a hundredth of a point."""
    told: list[str] = []
    x = y = 0
    start = (0, 0)
    for letter, text in _STEP.findall(path):
        if letter == "z":
            told.append("z")
            x, y = start
            continue
        places = [round(100 * float(number)) for number in text.split()]
        if len(places) != _STEPS[letter]:
            return path
        steps = [place - (y if turn % 2 else x) for turn, place in enumerate(places)]
        told.append(letter.lower() + " ".join(map(_hundredths, steps)))
        x, y = places[-2:]
        if letter == "M":
            start = (x, y)
    return "".join(told).replace(" -", "-")


def _hundredths(count: int) -> str:
    """A hundredth of a whole number, as short as it can be written."""
    sign, (whole, part) = "-" if count < 0 else "", divmod(abs(count), 100)
    decimals = f".{part:02d}".rstrip("0").rstrip(".")
    return f"{sign}{whole or ''}{decimals}" if count else "0"


def _rounded(number: re.Match[str]) -> str:
    text = f"{float(number[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _unwrap(element: ElementTree.Element) -> None:
    """Groups that say nothing give way to what is in them."""
    children: list[ElementTree.Element] = []
    for child in element:
        _unwrap(child)
        children += list(child) if child.tag == _GROUP and not child.attrib else [child]
    element[:] = children


def _share_font(root: ElementTree.Element) -> None:
    """The font of all words becomes that of the drawing."""
    fonts = Counter(
        found[1] for one in root.iter() if (found := _FONT.search(one.get("style", "")))
    )
    if len(fonts) != 1:
        return
    (font,) = fonts
    root.set("font-family", font.strip())
    for element in root.iter():
        if style := element.get("style"):
            element.set("style", _FONT.sub("", style).rstrip("; "))


def _share_styles(root: ElementTree.Element) -> None:
    """Styles that several elements have become classes."""
    counts = Counter(one.get("style", "") for one in root.iter() if one.tag in _SHAPES)
    several = [style for style, count in counts.items() if style and count > 1]
    names = {style: f"s{number}" for number, style in enumerate(several)}
    for element in root.iter():
        style = element.get("style", "")
        if element.tag in _SHAPES and style in names:
            del element.attrib["style"]
            element.set("class", names[style])
        elif style:
            element.set("style", _tight(style))
    if names:
        sheet = ElementTree.Element(f"{{{_SVG}}}style")
        sheet.text = "".join(f".{name}{{{_tight(style)}}}" for style, name in names.items())
        root.insert(0, sheet)


def _tight(style: str) -> str:
    return style.replace(": ", ":").replace("; ", ";")


def _is_gray(image: Image.Image) -> bool:
    red, green, blue = image.split()
    lightest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    darkest = ImageChops.darker(ImageChops.darker(red, green), blue)
    tints = ImageChops.subtract(lightest, darkest).histogram()
    return not any(tints[_TINT + 1 :])


def _in_grays(image: Image.Image) -> Image.Image:
    """Grays at equal distances, white and black among them."""
    steps = _GRAYS - 1
    few = image.convert("L").point([round(value * steps / 255) for value in range(256)])
    few.putpalette([round(255 * gray / steps) for gray in range(_GRAYS) for _ in "RGB"])
    return few


def _in_rare_colours(image: Image.Image) -> Image.Image:
    """Colours far from each other, so that those of few points, as labels have, are kept."""
    few = image.quantize(_COLOURS, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    # White comes out as nearly that.
    few.putpalette([255 if one == 254 else one for one in few.getpalette() or ()])
    return few


def _in_colours(image: Image.Image) -> Image.Image:
    return image.quantize(_COLOURS, dither=Image.Dither.NONE)
