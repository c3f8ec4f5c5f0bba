"""Images of the report's folder are smaller than those beside it and show the same."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas
from PIL import Image, ImageDraw

from workflow_src.report.figures.shrinking import (
    coarser_png,
    is_drawing,
    report_image,
    smaller_png,
    smaller_svg,
)
from workflow_src.report.figures.style import Figure, canvas, look, png, svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn(points: int = 20) -> Canvas:
    """A line with a legend, axes and a title."""
    figure = canvas(4, 3)
    axes = figure.subplots()
    x = np.linspace(0, 1, points)
    axes.plot(x, np.sin(20 * x), "o-", label="a line")
    axes.plot(x, np.cos(20 * x), "--", label="another")
    axes.set_title("Title of it")
    axes.legend()
    return figure


def figure_of(**images: bytes) -> Figure:
    return Figure("name", "", "", {f".{suffix}": data for suffix, data in images.items()}, ())


@pytest.fixture(scope="module")
def drawing() -> bytes:
    with look():
        return svg(drawn())


@pytest.fixture(scope="module")
def picture() -> bytes:
    with look():
        return png(drawn(), palette=256)


def test_a_drawing_of_few_lines_stays_one(drawing: bytes, picture: bytes) -> None:
    suffix, data = report_image(figure_of(svg=drawing, png=picture))
    assert suffix == ".svg"
    assert len(data) < len(drawing) / 2


def test_a_drawing_of_many_points_becomes_a_picture() -> None:
    with look():
        figure = drawn(20_000)
        suffix, data = report_image(figure_of(svg=svg(figure), png=png(figure, palette=256)))
    assert suffix == ".png"
    with Image.open(io.BytesIO(data)) as image:
        # Four by three inches of 160 dots or, where it is large, of the 96 that pages show.
        assert image.size in ((640, 480), (384, 288))


def test_a_drawing_alone_and_a_picture_alone_are_themselves(drawing: bytes, picture: bytes) -> None:
    assert report_image(figure_of(svg=drawing))[0] == ".svg"
    assert report_image(figure_of(png=picture))[0] == ".png"


def test_words_of_a_drawing_stay_words(drawing: bytes) -> None:
    texts = [one.text for one in ElementTree.fromstring(smaller_svg(drawing)).iter(f"{SVG}text")]
    assert {"Title of it", "a line", "another"} <= set(texts)


def points_of(path: str) -> list[float]:
    """Every point that a path names, x and y by turns, where it lies in the drawing."""
    found: list[complex] = []
    here = start = 0j
    for letter, text in re.findall(r"([MLQCZmlqcz])([^MLQCZmlqcz]*)", path):
        numbers = [float(one) for one in re.findall(r"-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?", text)]
        points = [complex(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
        if letter in "Zz":
            here = start
            continue
        points = [one + here if letter.islower() else one for one in points]
        here = points[-1]
        start = here if letter in "Mm" else start
        found += points
    return [number for one in found for number in (one.real, one.imag)]


@pytest.mark.parametrize(
    ("path", "points"),
    [
        ("M 1 2 L 3.006 2.5 L 3 -1 z M 5 5 L 6 6 ", [1, 2, 3.01, 2.5, 3, -1, 5, 5, 6, 6]),
        (
            "M 0 1.8 C 0.477 1.8 0.935 1.61 1.2728 1.27 z",
            [0, 1.8, 0.48, 1.8, 0.94, 1.61, 1.27, 1.27],
        ),
        ("M 0 0 Q -0.004 1 -2 1e-07 L 9 9", [0, 0, 0, 1, -2, 0, 9, 9]),
    ],
)
def test_a_path_is_told_by_its_steps(path: str, points: list[float]) -> None:
    data = f'<svg xmlns="http://www.w3.org/2000/svg"><path d="{path}"/></svg>'.encode()
    (one,) = ElementTree.fromstring(smaller_svg(data)).iter(f"{SVG}path")
    small = one.get("d", "")
    assert len(small) < len(path)
    assert small.count("z") == path.count("z")
    np.testing.assert_allclose(points_of(small), points, rtol=0, atol=1e-9)


def test_a_path_with_other_steps_stays_as_it_is() -> None:
    data = b'<svg xmlns="http://www.w3.org/2000/svg"><path d="M1 2 3 4L5 6"/></svg>'
    (one,) = ElementTree.fromstring(smaller_svg(data)).iter(f"{SVG}path")
    assert points_of(one.get("d", "")) == [1, 2, 3, 4, 5, 6]


def test_a_drawing_keeps_its_lines_to_a_hundredth_of_a_point(drawing: bytes) -> None:
    def points(data: bytes) -> list[list[float]]:
        paths = [one.get("d", "") for one in ElementTree.fromstring(data).iter(f"{SVG}path")]
        return [points_of(path) for path in paths]

    before, after = points(drawing), points(smaller_svg(drawing))
    assert [len(one) for one in before] == [len(one) for one in after]
    assert max(map(len, before)) >= 40
    for one, other in zip(before, after, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=0.005 + 1e-9)


def _style(element: ElementTree.Element) -> str:
    """The style of an element, and where it is cut off as part of it."""
    clip = element.get("clip-path")
    parts = (element.get("style"), clip and f"clip-path: {clip}")
    return "; ".join(part for part in parts if part)


def test_every_style_and_reference_of_a_drawing_is_still_met(drawing: bytes) -> None:
    before, after = ElementTree.fromstring(drawing), ElementTree.fromstring(smaller_svg(drawing))
    sheet = "".join(one.text or "" for one in after.iter(f"{SVG}style"))
    rules = dict(re.findall(r"\.(\w+)\{([^}]*)\}", sheet))

    def styles(root: ElementTree.Element) -> list[str]:
        found = [
            rules[one.get("class", "")] if one.get("class") else _style(one)
            for name in ("path", "use", "text")
            for one in root.iter(f"{SVG}{name}")
        ]
        # What places to cut off at are called is another thing before and after.
        return [re.sub(r"\s|(?<=url\(#)[^)]*", "", style) for style in found]

    # The font of all words is told once, of the drawing.
    font = re.sub(r"\s", "", f"font-family: {after.get('font-family')};")
    assert sum(font in one for one in styles(before)) > 5
    assert styles(after) == [one.replace(font, "") for one in styles(before)]
    assert len(rules) >= 2
    names = {one.get("id") for one in after.iter()}
    used = re.findall(r'(?:href="#|url\(#)([^")]+)', smaller_svg(drawing).decode())
    assert used
    assert set(used) <= names


def test_the_size_of_a_drawing_is_as_it_was(drawing: bytes) -> None:
    root = ElementTree.fromstring(smaller_svg(drawing))
    assert (root.get("width"), root.get("height")) == ("288pt", "216pt")
    assert root.get("viewBox") == "0 0 288 216"


def test_a_picture_in_grays_keeps_them_to_a_twentieth(picture: bytes) -> None:
    chance = np.random.default_rng(0)
    pixels = chance.integers(0, 256, (64, 64)).astype(np.uint8).repeat(6, 0).repeat(6, 1)
    stream = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(stream, format="png")
    small = smaller_png(stream.getvalue())
    assert len(small) < len(stream.getvalue())
    with Image.open(io.BytesIO(small)) as image:
        found = np.asarray(image.convert("L"), dtype=int)
    assert np.abs(found - pixels).max() <= 255 / 23 / 2 + 1
    assert (found[pixels == 255] == 255).all()
    assert (found[pixels == 0] == 0).all()


def test_colours_stay_colours() -> None:
    image = Image.new("RGB", (90, 30), "#ffffff")
    for place, colour in enumerate(("#d1602c", "#0b6e99", "#3f8f4f")):
        ImageDraw.Draw(image).rectangle((30 * place, 5, 30 * place + 20, 25), fill=colour)
    stream = io.BytesIO()
    image.save(stream, format="png")
    with Image.open(io.BytesIO(smaller_png(stream.getvalue()))) as small:
        assert small.convert("RGB").tobytes() == image.tobytes()


def test_a_picture_that_cannot_be_smaller_is_as_it_was(picture: bytes) -> None:
    small = smaller_png(picture)
    assert len(small) <= len(picture)
    assert smaller_png(small) == small


def test_equal_figures_give_equal_bytes(drawing: bytes, picture: bytes) -> None:
    figure = figure_of(svg=drawing, png=picture)
    assert report_image(figure) == report_image(figure)


def test_only_lines_and_letters_may_have_their_colours_turned(drawing: bytes) -> None:
    assert is_drawing(".svg", smaller_svg(drawing))
    with look():
        figure = canvas(2, 2)
        figure.subplots().imshow(np.eye(3))
        assert not is_drawing(".svg", smaller_svg(svg(figure)))
    assert not is_drawing(".png", b"")


def test_a_large_picture_keeps_the_colours_of_few_points() -> None:
    chance = np.random.default_rng(0)
    image = Image.new("RGB", (1600, 800), "#ffffff")
    colours = ("#d1602c", "#0b6e99", "#3f8f4f", "#8a4fa3")
    for place, colour in enumerate(colours):
        ImageDraw.Draw(image).rectangle((40 * place, 5, 40 * place + 20, 25), fill=colour)
    for x, y in chance.integers(40, 760, (6000, 2)):
        ImageDraw.Draw(image).ellipse((x, y, x + 5, y + 5), fill="#66707d", outline="#1c2430")
    stream = io.BytesIO()
    image.save(stream, format="png")
    small = coarser_png(stream.getvalue())
    assert len(small) < len(stream.getvalue())
    with Image.open(io.BytesIO(small)) as opened:
        assert opened.size == (960, 480)
        assert opened.info["dpi"] == pytest.approx((96, 96), abs=0.1)
        found = np.asarray(opened.convert("RGB"), dtype=int)
    for place, colour in enumerate(colours):
        expected = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(found[9, 24 * place + 6] - expected).max() <= 24
    assert found[-1, -1].tolist() == [255, 255, 255]


def test_squares_are_never_drawn_coarser() -> None:
    chance = np.random.default_rng(0)
    for channels in (1, 3):
        pixels = chance.integers(0, 8, (120, 200, channels)).astype(np.uint8) * 36
        pixels = pixels.repeat(8, 0).repeat(8, 1).repeat(3 // channels, 2)
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, format="png", optimize=True)
        assert len(stream.getvalue()) > 15_000
        assert coarser_png(stream.getvalue()) == stream.getvalue()
