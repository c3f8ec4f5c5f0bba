"""Packing divides all runs into shards that train well, and moves little when runs come or go."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise, product

from hypothesis import given, settings
from hypothesis import strategies as st

from workflow_src.plan.shards import bank_key, family, fill_shards
from workflow_src.plan.specs import RunSpec


def spec(
    model: str = "vae",
    hidden: int = 30,
    latent: int = 2,
    fraction: float = 1.0,
    seed: int = 0,
    rate: float = 0.001,
    data_set: str = "mnist",
) -> RunSpec:
    values = (("hidden_units", hidden), ("latent_dimensions", latent), ("learning_rate", rate))
    return RunSpec(model, data_set, "gaussian", fraction, seed, "authors", "full", values)


def named(*specs: RunSpec) -> dict[str, RunSpec]:
    return {str(one.canonical()): one for one in specs}


HOUR = 3600.0


def filled(
    runs: dict[str, RunSpec], maximum: int, *, hours: float = 1.0, each: float = 0.0
) -> list[tuple[str, ...]]:
    """Shards of runs that take ``each`` seconds, those with more hidden units that much longer."""
    return fill_shards(
        runs, seconds_of(runs, each), target_seconds=hours * HOUR, maximum_runs=maximum
    )


def seconds_of(runs: dict[str, RunSpec], each: float) -> dict[str, float]:
    """Whole multiples of ``each``, so that sums are exact."""
    return {n: each * int(one.hyperparameter("hidden_units")) // 8 for n, one in runs.items()}


some_runs = st.sets(
    st.builds(
        spec,
        model=st.sampled_from(["vae", "spvae"]),
        hidden=st.sampled_from([8, 16, 32, 64]),
        latent=st.sampled_from([1, 2, 5]),
        fraction=st.sampled_from([0.1, 0.5, 1.0]),
        seed=st.integers(0, 3),
        rate=st.sampled_from([0.01, 0.001]),
        data_set=st.sampled_from(["mnist", "svhn"]),
    ),
    max_size=60,
)
some_room = st.integers(1, 20)
some_seconds = st.sampled_from([0.0, 100.0, 600.0, 1000.0, 3600.0, 5000.0])


@given(some_runs, some_room, some_seconds)
@settings(deadline=None)
def test_every_run_is_in_one_shard_with_its_like_and_there_is_room(
    specs: set[RunSpec], maximum: int, each: float
) -> None:
    runs = named(*specs)
    seconds = seconds_of(runs, each)
    shards = filled(runs, maximum, each=each)
    assert sorted(name for shard in shards for name in shard) == sorted(runs)
    for shard in shards:
        assert 1 <= len(shard) <= maximum
        assert len(shard) == 1 or sum(seconds[name] for name in shard) <= HOUR
        assert len({family(runs[name]) for name in shard}) == 1


@given(some_runs, some_room, some_seconds, st.randoms())
@settings(deadline=None)
def test_the_order_of_runs_does_not_matter(
    specs: set[RunSpec],
    maximum: int,
    each: float,
    random,  # type: ignore[no-untyped-def]
) -> None:
    runs = list(named(*specs).items())
    before = filled(dict(runs), maximum, each=each)
    random.shuffle(runs)
    assert filled(dict(runs), maximum, each=each) == before


@given(some_runs, some_room, some_seconds)
@settings(deadline=None)
def test_a_bank_has_no_more_parts_than_it_needs(
    specs: set[RunSpec], maximum: int, each: float
) -> None:
    runs = named(*specs)
    seconds = seconds_of(runs, each)
    places = defaultdict(list)
    for number, shard in enumerate(filled(runs, maximum, each=each)):
        for name in shard:
            places[bank_key(runs[name])].append((number, seconds[name]))
    for members in places.values():
        # All runs of a bank take equally long here.
        one = members[0][1]
        room = max(min(maximum, int(HOUR // one) if one else maximum), 1)
        assert len({number for number, _ in members}) == -(-len(members) // room)


@given(some_runs, some_room, some_seconds)
@settings(deadline=None)
def test_members_of_a_bank_stand_together(specs: set[RunSpec], maximum: int, each: float) -> None:
    runs = named(*specs)
    for shard in filled(runs, maximum, each=each):
        keys = [bank_key(runs[name]) for name in shard]
        changes = sum(one != other for one, other in pairwise(keys))
        assert changes == len(set(keys)) - 1


def test_runs_of_a_bank_that_take_unequal_times_fill_the_hours() -> None:
    runs = named(*(spec(fraction=part) for part in (0.1, 0.2, 0.3, 0.4, 0.5)))
    hours = dict(zip(runs, (2.0, 2.0, 1.0, 3.0, 1.0), strict=True))
    seconds = {name: HOUR * hours[name] for name in runs}
    shards = fill_shards(runs, seconds, target_seconds=4 * HOUR, maximum_runs=64)
    assert [[hours[name] for name in shard] for shard in shards] == [[2, 2], [1, 3], [1]]


def test_a_run_that_alone_takes_too_long_has_a_job_of_its_own() -> None:
    runs = named(spec(), *(spec(hidden=8, seed=seed) for seed in range(3)))
    long = next(name for name, one in runs.items() if one == spec())
    seconds = dict.fromkeys(runs, 10.0) | {long: 5 * HOUR}
    shards = fill_shards(runs, seconds, target_seconds=4 * HOUR, maximum_runs=64)
    assert (long,) in shards
    assert len(shards) == 2


def test_what_sums_to_the_target_exactly_fits() -> None:
    runs = named(*(spec(seed=seed) for seed in range(10)))
    shards = fill_shards(runs, dict.fromkeys(runs, 0.1), target_seconds=1.0, maximum_runs=64)
    assert len(shards) == 1


some_unequal_seconds = st.lists(
    st.sampled_from([1.0, 10.0, 60.0, 150.0]) | st.floats(0.0, 200.0), min_size=2, max_size=30
)


@given(some_unequal_seconds, st.integers(1, 3), some_room)
@settings(deadline=None)
def test_banks_of_unequal_times_are_divided_among_shards_with_room(
    times: list[float], cells: int, maximum: int
) -> None:
    specs = [spec(hidden=8 + place % cells, seed=place) for place in range(len(times))]
    runs = named(*specs)
    seconds = dict(zip(runs, times, strict=True))
    shards = fill_shards(runs, seconds, target_seconds=100.0, maximum_runs=maximum)
    assert sorted(name for shard in shards for name in shard) == sorted(runs)
    for shard in shards:
        assert 1 <= len(shard) <= maximum
        assert len(shard) == 1 or sum(seconds[name] for name in shard) <= 100.0 * (1 + 1e-6)


def test_parts_of_a_bank_that_are_not_full_stay_shards_or_join() -> None:
    runs = named(*(spec(seed=seed) for seed in range(8)))
    times = [10.0, 10.0, 10.0, 10.0, 10.0, 60.0, 1.0, 1.0]
    seconds = {name: times[one.seed] for name, one in runs.items()}
    shards = fill_shards(runs, seconds, target_seconds=100.0, maximum_runs=64)
    assert [[seconds[name] for name in shard] for shard in shards] == [times[:5], times[5:]]


def test_seeds_and_fractions_share_a_bank() -> None:
    assert bank_key(spec()) == bank_key(spec(seed=5, fraction=0.1))


def test_other_rates_do_not() -> None:
    assert bank_key(spec()) != bank_key(spec(rate=0.1))
    assert bank_key(spec()) != bank_key(spec(hidden=8))
    assert bank_key(spec()) != bank_key(spec(data_set="svhn"))


def test_a_small_family_is_one_shard() -> None:
    runs = named(*(spec(hidden=h, latent=n) for h, n in product([30, 100], [2, 10])))
    assert len(filled(runs, 16)) == 1


def test_the_paper_s_vae_grid_fills_its_shards() -> None:
    grid = product([30, 100, 300, 600], [1, 2, 5, 25, 50, 100, 150, 200])
    shards = filled(named(*(spec(hidden=h, latent=n) for h, n in grid)), 16)
    assert [len(shard) for shard in shards] == [16, 16]


def test_one_more_value_at_an_end_moves_no_shard() -> None:
    grid = list(product([30, 100, 300, 600], [1, 2, 5, 25, 50, 100, 150, 200]))
    before = filled(named(*(spec(hidden=h, latent=n) for h, n in grid)), 16)
    more = [*grid, *((1000, n) for n in (1, 2, 5))]
    after = filled(named(*(spec(hidden=h, latent=n) for h, n in more)), 16)
    assert after[: len(before)] == before


def test_one_more_cell_in_between_moves_its_own_branch_alone() -> None:
    grid = list(product([30, 100, 300, 600], range(1, 13)))
    before = filled(named(*(spec(hidden=h, latent=n) for h, n in grid)), 16)
    after = filled(named(*(spec(hidden=h, latent=n) for h, n in [*grid, (100, 13)])), 16)
    assert len(set(before) - set(after)) == 1


def test_other_families_do_not_matter() -> None:
    mine = named(*(spec(hidden=h, seed=s) for h, s in product([8, 16, 32], range(5))))
    others = named(*(spec(model="spvae", hidden=h) for h in range(1, 30)))
    alone = filled(mine, 4)
    assert [shard for shard in filled(mine | others, 4) if shard[0] in mine] == alone
