"""`python -m workflow_src prune`: list, and with --yes remove, what no settings and release use."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_src.config.command_line import MAIN_FILE, add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.exit_codes import ExitCode

if TYPE_CHECKING:
    from workflow_src.release.prune import Found

GROUP = "share"
EXAMPLES = (
    ("list what neither config.yaml nor a release refers to", "prune"),
    ("remove it, but keep what paper.yaml refers to", "prune --also paper.yaml --yes"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    add_configfile(parser)
    parser.add_argument(
        "--also",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="other settings in use: each, laid over config.yaml, keeps what it refers to",
    )
    parser.add_argument("--yes", action="store_true", help="remove it; without, it is only listed")


def run(arguments: argparse.Namespace) -> int:
    """List what is stale, and remove it where that was asked for."""
    from workflow_src.plan.exclusive import hold
    from workflow_src.plan.plan import build_plan
    from workflow_src.release.prune import find_stale, remove

    layers = [settings_files(arguments), *([MAIN_FILE, file] for file in arguments.also)]
    settings = [load_layered(paths) for paths in layers]
    if arguments.yes:
        hold(settings[0].directories.results)
    found = find_stale([build_plan(one) for one in settings])
    if arguments.yes:
        remove(found.stale)
    _print(found, done=arguments.yes)
    return ExitCode.FINE


def _print(found: Found, *, done: bool) -> None:
    word = "removed" if done else "would remove"
    for one in found.stale:
        print(f"{word} {_shown(one.path)} ({one.bytes:,} bytes)")
    for remark in found.remarks:
        print(f"remark   {remark}")
    for kind in dict.fromkeys(one.kind for one in found.stale):
        sizes = [one.bytes for one in found.stale if one.kind == kind]
        print(f"{kind:<16}{len(sizes):>8,}{sum(sizes) / 1e6:>14,.1f} MB")
    total = sum(one.bytes for one in found.stale)
    print(f"{'all':<16}{len(found.stale):>8,}{total / 1e6:>14,.1f} MB")
    if found.young:
        print(f"{found.young} states or half written files changed within a day and stay")
    if found.packed:
        print(f"{found.packed} packed directories go at the next `python -m workflow_src pack`")
    if found.stale and not done:
        print("nothing was removed: add --yes to do so")


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
