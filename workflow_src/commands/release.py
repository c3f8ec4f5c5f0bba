"""`python -m workflow_src release`: audit the results and freeze them under a name, or verify that.

Exit code 1 where the audit or the verification finds something.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_src.config.command_line import add_configfile, settings_files
from workflow_src.config.loading import load_layered
from workflow_src.exit_codes import ExitCode

GROUP = "share"
EXAMPLES = (
    ("audit the results and freeze them as releases/first", "release first"),
    ("the same, signed", "release first --sign ~/.ssh/id_ed25519"),
    ("check a release that is there", "release first --verify"),
)
CODES = {
    1: "the audit found something and no release was made; with --verify, the release does not "
    "stand"
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument("name", metavar="NAME", help="of the release: releases/NAME")
    parser.add_argument(
        "--sign", type=Path, metavar="KEY", help="sign it with this private key of ssh-keygen"
    )
    parser.add_argument(
        "--verify", action="store_true", help="check a release that is there; nothing is written"
    )
    parser.add_argument(
        "--allowed-signers",
        type=Path,
        metavar="FILE",
        help="with --verify: who may have signed, in the format of ssh-keygen",
    )
    add_configfile(parser)


def run(arguments: argparse.Namespace) -> int:
    """Make the release, or check one."""
    if arguments.verify:
        return _verify(arguments.name, arguments.allowed_signers)
    return _make(arguments)


def _make(arguments: argparse.Namespace) -> int:
    from workflow_src.audit.audit import audit_results
    from workflow_src.audit.telling import lines
    from workflow_src.plan.exclusive import hold
    from workflow_src.plan.plan import build_plan
    from workflow_src.release.releases import RELEASE, refuse_early, write_release

    root = Path()
    refuse_early(arguments.name, root, arguments.sign)
    settings = load_layered(settings_files(arguments))
    hold(settings.directories.results)
    report = audit_results(build_plan(settings))
    for line in lines(report):
        print(line)
    if not report.passes:
        print(f"no release {arguments.name} was made")
        return ExitCode.FINDINGS
    folder, contents = write_release(arguments.name, settings, root=root, sign=arguments.sign)
    print(
        f"{folder}: {len(contents.directories)} directories, {len(contents.winners)} winners; "
        f"commit {folder / RELEASE}{' and its signature' if arguments.sign else ''}, "
        "and publish crate.zip"
    )
    return ExitCode.FINE


def _verify(name: str, allowed_signers: Path | None) -> int:
    from workflow_src.release.releases import is_signed, verify_release

    findings = verify_release(name, root=Path(), allowed_signers=allowed_signers)
    for finding in findings:
        print(f"finding  {finding}")
    if findings:
        print(f"verdict: release {name} does not stand, {len(findings)} findings")
        return ExitCode.FINDINGS
    if not is_signed(name, root=Path()):
        signed = "not signed"
    else:
        signed = "signed by an allowed signer" if allowed_signers else "signed, signer not checked"
    print(f"verdict: release {name} stands ({signed})")
    return ExitCode.FINE
