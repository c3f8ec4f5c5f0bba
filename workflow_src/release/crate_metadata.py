"""The metadata of a crate: the workflow with its steps, inputs and outputs, and the crate itself.

Follows RO-Crate 1.1 and the profiles Workflow RO-Crate 1.0 and Process, Workflow and Provenance Run
Crate 0.5 (https://www.researchobject.org/workflow-run-crate/).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workflow_src.config.studies import load_study
from workflow_src.release.crate_actions import STEPS, Actions
from workflow_src.release.crate_entities import COMPLETED, Described, facts, plain

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
LICENCE = "https://www.apache.org/licenses/LICENSE-2.0"

_BIOSCHEMAS = {
    "ComputationalWorkflow": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE",
    "FormalParameter": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE",
}


def metadata(described: Described) -> dict[str, Any]:
    """The JSON value of ``ro-crate-metadata.json``."""
    writer = _Writer(described)
    writer.write()
    value: dict[str, Any] = writer.crate.metadata.generate()
    graph = [plain(entity) for entity in value["@graph"]]
    return {"@context": value["@context"], "@graph": graph}


class _Writer(Actions):
    def write(self) -> None:
        self.add_files()
        workflow = self._workflow()
        tools = {name: self.add_tool(name, meaning) for name, meaning in STEPS.items()}
        raw = self.add_raw_data()
        self.add_jobs(tools, raw)
        workflow["hasPart"] = [tools[name] for name, actions in self.actions.items() if actions]
        run = self._run(workflow, raw)
        self.add_orchestration(run, self._steps(workflow, tools))
        self._root()

    def _workflow(self) -> Any:
        path = self.of.folder / "Snakefile"
        properties = {
            **facts(path, "Snakefile"),
            "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            "name": "density-bench",
            "description": "Trains and evaluates the grids of the studies and ends in tables "
            "beside the published numbers.",
            "license": {"@id": LICENCE},
            "version": self.commit or "unknown",
            "conformsTo": {"@id": _BIOSCHEMAS["ComputationalWorkflow"]},
        }
        if self.homepage:
            properties["url"] = self.homepage
        workflow = self.crate.add_workflow(
            path,
            "Snakefile",
            main=True,
            lang="snakemake",
            lang_version=self.packages.get("snakemake"),
            properties=properties,
        )
        for name, address in _BIOSCHEMAS.items():
            self.entity(address, "CreativeWork", name=f"Bioschemas {name}", version="1.0-RELEASE")
        version = self.of.report["environment"]["python"]
        python = self.entity(
            f"https://www.python.org/downloads/release/python-{version.replace('.', '')}/",
            "SoftwareApplication",
            name="Python",
            softwareVersion=version,
            url="https://www.python.org",
        )
        workflow["softwareRequirements"] = [python, self.files["requirements.lock"]]
        return workflow

    def _run(self, workflow: Any, raw: Mapping[str, list[Any]]) -> Any:
        """The action of the whole workflow."""
        inputs = self.known(["config.yaml", "settings.json"])
        inputs += [file for files in raw.values() for file in files]
        results = self.known(self.report_files())
        results += [
            file
            for name, file in self.files.items()
            if name.endswith(".safetensors") or name.startswith("results/packed/")
        ]
        self._parameters(workflow, raw, results)
        started, ended = self.times()
        run = self.entity(
            "#run",
            "CreateAction",
            name="Run of the workflow",
            description=f"{len(self.of.evaluations)} evaluations of {self._titles()}.",
            startTime=started,
            endTime=ended,
            agent=self.agent,
            instrument=workflow,
            object=inputs,
            result=results,
            actionStatus=COMPLETED,
        )
        self.crate.root_dataset.append_to("mentions", run)
        return run

    def _parameters(self, workflow: Any, raw: Mapping[str, list[Any]], results: list[Any]) -> None:
        """The workflow's inputs and outputs, each with one of the entities that stood for it."""
        table = next(file for file in results if file.id.startswith("results/tables/"))
        data = next(file for files in raw.values() for file in files)
        kind = "File" if data.type == "File" else "Dataset"
        workflow["input"] = [
            self._parameter("configuration", "File", self.files["config.yaml"], "What to run"),
            self._parameter("settings", "File", self.files["settings.json"], "What was run"),
            self._parameter("data", kind, data, "Published data"),
        ]
        metrics = self.files["results/metrics.parquet"]
        workflow["output"] = [
            self._parameter("tables", "File", table, "Tables beside the published numbers"),
            self._parameter("metrics", "File", metrics, "All metrics"),
        ]

    def _parameter(self, name: str, kind: str, example: Any, description: str) -> Any:
        parameter = self.crate.add_formal_parameter(
            name, kind, identifier=f"#parameter-{name}", description=description, valueRequired=True
        )
        parameter["workExample"] = example
        example["exampleOfWork"] = parameter
        return parameter

    def _steps(self, workflow: Any, tools: Mapping[str, Any]) -> dict[str, Any]:
        steps = {
            name: self.entity(
                f"#step-{name}",
                "HowToStep",
                name=name,
                description=meaning,
                position=str(position),
                workExample=tools[name],
            )
            for position, (name, meaning) in enumerate(STEPS.items())
            if self.actions[name]
        }
        workflow["step"] = list(steps.values())
        return steps

    def _root(self) -> None:
        root = self.crate.root_dataset
        self.crate.name = f"density-bench: {self._titles()}"
        self.crate.description = (
            "Tables, metrics, figures, records, winners' checkpoints and code of "
            f"{self._titles()}. Every number leads back to code, data, settings, seed and machine."
        )
        self.crate.datePublished = self.of.report["time"]["ended"]
        root["license"] = self.entity(
            LICENCE,
            "CreativeWork",
            name="Apache License 2.0",
            description="Of code and results; data sets have licences of their own.",
            url=LICENCE,
        )
        root["author"] = root["publisher"] = self.agent
        root["keywords"] = ["deep generative models", "sum-product networks", "reproducibility"]
        root["citation"] = [
            self.entity(
                f"#study-{study.name}",
                "ScholarlyArticle",
                name=study.title,
                description=study.reference,
            )
            for study in map(load_study, self.of.settings.studies)
        ]
        root["conformsTo"] = [
            self.entity(address, "CreativeWork", name=name, version=address.rpartition("/")[2])
            for address, name in PROFILES.items()
        ]

    def _titles(self) -> str:
        return ", ".join(load_study(name).title for name in self.of.settings.studies)
