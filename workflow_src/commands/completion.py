"""`python -m workflow_src completion`: print the script that completes commands in a shell.

For this terminal alone, in bash: `eval "$(density-bench completion bash)"`. For every terminal,
write the script where the shell looks for such: see docs/commands.md.
"""

from __future__ import annotations

import argparse

from workflow_src.exit_codes import ExitCode

GROUP = "shell"
EXAMPLES = (
    (
        "for bash, from the next terminal on",
        "completion bash > ~/.local/share/bash-completion/completions/density-bench",
    ),
    ("for zsh, into a folder of its fpath", "completion zsh > ~/.zfunc/_density-bench"),
    ("for tcsh", "completion tcsh > ~/.density-bench.tcsh"),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"), help="for which shell")


def run(arguments: argparse.Namespace) -> int:
    """Print the script."""
    from workflow_src.command_line.completion import script

    print(script(arguments.shell), end="")
    return ExitCode.FINE
