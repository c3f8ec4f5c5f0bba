"""Whether results bear the names that their spec, data and code give them.

A name that is made anew from what a record says, under the acceptances that are in force now, must
be the one that the record and its directory have.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workflow_src.audit.findings import Notes
from workflow_src.audit.judged import judges_in
from workflow_src.audit.records import Examined
from workflow_src.plan.acceptances import Acceptance
from workflow_src.plan.fingerprints import (
    ENVIRONMENT,
    Closures,
    Code,
    evaluation_fingerprint,
    identity_of,
    measurement_fingerprint,
    prepared_fingerprint,
    run_fingerprint,
)
from workflow_src.plan.layout import Layout
from workflow_src.plan.specs import from_canonical
from workflow_src.storage import digest


class Identities:
    """Makes names anew, and remembers which acceptances what is asked for depends on."""

    def __init__(self, closures: Closures, results: Path) -> None:
        self._closures = closures
        self._layout = Layout(Path("data"), Path())
        self._results = results
        self._accepted: dict[str, tuple[Acceptance, list[str]]] = {}
        self._identities: dict[tuple[str, str], str] = {}
        self._others: defaultdict[str, int] = defaultdict(int)

    def check(self, one: Examined, notes: Notes, *, planned: bool) -> None:
        """Name, directory and code of a result that was read."""
        if one.record is None:
            return
        with notes.reading(one.place):
            content, kind = one.record["content"], one.record["kind"]
            model = (content["axes"] if kind == "evaluation" else content["spec"])["model"]
            step = {"run": "training"}.get(kind, kind) + f" of {model}"
            code = self.code(one.place, step, content["code"], notes, planned=planned)
            expected, directory = getattr(self, f"_{kind}")(content, code, one.fingerprint)
            check_name(one.place, one.fingerprint, expected, notes)
            if one.directory != directory:
                notes.find(
                    "identity",
                    f"{self._results}/{one.directory}",
                    f"the directory's name does not fit its record; expected {directory}",
                )

    def code(
        self, place: str, step: str, said: Mapping[str, Any], notes: Notes, *, planned: bool
    ) -> Code:
        """A record's code with the identity that it has now, which must be the one it was given.

        Of what is ``planned``, code that differs from the present one needs an acceptance.
        """
        modules = said["modules"]
        known = (step, said["digest"])
        if known not in self._identities:
            self._identities[known] = identity_of(step, modules, self._closures.acceptances)
        identity, given = self._identities[known], said.get("identity", said["digest"])
        if planned and identity != given:
            notes.find(
                "identity",
                place,
                f"its code {said['digest'][:12]} counts as {given[:12]}, which no acceptance says; "
                f"expected {identity[:12]}",
            )
        if planned:
            self._compare(place, step, said, notes)
        return Code(step, said["digest"], modules, given)

    def tell(self, outputs: Mapping[str, Mapping[str, Any]], notes: Notes) -> None:
        """A remark for every acceptance that something depends on, and what its evidence is worth.

        ``outputs`` are those of every record by its fingerprint.
        """
        for entry, places in self._accepted.values():
            again = sum(one.get("equal") is True for one in entry.evidence)
            proof = f"{again} of {len(entry.evidence)} checks ran again and were bit-equal"
            notes.remark(
                f"acceptance {entry.identifier}",
                f"{len(places)} results of other code count as those of the present one, since "
                f'{entry.by} said "{entry.why}" '
                f"({proof if entry.evidence else 'nothing was run again'}); the first is "
                f"{places[0]}",
            )
            for one in entry.evidence:
                with notes.reading(f"acceptance {entry.identifier}"):
                    _check_evidence(entry, one, outputs, notes)

    def _compare(self, place: str, step: str, said: Mapping[str, Any], notes: Notes) -> None:
        now = self._now(step)
        if now is None or now.digest == said["digest"]:
            return
        codes = [_bare(now.modules), _bare(said["modules"])]
        chains = [self._closures.acceptances.chain(step, code) for code in codes]
        linking = [e for chain in chains for e in chain if not all(e in c for c in chains)]
        if not linking:
            notes.find(
                "mixture",
                place,
                f"{step} was done by code {said['digest'][:12]}; expected the present one, "
                f"{now.digest[:12]}, or an acceptance that says that they are equivalent",
            )
        for entry in linking:
            self._accepted.setdefault(entry.identifier, (entry, []))[1].append(place)

    def _now(self, step: str) -> Code | None:
        known = {code.step: code for code in self._closures.known}
        return known.get(step)

    def _run(self, content: Mapping[str, Any], code: Code, fingerprint: str) -> tuple[str, str]:
        spec = from_canonical(content["spec"])
        directory = self._layout.run(spec, fingerprint)
        return run_fingerprint(spec, content["data"], code), directory.as_posix()

    def _measurement(
        self, content: Mapping[str, Any], code: Code, fingerprint: str
    ) -> tuple[str, str]:
        directory = self._layout.measurement(content["spec"], content["run"], fingerprint)
        judges = judges_in(content)
        made = measurement_fingerprint(content["run"], content["measures"], code, judges)
        return made, directory.as_posix()

    def _evaluation(
        self, content: Mapping[str, Any], code: Code, fingerprint: str
    ) -> tuple[str, str]:
        runs = [candidate["fingerprint"] for candidate in content["candidates"]]
        directory = self._layout.evaluation(content["axes"], fingerprint)
        made = evaluation_fingerprint(runs, content["measures"], code, judges_in(content))
        return made, directory.as_posix()


def _check_evidence(
    entry: Acceptance,
    evidence: Mapping[str, Any],
    outputs: Mapping[str, Mapping[str, Any]],
    notes: Notes,
) -> None:
    """That the bytes which a repetition gave are those of the result that it repeated."""
    for name, made in evidence.get("outputs", {}).items():
        result, _, file = name.rpartition("/")
        known = outputs.get(result.rpartition("-")[2], {}).get(file)
        if evidence.get("equal") and known is not None and known["sha256"] != made:
            notes.find(
                "chain",
                f"acceptance {entry.identifier}",
                f"its evidence is another {name}; expected sha256 {known['sha256']}",
            )


def _bare(modules: Mapping[str, str]) -> str:
    """The digest of code without the environment, as acceptances know it."""
    return digest({name: one for name, one in modules.items() if name != ENVIRONMENT})


def check_name(place: str, said: str, expected: str, notes: Notes) -> None:
    """A fingerprint that was made anew."""
    if said != expected:
        notes.find(
            "identity",
            place,
            f"it calls itself {said}; expected {expected}, which spec, data and code give",
        )


def prepared_name(recipe: Mapping[str, Any], code: Code) -> str:
    """The name of prepared data, see `workflow_src.plan.fingerprints`."""
    return prepared_fingerprint(recipe, code)
