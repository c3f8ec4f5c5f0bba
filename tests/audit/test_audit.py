"""The audit of a finished workflow as a whole: what passes, what is a remark, and how it ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.forging import forge, read, sealed
from support.spoiling import World

from workflow_src.archive import sources
from workflow_src.audit.audit import audit_results
from workflow_src.audit.findings import Report
from workflow_src.audit.telling import lines, verdict
from workflow_src.plan.acceptances import Acceptance, Replacement, append_acceptance, identifier_of
from workflow_src.plan.fingerprints import Closures
from workflow_src.storage import write_json

pytestmark = pytest.mark.workflow

MODEL = Path("workflow_src/models/whole_images.py")


def remarks(report: Report) -> str:
    return "\n".join(str(remark) for remark in report.remarks)


def test_a_finished_workflow_passes_without_a_remark(world: World) -> None:
    report = world.audit()
    assert (report.findings, report.remarks) == ((), ())
    assert report.counted["runs"] == 6
    assert report.counted["tables"] == 1
    assert verdict(report) == "verdict: every number stands (0 remarks)"


def test_several_processes_find_what_one_finds(world: World) -> None:
    path = world.file("results/runs/*/*/*/checkpoint.safetensors")
    path.write_bytes(path.read_bytes()[:-1])
    one, two = (audit_results(world.plan(), jobs=jobs) for jobs in (1, 2))
    assert one.findings == two.findings != ()
    assert one.counted == two.counted


def test_the_command_ends_with_a_verdict_and_an_exit_code(copy_of_finished: Checkout) -> None:
    whole = copy_of_finished.shell("python -m workflow_src audit 2>/dev/null")
    assert whole.returncode == 0
    assert whole.stdout.splitlines()[-1].startswith("verdict: every number stands")
    table = copy_of_finished.folder / "results/tables/tiny_comparison.csv"
    table.write_text(table.read_text().replace("7", "8", 1))
    spoilt = copy_of_finished.shell("python -m workflow_src audit 2>/dev/null")
    assert spoilt.returncode == 1
    assert "results/tables/tiny_comparison.csv" in spoilt.stdout
    assert spoilt.stdout.splitlines()[-1].startswith("verdict: these results do not stand")


def test_the_command_refuses_a_newer_record_in_one_line(world: World, finished: Checkout) -> None:
    forge(
        world.file("results/runs/*/*/*/run.json"), lambda record: record.update(schema_version=99)
    )
    done = Checkout(world.folder).shell("python -m workflow_src audit")
    assert done.returncode == 2
    assert "schema 99" in done.stdout
    assert "Traceback" not in done.stdout


def test_what_is_not_yet_made_is_told_and_the_verdict_is_incomplete(world: World) -> None:
    Path("config.yaml").write_text("studies: [tiny.yaml]\nseeds: [0, 1]\n")
    report = world.audit()
    assert not report.complete
    # The report of these settings, and four evaluations of the other seed.
    unmade = [finding for finding in report.findings if finding.kind == "unmade"]
    assert sum("evaluation.json" in finding.place for finding in unmade) == 4
    assert any("2 of its 2 runs" in finding.text for finding in unmade)
    assert verdict(report).startswith("verdict: incomplete")


def test_a_run_that_is_gone_is_found(world: World) -> None:
    folder = world.file("results/runs/*/*/*/run.json").parent
    shutil.rmtree(folder)
    assert any(
        finding.kind == "unmade" and str(folder) in finding.place
        for finding in world.audit().findings
    )


def test_results_of_other_settings_are_a_remark_and_verified_all_the_same(world: World) -> None:
    text = Path("tiny.yaml").read_text()
    Path("tiny.yaml").write_text(text.replace("hidden_units: [4, 8]", "hidden_units: [4]"))
    report = world.audit()
    assert "2 runs of other code or settings" in remarks(report)
    assert {finding.kind for finding in report.findings} == {"unmade"}
    for path in world.files("results/runs/vae/*/*/checkpoint.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    changed = [finding for finding in world.audit().findings if finding.kind == "changed"]
    assert len(changed) == 4


def test_data_that_are_not_here_are_a_remark(world: World) -> None:
    shutil.rmtree("data")
    report = world.audit()
    assert report.findings == ()
    assert remarks(report).count("not verified: the data are not here") == 2


def test_leftovers_of_killed_jobs_are_a_remark(world: World) -> None:
    run = world.file("results/runs/*/*/*/run.json").parent
    shutil.copytree(run, run.with_name(f".{run.name}.partial-host-1-abc"))
    shutil.copytree(run, run.with_name(f".{run.name}.damaged-20240101"))
    state = Path("results/states/0123456789abcdef/state.safetensors")
    state.parent.mkdir(parents=True)
    state.write_bytes(b"anything")
    Path("results/tables/.tiny.csv.partial-host-1-abc").write_text("half")
    report = world.audit()
    assert report.findings == ()
    assert len(report.remarks) == 4
    assert "prune" in remarks(report)


def test_logs_are_nobodys_business(world: World) -> None:
    Path("results/logs/mine.log").write_text("anything")
    assert world.audit().remarks == ()


def test_code_that_is_kept_nowhere_is_found(world: World) -> None:
    shutil.rmtree("results/sources")
    assert world.audit().findings == (), "the commit has it"
    shutil.rmtree(".git")
    kinds = {finding.kind for finding in world.audit().findings}
    assert kinds == {"code"}


def test_a_manifest_of_a_shard_that_was_trained_again_since_is_a_remark(world: World) -> None:
    path = world.file("results/shards/*.json")
    copy = path.with_name("0123456789abcdef.json")
    text = path.read_text().replace(path.stem, copy.stem)
    copy.write_text(text.replace('"record_sha256": "', '"record_sha256": "0'))
    report = world.audit()
    assert report.findings == ()
    assert "trained anew since" in remarks(report)


def test_a_lost_run_is_trained_again_and_what_was_made_from_it_stands(
    copy_of_finished: Checkout, world: World
) -> None:
    lost = world.file("results/runs/spvae/*/*/run.json").parent
    shutil.rmtree(lost)
    told = copy_of_finished.snakemake()
    assert [told.count(f"rule {name}:") for name in ("train_shard", "evaluate_group")] == [1, 0]
    report = world.audit()
    assert report.findings == ()
    assert f"{lost}/run.json: made again since" in remarks(report)


@pytest.mark.parametrize(
    ("started", "ended"),
    [("2999-01-01T00:00:00.000+00:00", "2999-01-01T00:00:01.000+00:00"), ("2999", "2000")],
)
def test_a_forged_time_does_not_make_it_one_made_again(
    started: str, ended: str, world: World
) -> None:
    path = world.file("results/runs/spvae/*/*/run.json")
    record = read(path)
    record["time"] |= {"started": started, "ended": ended}
    write_json(path, sealed(record | {"threads": 7}))
    assert {finding.kind for finding in world.audit().findings} == {"chain"}


def test_a_record_changed_by_hand_does_not_pass_for_one_made_again(world: World) -> None:
    path = world.file("results/runs/spvae/*/*/run.json")
    write_json(path, sealed(read(path) | {"threads": 7}))
    assert {finding.kind for finding in world.audit().findings} == {"chain"}


class TestPacked:
    @pytest.fixture
    def packed(self, world: World) -> World:
        Checkout(world.folder).must("python -m workflow_src pack --remove-loose")
        return world

    def test_packed_results_pass_and_checkpoints_not_kept_are_a_remark(self, packed: World) -> None:
        assert not Path("results/runs").exists()
        report = packed.audit()
        assert report.findings == ()
        assert "the checkpoints of 2 runs were not kept" in remarks(report)
        assert len(report.remarks) == 1

    def test_any_changed_byte_of_a_pack_is_found(self, packed: World) -> None:
        for path in packed.files("results/packed/*.zip"):
            data = path.read_bytes()
            for place in (0, 10, len(data) // 2, len(data) - 30, len(data) - 1):
                spoilt = bytearray(data)
                spoilt[place] ^= 1
                path.write_bytes(spoilt)
                findings = packed.audit().findings
                assert any(path.name in str(finding) for finding in findings), (path, place)
            path.write_bytes(data)
        assert packed.audit().findings == ()

    def test_a_file_among_the_packs_that_the_index_does_not_know_is_found(
        self, packed: World
    ) -> None:
        Path("results/packed/other.zip").write_bytes(b"PK")
        assert any("other.zip" in finding.place for finding in packed.audit().findings)

    def test_unpacked_results_pass_and_so_does_what_was_not_kept(self, packed: World) -> None:
        from workflow_src.archive.results import KINDS, Results

        results = Results(Path("results"))
        for kind in KINDS:
            for name in results.directories(kind):
                results.bring(name)
        shutil.rmtree("results/packed")
        report = packed.audit()
        assert report.findings == ()
        assert "not kept" in remarks(report)
        path = packed.file("results/runs/*/*/*/not_kept.json")
        text = path.read_text()
        for spoilt in (text + "\n", text.replace("bytes", "byte", 1), text.replace(": 2", ": 3")):
            if spoilt != text:
                path.write_text(spoilt)
                assert packed.audit().findings != ()
        path.unlink()
        assert any("missing" in finding.text for finding in packed.audit().findings)


class TestAcceptances:
    @pytest.fixture
    def steps(self, world: World) -> dict[str, Replacement]:
        """The model's code is edited; which steps that touches, from what to what."""
        before, after = (self.codes(edit) for edit in ("", "\nUNUSED = 1\n"))
        return {
            step: Replacement(old=before[step], new=after[step])
            for step in before
            if before[step] != after[step]
        }

    def codes(self, edit: str) -> dict[str, str]:
        MODEL.write_text(MODEL.read_text() + edit)
        closures = Closures(Path("workflow_src").resolve())
        found = (closures.of_model, closures.of_measurement, closures.of_evaluation)
        return {code.step: code.digest for code in (of("vae") for of in found)}

    def accept(self, steps: dict[str, Replacement], **evidence: object) -> Acceptance:
        values = {
            "why": "It is used nowhere.",
            "by": "Nobody",
            "at": "2024-01-01T00:00:00+00:00",
            "since": "0" * 40,
            "until": "uncommitted",
            "steps": {step: one.model_dump() for step, one in steps.items()},
            "evidence": [evidence] if evidence else [],
        }
        entry = Acceptance(
            **(values | {"steps": steps, "identifier": identifier_of(values)})  # type: ignore[arg-type]
        )
        append_acceptance(Path("workflow_src").resolve(), entry)
        return entry

    def audit(self, world: World) -> Report:
        return world.audit(package_root=Path("workflow_src").resolve())

    def test_without_one_everything_below_the_edit_is_not_yet_made(
        self, world: World, steps: dict[str, Replacement]
    ) -> None:
        assert len(steps) == 3
        report = self.audit(world)
        assert {finding.kind for finding in report.findings} == {"unmade"}

    def test_what_is_accepted_passes_and_the_acceptance_is_a_remark(
        self, world: World, steps: dict[str, Replacement]
    ) -> None:
        entry = self.accept(steps)
        report = self.audit(world)
        assert report.findings == ()
        assert entry.identifier in remarks(report)
        assert "It is used nowhere." in remarks(report)
        assert "nothing was run again" in remarks(report)

    def test_evidence_that_is_of_other_bytes_is_found(
        self, world: World, steps: dict[str, Replacement]
    ) -> None:
        path = world.file("results/runs/vae/*/*/run.json")
        run = read(path)
        made = {f"{run['fingerprint']}/checkpoint.safetensors": "0" * 64}
        entry = self.accept(steps, step="training of vae", equal=True, outputs=made)
        report = self.audit(world)
        assert [finding.place for finding in report.findings] == [f"acceptance {entry.identifier}"]
        assert "1 of 1 checks ran again" in remarks(report)

    def test_results_of_code_that_is_no_longer_accepted_are_found(
        self, world: World, steps: dict[str, Replacement]
    ) -> None:
        self.accept(steps)
        path = world.file("results/runs/vae/*/*/run.json")
        new = steps["training of vae"].new

        def retrain(record: dict[str, object]) -> None:
            """As a run of the new code is filed: under the old identity."""
            closures = Closures(Path("workflow_src").resolve())
            code = closures.of_model("vae")
            assert code.digest == new
            said = {"digest": code.digest, "modules": code.modules, "identity": code.identity}
            text = Path("results/sources", f"{code.modules['workflow_src.models.whole_images']}.py")
            text.write_bytes(sources.sealed(MODEL.read_bytes()))
            record["content"]["code"] = said  # type: ignore[index]

        forge(path, retrain)
        # The page was made before, and tells the code of the run as it was then.
        (finding,) = self.audit(world).findings
        assert Path(finding.place).name == "provenance-tiny.js"
        assert "run.made.code" in finding.text
        Path("workflow_src/plan/acceptances.yaml").write_text("acceptances: []\n")
        MODEL.write_text(MODEL.read_text().removesuffix("\nUNUSED = 1\n"))
        findings = self.audit(world).findings
        assert {finding.kind for finding in findings} >= {"identity", "mixture"}
        told = {finding.place for finding in findings if finding.kind not in ("code", "number")}
        assert all(str(path) in place for place in told)


def test_every_finding_is_a_line_that_names_its_place(world: World) -> None:
    path = Path("results/tables/tiny_comparison.csv")
    path.write_text("")
    said = list(lines(world.audit()))
    assert any(line.startswith(f"finding  {path}: 0 bytes; expected") for line in said)
    assert said[-1].startswith("verdict: these results do not stand")
