"""What the settings ask for and no grid has, in words: experiments and models without cells.

Only what the settings name counts as asked for: what a study's own grids leave open is its choice.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence

from workflow_src.config.data_sets import data_set, with_members
from workflow_src.config.experiments import Grid
from workflow_src.config.grid_entries import applies
from workflow_src.config.models import model_declaration
from workflow_src.config.settings import Settings
from workflow_src.config.studies import Study
from workflow_src.plan.grids import Group, has_images

Cell = tuple[str, str]
"""Data set and likelihood."""


def omissions(
    studies: Sequence[Study], settings: Settings, groups: Iterable[Group]
) -> tuple[str, ...]:
    """One note per experiment that is chosen and lacks something of what the settings name."""
    planned = {(group.study, group.experiment) for group in groups}
    notes = []
    for study in studies:
        for name, experiment in study.experiments.items():
            if settings.experiments != "all" and name not in settings.experiments:
                continue
            title = name if len(studies) == 1 else f"{study.name}/{name}"
            grid = experiment.scales.get(settings.scale)
            if grid is None:
                notes.append(f"{title}: does not exist at scale {settings.scale}")
            elif lacking := list(_lacking(grid, settings, (study.name, name) in planned)):
                notes.append(f"{title}: no cells {', '.join(lacking)}")
    return tuple(notes)


def _lacking(grid: Grid, settings: Settings, is_planned: bool) -> Iterator[str]:
    """For what the grid, or else which model, has no cells."""
    if settings.data_sets == "default" and settings.likelihoods == "default":
        return
    data_sets = (
        grid.data_sets if settings.data_sets == "default" else with_members(settings.data_sets)
    )
    likelihoods = grid.likelihoods if settings.likelihoods == "default" else settings.likelihoods
    without = {
        model: [
            cell
            for cell in itertools.product(data_sets, likelihoods)
            if not (has_images(model, *cell) and any(applies(entry, *cell) for entry in entries))
        ]
        for model, entries in grid.models.items()
    }
    all_cells = set.intersection(*(set(cells) for cells in without.values()))
    whole = [cell for cell in itertools.product(data_sets, likelihoods) if cell in all_cells]
    if whole:
        yield f"for {_told(whole, likelihoods)}"
    if is_planned:
        for model, cells in without.items():
            if rest := [cell for cell in cells if cell not in all_cells]:
                yield f"of {model_declaration(model).title} for {_told(rest, likelihoods)}"


def _told(cells: Sequence[Cell], likelihoods: Sequence[str]) -> str:
    """Data sets, with the likelihood where it is not all of them."""
    by_data_set: dict[str, list[str]] = {}
    for name, likelihood in cells:
        by_data_set.setdefault(name, []).append(likelihood)
    return " and ".join(
        data_set(name).title + ("" if len(own) == len(likelihoods) else f" ({', '.join(own)})")
        for name, own in by_data_set.items()
    )
