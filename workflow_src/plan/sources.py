"""Keeps the text of the code that results are made from, by the digest of its meaning.

Records name modules by digest; with the texts kept beside the results, what a number was made from
can be read and compared also where no commit ever held it.
"""

from __future__ import annotations

import os

from workflow_src.archive.sources import sealed
from workflow_src.plan.closure import module_file
from workflow_src.plan.fingerprints import ENVIRONMENT
from workflow_src.plan.plan import Plan
from workflow_src.storage import explain, write_bytes


def write_sources(plan: Plan) -> None:
    """Write the text of every module that the plan's fingerprints cover and that is not there."""
    package_root = plan.closures.package_root
    folder = plan.root / plan.layout.sources
    modules = {name: one for code in plan.closures.known for name, one in code.modules.items()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        present = set(os.listdir(folder))
        for name, digest in modules.items():
            final = folder / f"{digest}.py"
            if name == ENVIRONMENT or final.name in present:
                continue
            path = module_file(name, package_root)
            # Many modules mean nothing, such as empty __init__.py files, and share one digest.
            present.add(final.name)
            write_bytes(final, sealed(path.read_bytes() if path else b""))
    except OSError as error:
        raise explain(error, folder) from error
