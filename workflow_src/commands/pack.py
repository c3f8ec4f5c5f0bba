"""`python -m workflow_src pack`: pack the results of the plan into few files, for DVC."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_src.archive.forgetting import forget
from workflow_src.archive.loose import remove_loose
from workflow_src.archive.references import follow, released, sources_of
from workflow_src.archive.results import Results
from workflow_src.archive.writing import write_packs
from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.plan.exclusive import hold
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.provenance.record import verify_outputs
from workflow_src.storage import read_json_object


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    add_configfile(parser)
    parser.add_argument(
        "--checkpoints",
        choices=["winners", "all"],
        default="winners",
        help="whose trained parameters are packed; the others' stay where they lie",
    )
    parser.add_argument(
        "--remove-loose",
        action="store_true",
        help="afterwards remove the directories that are packed, with the checkpoints left out",
    )
    parser.add_argument(
        "--forget",
        metavar="FINGERPRINT",
        help="instead, drop this run and what was made from it, so that it is trained anew",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write results/packed, or drop one run from everywhere."""
    settings = load_layered(settings_files(arguments))
    hold(settings.directories.results)
    if arguments.forget:
        for name in forget(settings.directories.results, arguments.forget):
            print(f"dropped {settings.directories.results / name}")
        return 0
    _pack(build_plan(settings), all_checkpoints=arguments.checkpoints == "all")
    if arguments.remove_loose:
        removed = remove_loose(settings.directories.results)
        print(f"removed {removed} loose directories that are packed")
    return 0


def _pack(plan: Plan, *, all_checkpoints: bool) -> None:
    root = plan.layout.results
    results = Results(root)
    evaluations = [_name(one.directory, root) for one in plan.evaluations]
    runs = [_name(one.directory, root) for one in plan.runs.values()]
    # What an evaluation that is not there yet may choose needs its checkpoint.
    waiting = {name for one in plan.evaluations if not one.exists for name in one.runs}
    awaited = frozenset(_name(plan.runs[name].directory, root) for name in waiting)
    wanted = follow(results, evaluations, runs, awaited) | released(plan.root, results)
    records = [data.record for data in plan.prepared]
    records.append(plan.layout.report_manifest(plan.report))
    sources = {name for path in records if path.is_file() for name in _sources(path)}
    done = write_packs(
        root, wanted, verify_outputs, all_checkpoints=all_checkpoints, other_sources=sources
    )
    print(
        f"{done.directories} directories in {done.packs} packs, {done.bytes / 1e6:.1f} MB, "
        f"{done.written} of them written now"
    )
    if done.not_kept:
        print(f"{done.not_kept} checkpoints of runs that no evaluation chose are not in them")
    if done.put_back:
        print(f"{done.put_back} directories left them, or left a checkpoint; they lie loose again")


def _name(directory: Path, root: Path) -> str:
    return directory.relative_to(root).as_posix()


def _sources(path: Path) -> set[str]:
    return sources_of(read_json_object(path))
