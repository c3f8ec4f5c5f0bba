"""`python -m workflow_src pack`: pack the results of the plan into few files, for DVC."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_src.archive.activity import refuse_while_writing
from workflow_src.archive.choosing import settled
from workflow_src.archive.forgetting import forget
from workflow_src.archive.loose import remove_loose
from workflow_src.archive.rebuilding import rebuild_index
from workflow_src.archive.references import (
    follow,
    listed_in_releases,
    refuse_incomplete,
    released,
    sources_of,
)
from workflow_src.archive.removal import clear_rests
from workflow_src.archive.results import KINDS
from workflow_src.archive.writing import write_packs
from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.errors import UserError
from workflow_src.plan.exclusive import hold
from workflow_src.plan.layout import PREPARED_RECORD
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.provenance.record import record_is_whole, verify_outputs
from workflow_src.storage import read_json_object

GROUP = "share"
EXAMPLES = (
    ("pack the results of the plan into few files", "pack"),
    ("and remove the directories that are packed then", "pack --remove-loose"),
    ("drop one run and what was made from it", "pack --forget 0123456789abcdef"),
)

_SHOWN = 5


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    add_configfile(parser)
    parser.add_argument(
        "--checkpoints",
        choices=["winners", "all"],
        default="winners",
        help="whose trained parameters are packed; the others' stay where they lie",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--remove-loose",
        action="store_true",
        help="afterwards remove the directories that are packed, with the checkpoints left out",
    )
    what.add_argument(
        "--forget",
        metavar="FINGERPRINT",
        help="instead, drop this run (or measurement, or evaluation) and what was made from it, so "
        "that they are made anew",
    )
    what.add_argument(
        "--rebuild-index",
        action="store_true",
        help="instead, make the index of the packs anew from the packs, where it is damaged",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="remove or drop although jobs may be writing: where something half written, or a "
        "state, changed within the last hour",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write results/packed, or drop one result from everywhere, or mend the index."""
    settings = load_layered(settings_files(arguments))
    root = settings.directories.results
    hold(root)
    if arguments.rebuild_index:
        index = rebuild_index(root, record_is_whole)
        print(f"the index names {len(index.directories)} directories in {len(index.packs)} packs")
        return 0
    if (arguments.remove_loose or arguments.forget is not None) and not arguments.force:
        refuse_while_writing(root)
    if arguments.forget is not None:
        for name in forget(root, arguments.forget, released=listed_in_releases(Path.cwd())):
            print(f"dropped {root / name}")
        return 0
    _pack(build_plan(settings), all_checkpoints=arguments.checkpoints == "all")
    if arguments.remove_loose:
        removed = remove_loose(root)
        print(f"removed {removed} loose directories that are packed")
    return 0


def _pack(plan: Plan, *, all_checkpoints: bool) -> None:
    root = plan.layout.results
    clear_rests(root, KINDS)
    evaluations = [_name(one.directory, root) for one in plan.evaluations]
    of_releases = {n for n in listed_in_releases(plan.root) if n.startswith("evaluations/")}
    results = settled(root, sorted(of_releases.union(evaluations)))
    refuse_incomplete(results, evaluations)
    runs = [_name(one.directory, root) for one in plan.runs.values()]
    # What an evaluation that is not there yet may choose needs its checkpoint.
    waiting = {name for one in plan.evaluations if not one.exists for name in one.needed}
    awaited = frozenset(_name(plan.runs[name].directory, root) for name in waiting)
    wanted = follow(results, evaluations, runs, awaited) | released(plan.root, results)
    done = write_packs(
        root, wanted, verify_outputs, all_checkpoints=all_checkpoints, other_sources=_sources(plan)
    )
    print(
        f"{done.directories} directories in {done.packs} packs, {done.bytes / 1e6:.1f} MB, "
        f"{done.written} of them written now"
    )
    if done.not_kept:
        print(f"{done.not_kept} checkpoints of runs that no evaluation chose are not in them")
    if done.put_back:
        print(f"{done.put_back} directories left them, or left a checkpoint; they lie loose again")
    if done.outvoted:
        more = f" and {len(done.outvoted) - _SHOWN} more" if len(done.outvoted) > _SHOWN else ""
        names = ", ".join(str(root / name) for name in done.outvoted[:_SHOWN])
        print(f"packed stays what was packed, where another lies loose: remove {names}{more}")


def _name(directory: Path, root: Path) -> str:
    return directory.relative_to(root).as_posix()


def _sources(plan: Plan) -> set[str]:
    """The texts of code that prepared data and reports name, of the plan's or of earlier ones."""
    paths = [*(plan.layout.data / "prepared").glob(f"*/{PREPARED_RECORD}")]
    paths += (plan.layout.results / "report").glob("manifest-*.json")
    return {name for path in sorted(paths) for name in _sources_of_file(path)}


def _sources_of_file(path: Path) -> set[str]:
    try:
        return sources_of(read_json_object(path))
    except (AttributeError, TypeError) as error:
        raise UserError(
            f"the record is damaged ({type(error).__name__}: {error})",
            place=str(path),
            remedy="`python -m workflow_src audit` says what is wrong with it",
        ) from None
