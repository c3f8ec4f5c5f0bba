"""Values from Snakemake's command line have the types that the same words have in a file."""

from __future__ import annotations

import pytest
import yaml
from snakemake.cli import parse_config

from workflow_src.config.command_line import with_types
from workflow_src.config.loading import settings_from_mapping


@pytest.mark.parametrize(
    "words",
    [
        "seeds=[0, 1, 2]",
        "seeds=[7]",
        "threads=2",
        "scale=paper",
        "data_sets=[mnist, svhn]",
        "device=cuda:1",
        "mirror=null",
        "mirror=/some/folder",
        "shard={maximum_runs: 4}",
        "experiments=[table1]",
    ],
)
def test_a_value_is_as_if_it_stood_in_a_file(words: str) -> None:
    key, _, value = words.partition("=")
    expected = {key: yaml.safe_load(value)}
    given = parse_config([words])
    assert with_types(given, given) == expected
    assert settings_from_mapping(with_types(given, given)) == settings_from_mapping(expected)


def test_what_a_file_says_keeps_its_type() -> None:
    merged = {"seeds": ["0"], "shard": {"maximum_runs": "4", "other": "5"}}
    typed = with_types(merged, {"shard": {"other": "5"}})
    assert typed == {"seeds": ["0"], "shard": {"maximum_runs": "4", "other": 5}}
