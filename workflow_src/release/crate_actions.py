"""What was done, as actions: every job whose record is in a crate, and the run of the workflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workflow_src.config.data_sets import data_set
from workflow_src.release.crate_entities import COMPLETED, Described, Entities
from workflow_src.storage import read_json_object

STEPS = {
    "fetch": "Fetch the published files of a data set and check them",
    "prepare": "Make the arrays of one data set for one likelihood",
    "train": "Train the runs of one shard",
    "evaluate": "Choose the winner of one group by validation and measure it on the test set",
    "report": "Write metrics, tables, figures and the page",
}
"""The rules of the workflow, each of which calls the command of this name."""


class Actions(Entities):
    """Entities with the actions that made them; of runs, those that won have theirs."""

    def __init__(self, described: Described) -> None:
        super().__init__(described)
        self.actions: dict[str, list[Any]] = {name: [] for name in STEPS}

    def add_jobs(self, tools: Mapping[str, Any], raw: Mapping[str, list[Any]]) -> None:
        """One action per job; ``tools`` and ``raw`` are by step and by data set."""
        for name, files in raw.items():
            place = f"data/raw/{name}/record.json"
            self._job("fetch", name, place, tools, inputs=files, outputs=[place])
        for place in sorted(name for name in self.files if _is_prepared(name)):
            content = read_json_object(self.of.folder / place)["content"]
            name = data_set(content["data_set"]).raw_name
            inputs = self.known([f"data/raw/{name}/record.json"])
            folder = place.rpartition("/")[0]
            outputs = [place, f"{folder}/split_indices.npz"]
            self._job("prepare", Path(folder).name, place, tools, inputs=inputs, outputs=outputs)
        for directory in self.of.winners:
            place = f"results/{directory}/run.json"
            record = self.of.record(directory, "run.json")
            outputs = [place, *(f"results/{directory}/{name}" for name in record["outputs"])]
            inputs = self.known([one["path"] for one in record["parents"]])
            self._job("train", directory, place, tools, inputs=inputs, outputs=outputs)
        for directory in self.of.evaluations:
            self._evaluation(directory, tools)
        names = [f"results/{directory}/evaluation.json" for directory in self.of.evaluations]
        inputs, outputs = self.known(names), self.report_files()
        self._job("report", "", self.of.manifest, tools, inputs=inputs, outputs=outputs)

    def times(self) -> tuple[str, str]:
        """From the first start to the last end among the jobs."""
        jobs = [action for actions in self.actions.values() for action in actions]
        return min(str(job["startTime"]) for job in jobs), max(str(job["endTime"]) for job in jobs)

    def report_files(self) -> list[str]:
        """What the report wrote."""
        folders = ("results/tables/", "results/figures/", "results/report/", "results/plots/")
        return [
            name
            for name in self.files
            if name.startswith(folders) or (name.startswith("results/") and name.count("/") == 1)
        ]

    def add_orchestration(self, run: Any, steps: Mapping[str, Any]) -> None:
        """Snakemake's part: it started the jobs of each step, and so ran the workflow."""
        controls = [
            self.entity(
                f"#control-{name}",
                "ControlAction",
                name=f"jobs of {name}",
                instrument=steps[name],
                object=actions,
                actionStatus=COMPLETED,
            )
            for name, actions in self.actions.items()
            if actions
        ]
        version = self.packages.get("snakemake", "")
        engine = self.entity(
            f"https://github.com/snakemake/snakemake/releases/tag/v{version}",
            "SoftwareApplication",
            name="Snakemake",
            softwareVersion=version,
            url="https://snakemake.github.io",
        )
        started, ended = self.times()
        self.entity(
            "#orchestration",
            "OrganizeAction",
            name="Snakemake runs the workflow",
            agent=self.agent,
            instrument=engine,
            object=controls,
            result=run,
            startTime=started,
            endTime=ended,
            actionStatus=COMPLETED,
        )

    def _evaluation(self, directory: str, tools: Mapping[str, Any]) -> None:
        place = f"results/{directory}/evaluation.json"
        content = self.of.record(directory, "evaluation.json")["content"]
        measured = content["measurement"]
        inputs = self._files_in(self.of.winners, content["winner"])
        for judge in content.get("judges", ()) if measured else ():
            inputs += self._files_in(self.of.winners, judge["fingerprint"])
        made = self._files_in(self.of.measurements, measured["fingerprint"]) if measured else []
        outputs = [place, *made]
        self._job("evaluate", directory, place, tools, inputs=self.known(inputs), outputs=outputs)

    def _files_in(self, directories: tuple[str, ...], fingerprint: str | None) -> list[str]:
        """The files of the directory of that fingerprint."""
        folders = [f"results/{one}/" for one in directories if one.endswith(f"-{fingerprint}")]
        return [name for name in self.files if folders and name.startswith(folders[0])]

    def _job(
        self,
        step: str,
        key: str,
        place: str,
        tools: Mapping[str, Any],
        *,
        inputs: list[Any],
        outputs: list[str],
    ) -> None:
        """The action of the job whose record lies at ``place``, if it does."""
        if place not in self.files:
            return
        record = read_json_object(self.of.folder / place)
        action = self.entity(
            f"#{step}-{record['fingerprint']}",
            "CreateAction",
            name=f"{step} {key}".strip(),
            description=f"{STEPS[step]}. Fingerprint {record['fingerprint']}, record {place}.",
            startTime=record["time"]["started"],
            endTime=record["time"]["ended"],
            agent=self.agent,
            instrument=tools[step],
            object=inputs or [self.files["settings.json"]],
            result=self.known(outputs),
            actionStatus=COMPLETED,
        )
        self.crate.root_dataset.append_to("mentions", action)
        self.actions[step].append(action)


def _is_prepared(name: str) -> bool:
    return name.startswith("data/prepared/") and name.endswith("/record.json")
