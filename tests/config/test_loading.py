"""Settings are strict: what is wrong is refused with file, line, key and what is allowed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.studies import tiny_study

from workflow_src.config.data_sets import data_set
from workflow_src.config.loading import MIRROR_VARIABLE, load_settings, settings_from_mapping
from workflow_src.config.settings import Settings
from workflow_src.config.settings_checks import selected_experiments
from workflow_src.config.studies import load_study, study_path
from workflow_src.config.yaml_lines import read_yaml
from workflow_src.errors import UserError

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MIRROR_VARIABLE, raising=False)


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return path


def _refusal(path: Path, **overrides: object) -> UserError:
    with pytest.raises(UserError) as caught:
        load_settings(path, overrides)
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_file_at_the_root_is_the_manual_of_every_key_and_holds_the_defaults() -> None:
    path = ROOT / "config.yaml"
    assert load_settings(path) == Settings()
    document = read_yaml(path)
    assert set(document.value) == set(Settings.model_fields)
    lines = path.read_text().splitlines()
    for key, line in document.lines.items():
        if key and isinstance(key[-1], str) and key[0] != "directories":
            above = lines[line - 2].strip()
            assert above.startswith("# "), f"{key} has no sentence above it"
            assert re.search(r"[.:)a-z0-9_]$", above)


def test_the_default_is_the_demo_of_every_experiment_on_data_that_need_no_download() -> None:
    selected = selected_experiments(Settings())
    studies = [load_study(name) for name in ("spvae", "dvaepp", "emdgn", "dcgmm")]
    assert [(one.study.name, one.name) for one in selected] == [
        (study.name, name)
        for study in studies
        for name, experiment in study.experiments.items()
        if "demo" in experiment.scales
    ]
    data_sets = {name for one in selected for name in one.grid.data_sets}
    assert data_sets == {
        "digits",
        "circle",
        "digits_fours",
        "digits_without_0",
        "digits_class_3",
        "digits_class_8",
    }
    assert not any(data_set(name).files for name in data_sets)


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    assert load_settings(_file(tmp_path, "# all as it comes\n")) == Settings()


def test_lists_become_tuples_and_names_are_kept(tmp_path: Path) -> None:
    settings = load_settings(
        _file(
            tmp_path,
            "scale: paper\nexperiments: [table1, figure2]\ndata_sets: [fashion_mnist, digits]\n"
            "seeds: [3, 1]\nprotocols: [text, authors]\nstreams: [restart]\ndevice: cuda:1\n"
            "likelihoods: [binomial]\nmirror: some/folder\n"
            "shard: {maximum_runs: 2, target_hours: 1}\n",
        )
    )
    assert settings.data_sets == ("fashion_mnist", "digits")
    assert settings.experiments == ("table1", "figure2")
    assert settings.seeds == (3, 1)
    assert settings.mirror == Path("some/folder")
    assert (settings.shard.maximum_runs, settings.shard.target_hours) == (2, 1.0)


def test_what_is_left_to_the_experiments_says_so(tmp_path: Path) -> None:
    settings = load_settings(_file(tmp_path, "seeds: default\nprotocols: default\n"))
    assert (settings.seeds, settings.protocols, settings.streams) == ("default",) * 3


def test_an_experiment_without_a_grid_at_the_scale_is_refused(tmp_path: Path) -> None:
    content = tiny_study(vae=[{"hidden_units": [4], "latent_dimensions": [2]}])
    more = content["experiments"]["table1"] | {"title": "Another"}
    more["scales"] = {"paper": more["scales"]["demo"]}
    content["experiments"]["table2"] = more
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(content))
    path = _file(tmp_path, f"studies: [{tmp_path}/tiny.yaml]\nexperiments: [table2]\n")
    assert "no grid at the scale demo" in str(_refusal(path))
    assert _refusal(path).place == f"{path}, line 2, key experiments[0]"


@pytest.mark.parametrize("scale", ["demo", "paper"])
@pytest.mark.parametrize("data_set", ["digits", "fashion_mnist"])
def test_table1_takes_other_data_sets_at_any_scale(
    tmp_path: Path, scale: str, data_set: str
) -> None:
    text = f"experiments: [table1]\nscale: {scale}\ndata_sets: [{data_set}]\n"
    assert load_settings(_file(tmp_path, text)).data_sets == (data_set,)


@pytest.mark.parametrize(
    ("line", "key", "said"),
    [
        ("seedz: [0]", "seedz", "write seeds"),
        ("shard: {maximum_run: 2}", "shard.maximum_run", "write maximum_runs"),
        ("shard: {target_hours: 0}", "shard.target_hours", "expected more than 0"),
        ("shard: {target_hours: .inf}", "shard.target_hours", "expected a finite number"),
        ("shard: {target_hours: 4 h}", "shard.target_hours", "expected a number"),
        ("nonsense: 1", "nonsense", "expected one of"),
        ("threads: two", "threads", '"two" is not allowed; expected a whole number'),
        ("threads: 1.0", "threads", "expected a whole number"),
        ("threads: true", "threads", "expected a whole number"),
        ("threads: 0", "threads", "expected at least 1"),
        ("threads: null", "threads", "null is not allowed"),
        ("seeds: 3", "seeds", "expected 'default' or a list of whole numbers"),
        ("seeds: all", "seeds", "expected 'default' or a list of whole numbers"),
        ("seeds: [true]", "seeds[0]", "expected a whole number"),
        ("seeds: []", "seeds", "the list is empty"),
        ("seeds: [0, x]", "seeds[1]", "expected a whole number"),
        ("seeds: [0, -1]", "seeds[1]", "expected at least 0"),
        ("seeds: [0, 1, 0]", "seeds[2]", "0 is listed twice"),
        ("studies: []", "studies", "the list is empty"),
        ("studies: spvae", "studies", "expected a list"),
        ("studies: [spvea]", "studies[0]", "write spvae"),
        ("studies: [gone.yaml]", "studies[0]", "does not exist"),
        ("experiments: every", "experiments", "expected 'all' or a list of names"),
        ("experiments: []", "experiments", "the list is empty"),
        ("experiments: [table1, tabel2]", "experiments[1]", "write table2"),
        ("scale: papr", "scale", "write paper"),
        ("data_sets: [digits, mnits]", "data_sets[1]", "write mnist"),
        ("data_sets: [digits, 3]", "data_sets[1]", "expected a name"),
        ("data_sets: [digits, digits]", "data_sets[1]", "listed twice"),
        ("likelihoods: [gausian]", "likelihoods[0]", "write gaussian"),
        ("protocols: [author]", "protocols[0]", "write authors"),
        ("protocols: authors", "protocols", "a list of choices: authors, text"),
        ("protocols: [text, text]", "protocols[1]", "listed twice"),
        ("streams: [restarts]", "streams[0]", "write restart"),
        ("streams: []", "streams", "the list is empty"),
        ("device: gpu", "device", "expected cpu, cuda or cuda:N"),
        ("mirror: 3", "mirror", "expected a path"),
        ("directories: data", "directories", "expected a mapping"),
        ("evaluation: {memory_megabytes: 1}", "evaluation.memory_megabytes", "at least 16"),
    ],
)
def test_what_is_wrong_is_refused_with_file_line_and_key(
    tmp_path: Path, line: str, key: str, said: str
) -> None:
    path = _file(tmp_path, f"# settings\n\n{line}\n")
    error = _refusal(path)
    assert error.place == f"{path}, line 3, key {key}"
    assert said in str(error)


def test_a_key_given_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    path = _file(tmp_path, "seeds: [0]\nscale: demo\nseeds: [1]\n")
    error = _refusal(path)
    assert error.place == f"{path}, line 3"
    assert "'seeds' is given twice, first in line 1" in str(error)


def test_the_number_of_problems_is_told(tmp_path: Path) -> None:
    error = _refusal(_file(tmp_path, "threads: x\nscale: y\n"))
    assert "the first of 2 problems" in str(error)


def test_an_override_goes_before_the_file_and_errors_say_so(tmp_path: Path) -> None:
    path = _file(tmp_path, "shard:\n  maximum_runs: 4\nseeds: [7]\n")
    settings = load_settings(path, {"shard": {"maximum_runs": 9}})
    assert (settings.shard.maximum_runs, settings.seeds) == (9, (7,))
    assert _refusal(path, seeds=[]).place == "command line, key seeds"
    assert _refusal(path, shard={"maximum_runs": 0}).place == (
        "command line, key shard.maximum_runs"
    )
    assert _refusal(path, colour="red").place == "command line, key colour"


def test_merged_settings_are_traced_to_the_file_that_gave_them(tmp_path: Path) -> None:
    first = tmp_path / "first.yaml"
    first.write_text("seeds: [0]\nthreads: 1\n")
    second = tmp_path / "second.yaml"
    second.write_text("# mine\nseeds: [0, 0]\n")
    merged = {"seeds": [0, 0], "threads": 0}
    with pytest.raises(UserError) as caught:
        settings_from_mapping(merged, [first, second])
    assert caught.value.place == f"{second}, line 2, key seeds[1]"
    with pytest.raises(UserError) as caught:
        settings_from_mapping({"seeds": [0], "threads": 0}, [first])
    assert caught.value.place == "command line, key threads"


def test_a_key_given_twice_is_found_after_another_reader_has_dropped_it(tmp_path: Path) -> None:
    path = _file(tmp_path, "seeds: [0]\nseeds: [1]\n")
    with pytest.raises(UserError, match="given twice"):
        settings_from_mapping({"seeds": [1]}, [path])


def test_the_environment_names_the_mirror_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _file(tmp_path, "mirror: from/file\n")
    monkeypatch.setenv(MIRROR_VARIABLE, "from/environment")
    assert load_settings(path).mirror == Path("from/environment")


def test_two_studies_of_one_name_are_refused(tmp_path: Path) -> None:
    copy = tmp_path / "spvae.yaml"
    copy.write_text(study_path("spvae").read_text().replace("    published:", "    # published:"))
    path = _file(tmp_path, f"studies: [spvae, {copy}]\n")
    error = _refusal(path)
    assert error.place == f"{path}, line 1, key studies[1]"
    assert "is there already" in str(error)


def test_the_home_directory_can_be_written_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = load_settings(_file(tmp_path, "mirror: ~/images\n"))
    assert settings.mirror == tmp_path / "images"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().scale = "paper"  # type: ignore[misc]


def test_nothing_heavy_is_imported() -> None:
    heavy = ("torch", "numpy", "pandas", "scipy", "matplotlib", "sklearn")
    program = (
        "import sys; from pathlib import Path\n"
        "from workflow_src.config.loading import load_settings\n"
        "load_settings(Path('config.yaml'))\n"
        f"print([name for name in {heavy!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_a_gpu_has_a_memory_budget_of_its_own() -> None:
    evaluation = settings_from_mapping(
        {"evaluation": {"memory_megabytes": 70, "gpu_memory_megabytes": 900}}
    ).evaluation
    budgets = [evaluation.budget_megabytes(device) for device in ("cpu", "cuda", "cuda:1")]
    assert budgets == [70, 900, 900]
    assert settings_from_mapping({}).evaluation.budget_megabytes("cuda") > 1024
