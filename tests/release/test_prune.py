"""Pruning takes what no settings and no release refer to, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.spoiling import World

from workflow_src.__main__ import main
from workflow_src.archive.results import Results
from workflow_src.config.loading import load_layered
from workflow_src.errors import UserError
from workflow_src.jobs.journal import Entry, State, entry_path, write_entry
from workflow_src.plan.plan import build_plan
from workflow_src.release.prune import DAY, Found, find_stale, remove
from workflow_src.storage import write_json

pytestmark = pytest.mark.workflow

CONFIG = Path("config.yaml")
RESULTS = Path("results")


def layer(name: str, text: str) -> Path:
    path = Path(name)
    path.write_text(text)
    return path


@pytest.fixture
def gaussian(world: World) -> Path:
    """Settings that leave out half of what was made."""
    return layer("gaussian.yaml", "likelihoods: [gaussian]\n")


def found(*layers: Path, also: tuple[Path, ...] = (), now: float | None = None) -> Found:
    plans = [[CONFIG, *layers], *([CONFIG, one] for one in also)]
    return find_stale([build_plan(load_layered(paths)) for paths in plans], now=now)


def kinds(one: Found) -> dict[str, int]:
    names = [stale.kind for stale in one.stale]
    return {kind: names.count(kind) for kind in dict.fromkeys(names)}


def everything() -> dict[Path, bytes]:
    places = (RESULTS, Path("data"))
    files = (path for place in places for path in sorted(place.rglob("*")) if path.is_file())
    return {path: path.read_bytes() for path in files if path.name != ".lock"}


def release(*directories: str, name: str = "v1") -> Path:
    path = Path("releases", name, "release.json")
    path.parent.mkdir(parents=True)
    prepared = [path.name for path in Path("data/prepared").iterdir()]
    path.write_text(json.dumps({"directories": directories, "prepared": prepared}))
    return path


def test_nothing_of_the_current_settings_is_stale(world: World) -> None:
    assert found().stale == ()


def test_what_the_settings_leave_out_is_stale(gaussian: Path) -> None:
    told = found(gaussian)
    assert kinds(told) == {
        "evaluations": 2,
        "measurements": 2,
        "runs": 3,
        "prepared data": 1,
        "shard manifests": 2,
        "memberships": 5,
    }
    assert not any("gaussian" in str(one.path) for one in told.stale)
    assert all(one.bytes > 0 for one in told.stale)
    assert "the report is of other settings" in told.remarks[0]


def test_it_is_listed_and_stays_until_it_is_confirmed(
    gaussian: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = everything()
    assert main(["prune", "--configfile", str(gaussian)]) == 0
    assert everything() == before
    told = capsys.readouterr().out
    assert "would remove results/runs/vae/digits-binomial/" in told
    assert "add --yes" in told


def test_what_stays_is_whole_and_is_not_made_again(world: World, gaussian: Path) -> None:
    checkout = Checkout(world.folder)
    checkout.commit("Other settings")
    before = everything()
    checkout.must(f"python -m workflow_src prune --yes --configfile {gaussian}")
    after = everything()
    assert after.keys() < before.keys()
    assert all(before[path] == data for path, data in after.items())
    assert not list(Path("results/runs").glob("*/digits-binomial"))
    told = checkout.snakemake(f"--configfile {gaussian}")
    assert "rule report:" in told
    assert not any(f"rule {name}:" in told for name in ("train_shard", "evaluate_group", "prepare"))
    checkout.must(f"python -m workflow_src audit --configfile {gaussian}")


def test_other_settings_in_use_keep_what_is_theirs(gaussian: Path) -> None:
    binomial = layer("binomial.yaml", "likelihoods: [binomial]\n")
    assert found(gaussian, also=(binomial,)).stale == ()


def test_what_a_release_refers_to_stays(gaussian: Path) -> None:
    release(*Results(RESULTS).directories("evaluations"))
    told = kinds(found(gaussian))
    assert not told.keys() & {"runs", "evaluations", "measurements", "prepared data", "sources"}


def test_also_what_a_committed_release_refers_to_that_was_removed(
    world: World, gaussian: Path
) -> None:
    runs = [name for name in Results(RESULTS).directories("runs") if "binomial" in name]
    path = release(*runs[:1])
    Checkout(world.folder).must(f"git add --force {path} && git commit --quiet -m Released")
    shutil.rmtree("releases")
    told = found(gaussian)
    assert kinds(told)["runs"] == 2
    assert RESULTS.absolute() / runs[0] not in {one.path for one in told.stale}


def test_a_damaged_release_stops_it(gaussian: Path) -> None:
    release().write_text("{")
    with pytest.raises(UserError, match="the release is damaged"):
        found(gaussian)


def test_a_damaged_record_stops_it(world: World, gaussian: Path) -> None:
    world.file("results/evaluations/*/digits-gaussian/*/evaluation.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        found(gaussian)


def test_a_record_of_another_shape_stops_it(world: World) -> None:
    path = world.file("data/prepared/*/record.json")
    record = json.loads(path.read_text())
    record["content"]["code"]["modules"] = []
    write_json(path, record)
    with pytest.raises(UserError, match="damaged"):
        found()


def test_texts_of_code_that_nothing_names_are_stale(world: World) -> None:
    extra = layer(f"results/sources/{'0' * 64}.py", "UNUSED = 0\n")
    (stale,) = found().stale
    assert (stale.kind, stale.path.name) == ("sources", extra.name)


def test_what_is_half_written_goes_after_a_day(world: World) -> None:
    half = Path("results/runs/vae/digits-gaussian/.run.partial-elsewhere-1-2")
    half.mkdir()
    (half / "history.parquet").write_bytes(b"PAR")
    state = Path("results/states/0123456789abcdef")
    state.mkdir(parents=True)
    (state / "state.safetensors").write_bytes(b"1")
    young = found()
    assert (young.stale, young.young) == ((), 2)
    later = os.stat(state).st_mtime + 2 * DAY
    assert kinds(found(now=later)) == {"states": 1, "leftovers": 1}


def test_the_journal_of_a_job_that_nobody_asks_for_goes_after_a_day(world: World) -> None:
    shard = world.file("results/shards/*.json").stem
    for rule, name in (("train_shard", "f" * 16), ("train_shard", shard), ("fetch", "digits")):
        entry = Entry(rule, name, State.RUNNING, "then", "then")
        write_entry(entry_path(RESULTS, rule, name), entry)
    nobodys = entry_path(RESULTS, "train_shard", "f" * 16)
    assert found().stale == ()
    (stale,) = found(now=os.stat(nobodys).st_mtime + 2 * DAY).stale
    assert (stale.kind, stale.path) == ("journal", Path.cwd() / nobodys)


def test_the_state_of_a_run_to_come_stays(world: World) -> None:
    lost = world.file("results/runs/vae/digits-gaussian/*/run.json").parent
    fingerprint = lost.name.rpartition("-")[2]
    shutil.rmtree(lost)
    state = Path("results/states", fingerprint)
    state.mkdir(parents=True)
    (state / "state.safetensors").write_bytes(b"1")
    assert "states" not in kinds(found(now=os.stat(state).st_mtime + 2 * DAY))


def test_a_manifest_whose_run_is_gone_is_stale(world: World) -> None:
    shutil.rmtree(world.file("results/runs/spvae/digits-gaussian/*/run.json").parent)
    told = kinds(found())
    assert told["shard manifests"] == 1


def test_packed_results_are_left_to_the_next_pack(gaussian: Path) -> None:
    assert main(["pack", "--remove-loose"]) == 0
    told = found(gaussian)
    assert told.packed == 7
    assert not kinds(told).keys() & {"runs", "evaluations", "measurements"}


def test_a_kill_while_it_removes_leaves_whole_results_alone(gaussian: Path) -> None:
    told = found(gaussian)
    remove(told.stale[:3])
    again = found(gaussian)
    assert set(again.stale) == set(told.stale[3:])


def test_snakemake_at_work_refuses_it(world: World, gaussian: Path) -> None:
    checkout = Checkout(world.folder)
    prune = f"python -m workflow_src prune --yes --configfile {gaussian}"
    refused = checkout.shell(f"flock results/.lock {prune}")
    assert refused.returncode == 2
    assert "another Snakemake works on these results" in refused.stdout
    assert Path("results/runs/vae/digits-binomial").is_dir()


@pytest.mark.parametrize("text", ['{"runs": [[1]]}', '{"runs": [{}]}', "{}"])
def test_a_shard_s_manifest_of_another_shape_stops_it(world: World, text: str) -> None:
    world.file("results/shards/*.json").write_text(text)
    with pytest.raises(UserError, match="damaged"):
        found()
