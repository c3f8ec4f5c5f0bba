"""JSON schemas of config.yaml, studies and model.yaml, for editors, generated from the types.

``python -m workflow_src.config.schema`` writes them to schemas/; a test fails where they are stale.
The types refuse more than a schema can say (names that do not exist, for one).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

from workflow_src.config.models import ModelDeclaration
from workflow_src.config.settings import Settings
from workflow_src.config.studies import Study
from workflow_src.storage import write_text

SCHEMAS = Path(__file__).parent.parent.parent / "schemas"


def schema_texts() -> Mapping[str, str]:
    """The text of each schema by file name."""
    types: dict[str, type[BaseModel]] = {
        "config.schema.json": Settings,
        "model.schema.json": ModelDeclaration,
        "study.schema.json": Study,
    }
    return {
        name: json.dumps(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                **one.model_json_schema(),
            },
            indent=2,
        )
        + "\n"
        for name, one in types.items()
    }


def main() -> None:
    """Write all schemas."""
    for name, text in schema_texts().items():
        write_text(SCHEMAS / name, text)


if __name__ == "__main__":
    main()
