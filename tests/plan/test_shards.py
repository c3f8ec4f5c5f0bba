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


@given(some_runs, st.integers(1, 20))
@settings(deadline=None)
def test_every_run_is_in_one_shard_with_its_like(specs: set[RunSpec], maximum: int) -> None:
    runs = named(*specs)
    shards = fill_shards(runs, maximum)
    assert sorted(name for shard in shards for name in shard) == sorted(runs)
    for shard in shards:
        assert 1 <= len(shard) <= maximum
        assert len({family(runs[name]) for name in shard}) == 1


@given(some_runs, st.integers(1, 20), st.randoms())
@settings(deadline=None)
def test_the_order_of_runs_does_not_matter(specs: set[RunSpec], maximum: int, random) -> None:  # type: ignore[no-untyped-def]
    runs = list(named(*specs).items())
    before = fill_shards(dict(runs), maximum)
    random.shuffle(runs)
    assert fill_shards(dict(runs), maximum) == before


@given(some_runs, st.integers(1, 20))
@settings(deadline=None)
def test_a_bank_that_fits_is_whole(specs: set[RunSpec], maximum: int) -> None:
    runs = named(*specs)
    places = defaultdict(list)
    for number, shard in enumerate(fill_shards(runs, maximum)):
        for name in shard:
            places[bank_key(runs[name])].append(number)
    for numbers in places.values():
        if len(numbers) <= maximum:
            assert len(set(numbers)) == 1
        else:
            assert len(set(numbers)) == -(-len(numbers) // maximum)


@given(some_runs, st.integers(1, 20))
@settings(deadline=None)
def test_members_of_a_bank_stand_together(specs: set[RunSpec], maximum: int) -> None:
    runs = named(*specs)
    for shard in fill_shards(runs, maximum):
        keys = [bank_key(runs[name]) for name in shard]
        changes = sum(one != other for one, other in pairwise(keys))
        assert changes == len(set(keys)) - 1


def test_seeds_and_fractions_share_a_bank() -> None:
    assert bank_key(spec()) == bank_key(spec(seed=5, fraction=0.1))


def test_other_rates_do_not() -> None:
    assert bank_key(spec()) != bank_key(spec(rate=0.1))
    assert bank_key(spec()) != bank_key(spec(hidden=8))
    assert bank_key(spec()) != bank_key(spec(data_set="svhn"))


def test_a_small_family_is_one_shard() -> None:
    runs = named(*(spec(hidden=h, latent=n) for h, n in product([30, 100], [2, 10])))
    assert len(fill_shards(runs, 16)) == 1


def test_the_paper_s_vae_grid_fills_its_shards() -> None:
    grid = product([30, 100, 300, 600], [1, 2, 5, 25, 50, 100, 150, 200])
    shards = fill_shards(named(*(spec(hidden=h, latent=n) for h, n in grid)), 16)
    assert [len(shard) for shard in shards] == [16, 16]


def test_one_more_value_at_an_end_moves_no_shard() -> None:
    grid = list(product([30, 100, 300, 600], [1, 2, 5, 25, 50, 100, 150, 200]))
    before = fill_shards(named(*(spec(hidden=h, latent=n) for h, n in grid)), 16)
    more = [*grid, *((1000, n) for n in (1, 2, 5))]
    after = fill_shards(named(*(spec(hidden=h, latent=n) for h, n in more)), 16)
    assert after[: len(before)] == before


def test_one_more_cell_in_between_moves_its_own_branch_alone() -> None:
    grid = list(product([30, 100, 300, 600], range(1, 13)))
    before = fill_shards(named(*(spec(hidden=h, latent=n) for h, n in grid)), 16)
    after = fill_shards(named(*(spec(hidden=h, latent=n) for h, n in [*grid, (100, 13)])), 16)
    assert len(set(before) - set(after)) == 1


def test_other_families_do_not_matter() -> None:
    mine = named(*(spec(hidden=h, seed=s) for h, s in product([8, 16, 32], range(5))))
    others = named(*(spec(model="spvae", hidden=h) for h in range(1, 30)))
    alone = fill_shards(mine, 4)
    assert [shard for shard in fill_shards(mine | others, 4) if shard[0] in mine] == alone
