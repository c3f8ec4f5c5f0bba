"""The export is a Workflow Run RO-Crate: the community's validator accepts it.

No network is used: the validator's profiles come with it, and the two JSON-LD contexts that it asks
the web for are put into its cache. Their terms are those of the context that rocrate brings, which
is of RO-Crate 1.3, with the addresses that RO-Crate 1.1 gives to workflows and parameters. Whether
addresses on the web answer cannot be checked so, and is not.
"""

from __future__ import annotations

import importlib.resources
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests_cache import CachedSession
from rocrate.rocrate import ROCrate
from rocrate_validator import services
from rocrate_validator.models import ValidationSettings
from support.checkout import Checkout
from support.spoiling import World
from urllib3 import HTTPResponse

from workflow_src.__main__ import main
from workflow_src.config.loading import load_layered
from workflow_src.config.settings import Settings
from workflow_src.errors import UserError
from workflow_src.release.crate import METADATA, write_crate
from workflow_src.release.crate_entities import RUN_TERMS, plain
from workflow_src.release.crate_metadata import PROFILES
from workflow_src.storage import sha256_file

pytestmark = pytest.mark.workflow

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
ACCEPTED = "application/ld+json, application/json, */*;q=0.1"
WEB_IS_THERE = "ro-crate-1.1_28.1"
LOCAL_CODE = "process-run-crate-0.5_5.1"
"""Wants software to have an address on the web, also a Snakefile that lies in the crate."""


def contexts() -> dict[str, dict[str, Any]]:
    """What the two addresses would answer, by address."""
    place = importlib.resources.files("rocrate").joinpath("data/ro-crate.jsonld")
    terms = json.loads(place.read_text("utf8"))["@context"]
    bioschemas = "https://bioschemas.org"
    terms |= {
        "ComputationalWorkflow": f"{bioschemas}/ComputationalWorkflow",
        "FormalParameter": f"{bioschemas}/FormalParameter",
        "input": f"{bioschemas}/ComputationalWorkflow#input",
        "output": f"{bioschemas}/ComputationalWorkflow#output",
    }
    del terms["sha256"]
    run_terms = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
    return {CONTEXT: {"@context": terms}, RUN_TERMS: {"@context": run_terms}}


class Answers(HTTPAdapter):
    """Answers for the web."""

    def send(self, request: PreparedRequest, *_: Any, **__: Any) -> Response:
        body = io.BytesIO(json.dumps(contexts()[str(request.url)]).encode())
        headers = {"Content-Type": "application/ld+json"}
        answer = HTTPResponse(body, headers=headers, status=200, preload_content=False)
        return self.build_response(request, answer)


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[str]]:
    """Runs the validator without a network: the checks that failed."""
    cache = tmp_path_factory.mktemp("cache") / "http"
    session = CachedSession(str(cache), backend="sqlite", expire_after=-1)
    session.mount("https://", Answers())
    for address in contexts():
        session.get(address, headers={"Accept": ACCEPTED})

    def failed(place: Path, severity: str = "REQUIRED") -> list[str]:
        settings = ValidationSettings(
            rocrate_uri=str(place),
            profile_identifier="provenance-run-crate",
            requirement_severity=severity,
            cache_path=cache,
            offline=True,
            skip_availability_check=True,
        )
        result = services.validate(settings)
        assert not result.skipped_checks
        return sorted({issue.check.identifier for issue in result.get_issues()})

    return failed


def settings() -> Settings:
    return load_layered([Path("config.yaml")])


def graph(place: Path) -> dict[str, dict[str, Any]]:
    """The entities of a crate by their identifier."""
    value = json.loads((place / METADATA).read_text())
    return {entity["@id"]: entity for entity in value["@graph"]}


def test_the_validator_accepts_the_directory(
    world: World, validated: Callable[..., list[str]]
) -> None:
    write_crate(settings(), Path("made"))
    assert validated(Path("made")) == []


def test_the_validator_accepts_the_zip_file(
    finished: Checkout, tmp_path: Path, validated: Callable[..., list[str]]
) -> None:
    place = tmp_path / "crate.zip"
    told = finished.must(f"python -m workflow_src crate --output {place}")
    assert "6 runs, 4 evaluations, 4 measurements; 4 winners" in told
    assert validated(place) == []


def test_what_is_recommended_is_there_where_it_can_be(
    world: World, validated: Callable[..., list[str]]
) -> None:
    assert Checkout(world.folder).must("git remote add origin https://example.org/it.git") == ""
    write_crate(settings(), Path("made"))
    assert set(validated(Path("made"), "RECOMMENDED")) <= {WEB_IS_THERE, LOCAL_CODE}


@pytest.mark.parametrize("broken", ["instrument", "conformsTo", "mainEntity"])
def test_the_validator_does_look(
    world: World, validated: Callable[..., list[str]], broken: str
) -> None:
    write_crate(settings(), Path("made"))
    path = Path("made", METADATA)
    value = json.loads(path.read_text())
    for entity in value["@graph"]:
        if entity["@id"] in ("./", "#run"):
            entity.pop(broken, None)
    path.write_text(json.dumps(value))
    assert validated(Path("made"))


def test_every_file_is_there_and_is_as_described(world: World) -> None:
    write_crate(settings(), Path("made"))
    crate = ROCrate("made")
    assert crate.mainEntity.id == "Snakefile"
    described = {one.id for one in crate.data_entities if one.get("sha256")}
    for name in described:
        assert sha256_file(Path("made", name)) == crate.dereference(name)["sha256"]
    there = {p.relative_to("made").as_posix() for p in Path("made").rglob("*") if p.is_file()}
    undescribed = there - described - {METADATA}
    assert all(name.startswith("workflow_src/") for name in undescribed)


def test_it_names_profiles_workflow_inputs_and_outputs(world: World) -> None:
    contents = write_crate(settings(), Path("made"))
    entities = graph(Path("made"))
    assert {one["@id"] for one in entities["./"]["conformsTo"]} == set(PROFILES)
    assert entities["#run"]["instrument"] == {"@id": "Snakefile"}
    results = {one["@id"] for one in entities["#run"]["result"]}
    assert {"results/metrics.parquet", "results/tables/tiny_comparison.csv"} <= results
    for winner in contents.winners:
        assert f"results/{winner}/checkpoint.safetensors" in results
    trained = [name for name in entities if name.startswith("#train-")]
    assert len(trained) == len(contents.winners) == 4
    assert len([name for name in entities if name.startswith("#evaluate-")]) == 4


def test_its_results_can_be_traced_where_it_was_unpacked(world: World, tmp_path: Path) -> None:
    write_crate(settings(), tmp_path / "crate.zip")
    with zipfile.ZipFile(tmp_path / "crate.zip") as archive:
        archive.extractall(tmp_path / "unpacked")
    told = Checkout(tmp_path / "unpacked").must("python -m workflow_src trace comparison vae g")
    assert "checkpoint.safetensors [ok]" in told
    assert "records of the 1 other candidates: 1 ok [ok]" in told
    assert "differs" not in told


def test_equal_results_give_equal_bytes_loose_or_packed(world: World) -> None:
    for name in ("one.zip", "two.zip"):
        write_crate(settings(), Path(name))
    assert Path("one.zip").read_bytes() == Path("two.zip").read_bytes()
    assert main(["pack", "--remove-loose"]) == 0
    write_crate(settings(), Path("three.zip"))
    assert Path("one.zip").read_bytes() == Path("three.zip").read_bytes()


def test_changed_results_are_not_exported(world: World) -> None:
    for pattern in ("results/tables/*.csv", "results/runs/spvae/*/*/checkpoint.safetensors"):
        path = world.file(pattern)
        data = path.read_bytes()
        path.write_bytes(data + b"x")
        with pytest.raises(UserError, match="changed after it was written"):
            write_crate(settings(), Path("crate.zip"))
        path.write_bytes(data)
    assert not Path("crate.zip").exists()


def test_what_is_not_finished_is_not_exported(world: World) -> None:
    world.file("results/report/manifest-*.json").unlink()
    with pytest.raises(UserError, match="no finished report"):
        write_crate(settings(), Path("crate.zip"))


def test_a_directory_with_something_in_it_is_refused(world: World) -> None:
    with pytest.raises(UserError, match="there is something already"):
        write_crate(settings(), Path("workflow_src"))


def test_lists_of_one_become_their_value() -> None:
    assert plain({"a": [1], "b": [1, [2]]}) == {"a": 1, "b": [1, 2]}


@pytest.mark.parametrize("text", ["{}", "[]", '{"content": []}'])
def test_damaged_records_of_data_are_not_exported(world: World, text: str) -> None:
    world.file("data/prepared/*/record.json").write_text(text)
    with pytest.raises(UserError, match=r"changed after|damaged"):
        write_crate(settings(), Path("crate.zip"))


def test_a_report_of_other_settings_or_code_is_not_exported(world: World) -> None:
    assert main(["crate", "--output", "one.zip"]) == 0
    config = Path("config.yaml")
    before = config.read_text()
    config.write_text(before.replace("seeds: [0]", "seeds: [0, 1]"))
    assert main(["crate", "--output", "two.zip"]) == 2
    assert not Path("two.zip").exists()
