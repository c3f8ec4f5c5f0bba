"""The JSON schemas in schemas/ are those of the types, and the files in use obey them."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from workflow_src.config.models import model_declaration, model_declarations
from workflow_src.config.schema import SCHEMAS, schema_texts
from workflow_src.config.studies import study_names, study_path
from workflow_src.config.yaml_lines import read_yaml

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", sorted(schema_texts()))
def test_the_schema_is_up_to_date(name: str) -> None:
    assert (SCHEMAS / name).read_text() == schema_texts()[name], (
        "stale: run python -m workflow_src.config.schema"
    )


def test_nothing_else_lies_among_the_schemas() -> None:
    assert {path.name for path in SCHEMAS.iterdir()} == set(schema_texts())


def _validator(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / name).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_settings_at_the_root_obey_their_schema() -> None:
    _validator("config.schema.json").validate(read_yaml(ROOT / "config.yaml").value)


@pytest.mark.parametrize("name", study_names())
def test_every_study_obeys_the_schema(name: str) -> None:
    _validator("study.schema.json").validate(read_yaml(study_path(name)).value)


@pytest.mark.parametrize("name", sorted(model_declarations()))
def test_every_model_obeys_the_schema(name: str) -> None:
    _validator("model.schema.json").validate(read_yaml(model_declaration(name).path).value)


@pytest.mark.parametrize(
    "wrong",
    [{"seedz": [0]}, {"seeds": []}, {"device": "gpu"}, {"data_sets": "all"}, {"threads": 0}],
)
def test_the_schema_refuses_what_the_types_refuse(wrong: dict[str, object]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        _validator("config.schema.json").validate(wrong)


def test_every_key_has_a_sentence() -> None:
    def check(node: object, path: str) -> None:
        if isinstance(node, dict):
            for key, one in node.get("properties", {}).items():
                told = "$ref" in one or str(one.get("description", "")).endswith(".")
                assert told, f"{path}.{key}"
            for key, one in node.items():
                check(one, f"{path}.{key}")

    for name, text in schema_texts().items():
        check(json.loads(text), name)
