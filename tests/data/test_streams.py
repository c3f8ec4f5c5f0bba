"""Batch streams: who is seen how often, in which order, and that they continue exactly."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.data.streams import SHUFFLE_BUFFER, BatchStream, buffered_shuffle


def drawn(stream: BatchStream, batches: int) -> list[int]:
    return [index for _ in range(batches) for index in stream.next_indices().tolist()]


@given(
    size=st.integers(1, 60),
    batch_size=st.integers(1, 70),
    epochs=st.integers(1, 5),
    seed=st.integers(0, 2**63 - 1),
)
def test_full_shows_every_image_once_in_every_pass(
    size: int, batch_size: int, epochs: int, seed: int
) -> None:
    stream = BatchStream(size, batch_size, "full", seed)
    numbers = drawn(stream, -(-size * epochs // batch_size))
    for epoch in range(epochs):
        assert sorted(numbers[epoch * size : (epoch + 1) * size]) == list(range(size))
    counts = Counter(numbers[: size * epochs])
    assert set(counts.values()) == {epochs}
    assert len(counts) == size


def test_full_shuffles_every_pass_anew() -> None:
    numbers = drawn(BatchStream(1000, 100, "full", 7), 30)
    passes = [tuple(numbers[start : start + 1000]) for start in (0, 1000, 2000)]
    assert len(set(passes)) == 3
    assert tuple(range(1000)) not in passes


@pytest.mark.parametrize("kind", ["full", "restart"])
@given(
    size=st.integers(1, 40),
    batch_size=st.integers(1, 9),
    interval=st.integers(1, 6),
    before=st.integers(0, 40),
    after=st.integers(1, 20),
)
def test_a_stream_continues_exactly_from_its_state(
    kind: str, size: int, batch_size: int, interval: int, before: int, after: int
) -> None:
    def fresh() -> BatchStream:
        return BatchStream(size, batch_size, kind, 11, interval)  # type: ignore[arg-type]

    uninterrupted = fresh()
    drawn(uninterrupted, before)
    state = json.loads(json.dumps(uninterrupted.state()))
    continued = fresh()
    drawn(continued, 3)
    continued.load_state(state)
    assert drawn(continued, after) == drawn(uninterrupted, after)


@pytest.mark.parametrize("kind", ["full", "restart"])
def test_batches_are_full_and_seeds_decide_their_order(kind: str) -> None:
    streams = [BatchStream(300, 128, kind, seed) for seed in (5, 5, 6)]  # type: ignore[arg-type]
    first, same, other = ([stream.next_indices() for _ in range(4)] for stream in streams)
    assert all(batch.shape == (128,) and batch.dtype == np.int64 for batch in first)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_restart_sees_only_the_first_images_of_a_large_set() -> None:
    stream = BatchStream(50_000, 128, "restart", 3)
    seen = set(drawn(stream, 60 * 128))
    # The last of 128 * 128 draws finds image 128 * 128 + 1000 - 2 in the buffer at most.
    assert max(seen) <= 128 * 128 + SHUFFLE_BUFFER - 2
    assert len(seen) > 17_300


@given(seed=st.integers(0, 2**32), size=st.integers(2_000, 60_000))
def test_restart_begins_again_at_the_first_image(seed: int, size: int) -> None:
    stream = BatchStream(size, 10, "restart", seed, restart_interval=50)
    for _ in range(3):
        interval = np.array(drawn(stream, 50))
        # An image enters the buffer only when so many others have left it.
        assert (interval <= np.arange(500) + SHUFFLE_BUFFER - 1).all()
        assert len(set(interval.tolist())) == 500


def test_restarts_differ_in_order() -> None:
    stream = BatchStream(5_000, 10, "restart", 1, restart_interval=5)
    assert drawn(stream, 5) != drawn(stream, 5)


def test_a_small_set_is_repeated_whole_between_restarts() -> None:
    stream = BatchStream(30, 10, "restart", 1, restart_interval=10)
    numbers = drawn(stream, 10)
    assert [sorted(numbers[i : i + 30]) for i in (0, 30, 60)] == [list(range(30))] * 3
    assert len(set(numbers[90:])) == 10


def exact_orders(
    buffer: tuple[int, ...], incoming: tuple[int, ...]
) -> dict[tuple[int, ...], Fraction]:
    """Every order that a shuffle buffer can give, with its probability, by enumeration."""
    if not buffer:
        return {(): Fraction(1)}
    orders: dict[tuple[int, ...], Fraction] = {}
    for place, taken in enumerate(buffer):
        rest = buffer[:place] + buffer[place + 1 :]
        for order, chance in exact_orders(rest + incoming[:1], incoming[1:]).items():
            key = (taken, *order)
            orders[key] = orders.get(key, Fraction(0)) + chance / len(buffer)
    return orders


@pytest.mark.parametrize(("size", "buffer_size"), [(5, 2), (4, 3), (4, 10), (4, 1)])
def test_the_shuffle_buffer_has_the_exact_distribution(size: int, buffer_size: int) -> None:
    numbers = tuple(range(size))
    expected = exact_orders(numbers[:buffer_size], numbers[buffer_size:])
    assert sum(expected.values()) == 1
    generator = np.random.default_rng(0)
    repetitions = 20_000
    found = Counter(
        tuple(buffered_shuffle(size, size, generator, buffer_size)) for _ in range(repetitions)
    )
    assert set(found) == set(expected)
    for order, chance in expected.items():
        spread = np.sqrt(float(chance * (1 - chance)) * repetitions)
        assert abs(found[order] - float(chance) * repetitions) <= 5 * spread


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((0, 1, "full", 0), "size"),
        ((1, 0, "full", 0), "batch size"),
        ((1, 1, "restart", 0, 0), "restart interval"),
        ((1, 1, "sorted", 0), "full, restart"),
    ],
)
def test_impossible_streams_are_refused(arguments: tuple[object, ...], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        BatchStream(*arguments)  # type: ignore[arg-type]


def test_an_impossible_state_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        BatchStream(3, 1, "full", 0).load_state({"batches": -1})
