"""A record names the software: of the lock where there is one, else all that is installed."""

from __future__ import annotations

import hashlib
import importlib.metadata
from pathlib import Path

from workflow_src.provenance.environment import describe_environment


def test_the_lock_chooses_the_packages(tmp_path: Path) -> None:
    text = "# exact versions\npyyaml==0.0.1\nRuamel_Yaml == 1\nnot-installed==3\n\nrich==1 ; x\n"
    (tmp_path / "requirements.lock").write_text(text)
    facts = describe_environment(tmp_path)
    assert facts["lock"] == {
        "name": "requirements.lock",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
    }
    # What is installed is recorded, not what the lock asks for.
    assert facts["packages"]["pyyaml"] == importlib.metadata.version("pyyaml")
    assert set(facts["packages"]) <= {"pyyaml", "ruamel-yaml", "rich"}


def test_without_a_lock_everything_is_listed(tmp_path: Path) -> None:
    facts = describe_environment(tmp_path)
    assert facts["lock"] is None
    assert {"pytest", "pydantic", "rich"} <= set(facts["packages"])
