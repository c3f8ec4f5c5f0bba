"""What profiles/slurm/profile.yaml asks of SLURM, for those who want to know before it is used."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from workflow_src.errors import UserError

PROFILE = Path("profiles/slurm/profile.yaml")


def partition_of(rule: str, profile: Path = PROFILE) -> str | None:
    """The partition that the profile gives jobs of ``rule``; None for the cluster's default.

    Raises
    ------
    UserError
        If the profile is no YAML.
    """
    value = resource_of(rule, "slurm_partition", _read(profile))
    return None if value is None else str(value)


def asked_partition(rule: str, resources: Any) -> str | None:
    """The partition of a rule's jobs in Snakemake's settings, profile and command line together.

    ``resources`` is ``workflow.resource_settings``.
    """
    of_rule = (resources.overwrite_resources or {}).get(rule, {})
    for mapping in (of_rule, resources.default_resources or {}):
        given = mapping.get("slurm_partition") if "slurm_partition" in mapping else None
        # Snakemake may have made a value of its own of the word, which keeps what was written.
        word = getattr(given, "raw", given)
        if word is not None:
            return str(word).strip("'\"")
    return None


def resource_of(rule: str, name: str, profile: Mapping[str, Any]) -> Any:
    """A resource of a rule's jobs as a profile sets it, for the rule or for all; None if not.

    Both may be written as mappings, or as lists of Snakemake's ``rule:name=value``.
    """
    special = profile.get("set-resources")
    if isinstance(special, Mapping):
        of_rule = special.get(rule)
        if isinstance(of_rule, Mapping) and name in of_rule:
            return of_rule[name]
    for found in (_listed(special, f"{rule}:{name}"), _listed(special, name)):
        if found is not None and not isinstance(special, Mapping):
            return found
    default = profile.get("default-resources")
    if isinstance(default, Mapping):
        return default.get(name)
    return _listed(default, name)


def _listed(given: object, name: str) -> str | None:
    """The value of ``name=value`` in a list of such words."""
    for word in given if isinstance(given, list) else []:
        key, sign, value = str(word).partition("=")
        if sign and key.strip() == name:
            return value.strip().strip("'\"")
    return None


def _read(profile: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(profile.read_text())
    except OSError:
        return {}
    except yaml.YAMLError as error:
        raise UserError(
            f"the profile is no YAML ({' '.join(str(error).split())})", place=str(profile)
        ) from None
    return content if isinstance(content, Mapping) else {}
