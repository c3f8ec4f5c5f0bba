"""Empty modules for all that declarations name, in a package that is made for tests."""

from __future__ import annotations

from collections.abc import Mapping

from workflow_src.config.models import model_declarations, trainer_declaration


def with_stubs(sources: Mapping[str, str]) -> dict[str, str]:
    """``sources`` by their places in the package, and empty ones where a declaration has none."""
    declared = [
        name
        for model in model_declarations().values()
        for name in (
            model.module,
            trainer_declaration(model.trainer).module,
            model.measurement,
            model.drawing,
        )
        if name is not None
    ]
    places = [f"{name.partition('.')[2].replace('.', '/')}.py" for name in declared]
    return {**dict.fromkeys(places, ""), **sources}
