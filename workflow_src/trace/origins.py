"""Where a result came from beside other results: data, code, acceptances, commit, environment.

Every function makes links out of a record's own words and looks up what of them is here.
"""

from __future__ import annotations

import ast
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.lineage.records import ABSENT, DIFFERS, OK, Ground, parents_of, short
from workflow_src.plan.acceptances import Acceptance, read_acceptances
from workflow_src.plan.fingerprints import ENVIRONMENT, Closures
from workflow_src.plan.syntax import canonical_text
from workflow_src.provenance.git import has_commit
from workflow_src.provenance.repository import changes_digest
from workflow_src.storage import digest
from workflow_src.trace.links import Link, loose_file_links, sha256_or_none, worst

_LIBRARIES = ("torch", "numpy", "scikit-learn")


def circumstance_links(ground: Ground, record: Mapping[str, Any], step: str) -> list[Link]:
    """Code with its acceptances, commit, environment and machine of one record."""
    code = record.get("content", {}).get("code", {})
    return [
        code_link(ground, code, step),
        *acceptance_links(ground, code, step),
        commit_link(ground, record.get("git", {})),
        environment_link(ground, record.get("environment", {})),
        machine_link(record),
    ]


def code_link(ground: Ground, code: Mapping[str, Any], step: str) -> Link:
    """The modules of a step's code: whether their digests add up and their texts are kept."""
    modules: Mapping[str, str] = code.get("modules", {})
    kept = {name: _kept(ground, value) for name, value in modules.items() if name != ENVIRONMENT}
    facts = [f"digest {code.get('digest')}, {len(modules)} modules"]
    if code.get("identity", code.get("digest")) != code.get("digest"):
        facts.append(f"counts as code {short(code['identity'])} (see the acceptances)")
    facts.append(", ".join(f"{_bare(name)} {value[:8]}" for name, value in modules.items()))
    lost = [_bare(name) for name, verdict in kept.items() if verdict == ABSENT]
    wrong = [_bare(name) for name, verdict in kept.items() if verdict == DIFFERS]
    if wrong:
        facts.append(f"kept texts that are not what they are named: {', '.join(wrong)}")
    facts.append(_texts(len(kept), len(lost), ground))
    facts.append(_compared_with_now(ground, modules))
    if digest(modules) != code.get("digest"):
        facts.append(f"the digests of the modules make {digest(modules)}")
        return Link(f"code of {step}", tuple(facts), DIFFERS)
    return Link(f"code of {step}", tuple(facts), worst([*kept.values(), OK]))


def acceptance_links(ground: Ground, code: Mapping[str, Any], step: str) -> list[Link]:
    """Every acceptance by which this code counts as another, or the present code as this one."""
    acceptances = read_acceptances(ground.package_root)
    found = list(acceptances.chain(step, code.get("digest", "")))
    for entry in acceptances.chain(step, _digest_now(ground, step) or ""):
        if entry not in found:
            found.append(entry)
        if entry.steps[step].old == code.get("digest"):
            break
    else:
        # The present code does not stand for this one: only its own acceptances count.
        found = list(acceptances.chain(step, code.get("digest", "")))
    return [_acceptance_link(entry, step) for entry in found]


def commit_link(ground: Ground, git: Mapping[str, Any]) -> Link:
    """The commit that made it, and the changes that were not committed."""
    commit = git.get("commit")
    if not commit:
        return Link(f"commit unknown: {git.get('reason', 'before the first one')}")
    known = has_commit(ground.root, commit)
    if not git.get("dirty"):
        return Link(f"commit {commit}, no uncommitted changes", (), OK if known else ABSENT)
    changed = [*git.get("changed_files", []), *git.get("new_files", [])]
    facts = [f"{len(changed)} files: {', '.join(changed[:8])}{' ...' if changed[8:] else ''}"]
    left_out = [f"{one['name']} ({one['bytes']:,} bytes)" for one in git.get("left_out_files", [])]
    if left_out:
        facts.append(f"without a copy, large or repositories themselves: {', '.join(left_out)}")
    if "changes_digest" in git:
        name = f"{ground.shown_results.as_posix()}/sources/{git['changes_digest']}.patch"
        below = Link(f"uncommitted changes {name}", tuple(facts), _difference_verdict(ground, git))
    else:
        facts.append(str(git.get("reason", "no copy of them was made")))
        below = Link("uncommitted changes without a copy", tuple(facts), ABSENT)
    return Link(f"commit {commit}, with uncommitted changes", (), OK if known else ABSENT, (below,))


def environment_link(ground: Ground, environment: Mapping[str, Any]) -> Link:
    """Python and the libraries that compute; the verdict is on the lock file here."""
    packages = environment.get("packages", {})
    versions = [f"{name} {packages[name]}" for name in _LIBRARIES if name in packages]
    title = f"environment: Python {environment.get('python')}, {', '.join(versions)}"
    lock = environment.get("lock")
    if not lock:
        return Link(title, ("no lock file was there",))
    found = sha256_or_none(ground.root / lock["name"])
    verdict = ABSENT if found is None else OK if found == lock["sha256"] else DIFFERS
    return Link(title, (f"{lock['name']} sha256 {lock['sha256']}",), verdict)


def machine_link(record: Mapping[str, Any]) -> Link:
    """Where it was computed, when, and under which job."""
    machine = record.get("machine", {})
    time = record.get("time", {})
    gpu = machine.get("gpu")
    device = f"{gpu['name']} (driver {gpu['driver']}, CUDA {gpu['cuda']})" if gpu else "no GPU"
    title = f"machine {machine.get('host')}: {machine.get('cpu')}, {device}"
    facts = [f"{time.get('started')} to {time.get('ended')}, {time.get('seconds')} s"]
    peak = record.get("peak_memory", {})
    facts.append(
        ", ".join(
            f"{name.removesuffix('_bytes')} memory at most {value / 1e6:,.0f} MB"
            for name, value in peak.items()
        )
    )
    job = record.get("slurm") or {}
    facts.append(
        "SLURM " + ", ".join(f"{name} {value}" for name, value in job.items())
        if job
        else "not under SLURM"
    )
    if record.get("attempt") is not None:
        facts.append(f"attempt {record['attempt']}")
    return Link(title, tuple(fact for fact in facts if fact))


def prepared_link(ground: Ground, entry: Mapping[str, str]) -> Link:
    """Prepared data, down to the published files; ``entry`` is what a child remembers."""
    path = ground.of_data(entry["path"])
    seen = ground.file_record(path, entry["fingerprint"], entry)
    content = seen.content
    title = f"prepared data {entry['fingerprint']} at {Path(path).parent.as_posix()}"
    if not seen.record:
        return Link(title, seen.remarks, seen.verdict)
    recipe = content.get("recipe", {})
    sizes = ", ".join(f"{name} {count:,}" for name, count in content.get("images", {}).items())
    indices = seen.record.get("outputs", {}).get("split_indices.npz", {}).get("sha256")
    facts = (
        f"record sha256 {seen.sha256}",
        f"{recipe.get('data_set')} for {recipe.get('likelihood')}, reader {recipe.get('reader')}, "
        f"shape {recipe.get('shape')}, levels {recipe.get('levels', 'none')}; images: {sizes}",
        f"split indices sha256 {indices}",
        *seen.remarks,
    )
    folder = Path(path).parent.as_posix()
    files = Link("arrays", (), None, tuple(loose_file_links(ground, folder, seen.record)))
    below = (
        files,
        *(raw_link(ground, parent) for parent in parents_of(seen.record, "raw")),
        code_link(ground, content.get("code", {}), "preparation"),
        *acceptance_links(ground, content.get("code", {}), "preparation"),
    )
    return Link(title, facts, seen.verdict, below)


def raw_link(ground: Ground, entry: Mapping[str, str]) -> Link:
    """The published files of a data set, with their origins and licence."""
    path = ground.of_data(entry["path"])
    seen = ground.file_record(path, entry["fingerprint"], entry)
    folder = Path(path).parent.as_posix()
    title = f"raw data at {folder}"
    if not seen.record:
        return Link(title, seen.remarks, seen.verdict)
    origins = seen.content.get("origins", {})
    files = [
        Link(
            link.title,
            (*link.facts, f"from {origins.get(link.title, 'unknown')}"),
            link.verdict,
        )
        for link in loose_file_links(ground, folder, seen.record)
    ]
    facts = [
        f"{seen.content.get('data_set')}, {seen.content.get('homepage')}",
        f"licence: {seen.content.get('licence')}",
    ]
    if not files:
        facts.append("no files of its own: it comes with a dependency, see the environment")
    return Link(title, (*facts, *seen.remarks), seen.verdict, tuple(files))


def _acceptance_link(entry: Acceptance, step: str) -> Link:
    code = entry.steps[step]
    tried = [one for one in entry.evidence if one.get("step", step) == step]
    facts = (
        f"why: {entry.why}",
        f"by {entry.by} at {entry.at}, since {entry.since} until {entry.until}",
        f"code {short(code.new)} counts as {short(code.old)}",
        *([_evidence(one) for one in tried] or ["nothing was made again to try it"]),
    )
    return Link(f"acceptance {entry.identifier} of {step}", facts)


def _evidence(one: Mapping[str, Any]) -> str:
    """What was found when results of the old code were made again by the new."""
    if one.get("equal") is None:
        return f"nothing was made again to try it ({one.get('reason')})"
    found = "bit-equal" if one["equal"] else "not equal"
    return f"made again and found {found}: {', '.join(one.get('runs', []))}"


def _kept(ground: Ground, module_digest: str) -> str:
    # A package without a file of its own has no text.
    if module_digest == hashlib.sha256(b"").hexdigest():
        return OK
    try:
        text = ground.results.source(module_digest)
    except UserError:
        return DIFFERS
    if text is None:
        return ABSENT
    return OK if meaning(text) == module_digest else DIFFERS


def meaning(text: str) -> str | None:
    """The digest of a module's meaning, as code fingerprints have it; None if it does not parse."""
    try:
        found = canonical_text(ast.parse(text))
    except (SyntaxError, ValueError):
        return None
    return hashlib.sha256(found.encode(errors="surrogatepass")).hexdigest()


def _texts(count: int, lost: int, ground: Ground) -> str:
    place = f"{ground.shown_results.as_posix()}/sources"
    if not lost:
        return f"the texts of all are kept in {place}"
    return f"the texts of {count - lost} of {count} are kept in {place}"


def _compared_with_now(ground: Ground, modules: Mapping[str, str]) -> str:
    now = {name: _digest_of_file(_file_of(ground.package_root, name)) for name in modules}
    other = [_bare(n) for n, value in modules.items() if n != ENVIRONMENT and now[n] != value]
    if not other:
        return "the code here says the same"
    return f"the code here differs in {', '.join(other)}"


def _file_of(package_root: Path, module: str) -> Path:
    """The package's, before a module's beside a folder of that name, as imports find them."""
    place = package_root.joinpath(*module.split(".")[1:])
    package, file = place / "__init__.py", place.with_name(f"{place.name}.py")
    return file if file.is_file() and not package.is_file() else package


def _digest_of_file(path: Path) -> str | None:
    try:
        data = path.read_bytes()
    except OSError:
        return hashlib.sha256(b"").hexdigest() if path.parent.is_dir() else None
    return _meaning_of_bytes(data)


@functools.lru_cache(maxsize=1024)
def _meaning_of_bytes(data: bytes) -> str | None:
    return meaning(data.decode(errors="surrogateescape"))


def _digest_now(ground: Ground, step: str) -> str | None:
    closures = Closures(ground.package_root)
    kind, _, model = step.partition(" of ")
    finders = {
        "training": closures.of_model,
        "measurement": closures.of_measurement,
        "evaluation": closures.of_evaluation,
    }
    try:
        if kind in finders:
            return finders[kind](model).digest
        return (closures.of_preparation() if kind == "preparation" else closures.of_report()).digest
    except UserError:
        return None


def _bare(module: str) -> str:
    return module.partition(".")[2] or module


def _difference_verdict(ground: Ground, git: Mapping[str, Any]) -> str:
    try:
        text = ground.results.difference(str(git["changes_digest"]))
    except (UserError, OSError):
        return DIFFERS
    if text is None:
        return ABSENT
    copy = text.encode(errors="surrogateescape")
    found = changes_digest(copy, git.get("left_out_files", []))
    return OK if found == git.get("changes_digest") else DIFFERS
