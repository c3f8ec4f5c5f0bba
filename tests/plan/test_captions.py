"""What Snakemake's own report says of a result: real titles and captions, and none of it markup."""

from __future__ import annotations

import json
import os
import re
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils.core import publish_parts

from workflow_src.plan.captions import CAPTIONS, Captions, escaped

SAID = {
    "one/table1/samples": {"title": "Samples", "caption": "Drawn from the winners."},
    "one/table1/curves": {"title": "Curves", "caption": "Bounds *against* sizes_ of |models|."},
    "one/table1/curves-again": {"title": "Curves", "caption": "Bounds."},
    "one/table2/samples": {"title": "Curves", "caption": "Of another experiment."},
}


@pytest.fixture
def captions(tmp_path: Path) -> Captions:
    (tmp_path / CAPTIONS).write_text(json.dumps(SAID))
    return Captions(tmp_path / CAPTIONS)


def asked(key: str) -> SimpleNamespace:
    study, experiment, figure = key.split("/")
    return SimpleNamespace(study=study, experiment=experiment, figure=figure)


def read(markup: str) -> str:
    """The words that docutils makes of a text, without any tags; it must find nothing to say."""
    parts = publish_parts(markup, writer_name="html", settings_overrides={"report_level": 1})
    assert "system-message" not in parts["body"]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", parts["body"])).split())


def test_a_caption_is_read_as_it_was_written(captions: Captions) -> None:
    for key, said in SAID.items():
        shown = read(captions.restructured_text(asked(key)))
        assert shown == f"{said['title']} {said['caption']}"


def test_equal_titles_within_an_experiment_are_told_apart(captions: Captions) -> None:
    assert {key: captions.label(asked(key)) for key in SAID} == {
        "one/table1/samples": "Samples",
        "one/table1/curves": "Curves (curves)",
        "one/table1/curves-again": "Curves (curves-again)",
        "one/table2/samples": "Curves",
    }


def test_a_figure_without_caption_has_its_name(captions: Captions) -> None:
    assert captions.label(asked("one/table3/new_one")) == "new_one"
    assert read(captions.restructured_text(asked("one/table3/new_one"))) == "new_one"


def test_a_report_that_was_made_again_is_read_again(captions: Captions) -> None:
    assert captions.label(asked("one/table1/samples")) == "Samples"
    after = captions.path.with_name("after")
    after.write_text(json.dumps({"one/table1/samples": {"title": "Draws", "caption": ""}}))
    os.replace(after, captions.path)
    assert captions.label(asked("one/table1/samples")) == "Draws"


@pytest.mark.parametrize(
    "text",
    [
        "*a* **b** `c` ``d`` e_ __f |g| [1]_ <h> & \\ :math:`x`",
        "1. an item\n2. another",
        "- a dash\n\n- another",
        ".. image:: x.png",
        "term\n    and what it means",
        "A heading\n=========",
        "-12.5 ± 0.3 nats (p < 0.05)",
        "https://example.org/a_b and nobody@example.org",
    ],
)
def test_no_character_is_markup(text: str) -> None:
    assert read(escaped(text)) == " ".join(text.split())
