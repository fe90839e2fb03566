"""Orders and batches: every window once, whatever the storage."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skanomaly import batches as batches_module
from skanomaly.batches import SeriesBatches, WindowBatches, bucket_sizes
from skanomaly.permutation import KeyedPermutation, RunPermutation
from skanomaly.sequences import Sequences
from skanomaly.stored import Stored
from skanomaly.windows import Windows


def seed(*numbers):
    return np.random.SeedSequence(numbers or 0)


def make_windows(lengths, window_size, *, stride=1, stored=False):
    """One feature, whose values number the time steps."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    values = np.arange(offsets[-1], dtype=np.float32)[:, None]
    if stored:
        values = Stored.of([values[a:b] for a, b in zip(offsets[:-1], offsets[1:], strict=True)])
    return Windows(Sequences(values, offsets, "ragged"), window_size, stride)


def starts_of(batches):
    """First step of each window of an epoch, in order."""
    return [
        int(window[0, 0])
        for i in range(len(batches))
        for x, _, n in [batches.gather(i)]
        for window in x[:n]
    ]


@given(st.integers(1, 300), st.integers(0, 1000))
def test_a_keyed_permutation_has_every_number_once(n, key):
    numbers = KeyedPermutation(n, seed(key))(np.arange(n))
    assert sorted(numbers) == list(range(n))
    assert numbers.dtype == np.int64


def test_a_keyed_permutation_is_random():
    n, n_keys = 7, 3000
    drawn = np.array([KeyedPermutation(n, seed(key))(np.arange(n)) for key in range(n_keys)])
    for position in drawn.T:
        counts = np.bincount(position, minlength=n)
        # 5 standard deviations of a binomial count
        assert np.abs(counts - n_keys / n).max() < 5 * np.sqrt(n_keys / n)
    long = KeyedPermutation(100_000, seed(1))(np.arange(100_000))
    assert abs(np.corrcoef(long[1:], long[:-1])[0, 1]) < 0.02


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 9), st.integers(0, 99))
def test_runs_are_permuted_without_losing_a_number(n, run, runs_per_shelf, key):
    order = RunPermutation(n, run, runs_per_shelf, seed(key))
    positions = np.arange(n)
    shelves = order.shelf_of(positions)
    found = [order.numbers(k, positions[shelves == k]) for k in np.unique(shelves)]
    assert sorted(np.concatenate(found)) == list(range(n))
    for k, numbers in enumerate(found):
        starts, lengths = order.runs(k)
        of_runs = [range(a, a + m) for a, m in zip(starts, lengths, strict=True)]
        assert sorted(numbers) == sorted(i for one in of_runs for i in one)
    if len(found) == 1:
        np.testing.assert_array_equal(found[0], KeyedPermutation(n, seed(key))(positions))


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 30),
    st.booleans(),
)
def test_every_window_comes_once_per_epoch(lengths, window_size, stride, batch_size, stored):
    windows = make_windows(lengths, window_size, stride=min(stride, window_size), stored=stored)
    in_order = sorted(windows.locate(np.arange(len(windows)))[0])
    batches = WindowBatches(windows, batch_size)
    assert starts_of(batches) == in_order
    for epoch in range(2):
        batches.shuffle(seed(epoch))
        assert sorted(starts_of(batches)) == in_order


def test_epochs_differ_and_storage_does_not_matter():
    in_memory = WindowBatches(make_windows([500, 300], 10), 32)
    on_disk = WindowBatches(make_windows([500, 300], 10, stored=True), 32)
    epochs = []
    for epoch in range(2):
        in_memory.shuffle(seed(epoch))
        on_disk.shuffle(seed(epoch))
        epochs.append(starts_of(in_memory))
        assert epochs[-1] == starts_of(on_disk)
    assert epochs[0] != epochs[1]


def test_more_than_a_shelf_is_read_run_by_run(monkeypatch):
    monkeypatch.setattr(batches_module, "_SHELF_BYTES", 4 * 60)
    monkeypatch.setattr(batches_module, "_SHORTEST_RUN", 20)
    windows = make_windows([500, 300], 10, stored=True)
    read = []
    load = Windows.load
    monkeypatch.setattr(Windows, "load", lambda self, *runs: read.append(runs) or load(self, *runs))
    batches = WindowBatches(windows, 32)
    batches.shuffle(seed(3))
    epoch = starts_of(batches)
    in_order = sorted(windows.locate(np.arange(len(windows)))[0])
    assert sorted(epoch) == in_order
    assert epoch != in_order
    # 782 windows in 40 runs, 3 on a shelf; one that ends within a batch is not read again.
    assert len(read) == 14
    assert all(len(starts) <= 3 for starts, _ in read)


@pytest.mark.parametrize("stored", [False, True])
def test_a_cap_draws_other_windows_in_each_epoch(stored):
    batches = WindowBatches(make_windows([1000], 10, stored=stored), 16, limit=50)
    assert len(batches) == 4
    drawn = []
    for epoch in range(40):
        batches.shuffle(seed(epoch))
        drawn += starts_of(batches)
        assert len(set(drawn[-50:])) == 50
    counts = np.bincount(drawn, minlength=991)
    assert len(counts) == 991
    assert counts.max() <= 10  # 2 expected
    assert (counts > 0).mean() > 0.8  # 1 - exp(-2) = 0.86


def test_batches_are_filled_evenly():
    batches = WindowBatches(make_windows([62], 10), 50)
    assert [batches.gather(i)[2] for i in range(len(batches))] == [26, 27]
    x, mask, n = batches.gather(0)
    assert x.shape == (50, 10, 1)
    assert mask[:n].all()
    assert not mask[n:].any()
    assert not x[n:].any()


@given(st.lists(st.integers(1, 90), min_size=1, max_size=30), st.integers(1, 9), st.integers(0, 9))
def test_whole_series_come_once_with_their_like(lengths, batch_size, key):
    windows = make_windows(lengths, None)
    batches = SeriesBatches(windows, batch_size)
    for order in (None, seed(key)):
        batches.shuffle(order)
        seen = []
        for i in range(len(batches)):
            x, mask, n = batches.gather(i)
            assert n <= batch_size
            of_batch = mask[:n].sum(axis=1)
            assert set(bucket_sizes(of_batch)) == {x.shape[1]}
            for row, length in zip(x[:n], of_batch, strict=True):
                seen.append((row[0, 0], length))
                np.testing.assert_array_equal(row[:length, 0], row[0, 0] + np.arange(length))
                assert not row[length:].any()
        assert sorted(seen) == sorted(zip(*windows.locate(np.arange(len(windows))), strict=True))


def test_buckets_waste_little():
    lengths = np.arange(8, 5000)
    sizes = bucket_sizes(lengths)
    assert (sizes >= lengths).all()
    assert (sizes / lengths).max() < 1.5
    assert (sizes / lengths).mean() < 1.25
    assert len(set(sizes)) < 22
    assert bucket_sizes(np.array([1])) == [8]


def test_a_cap_on_whole_series_keeps_the_number_of_batches():
    batches = SeriesBatches(make_windows([9] * 20 + [30] * 7, None), 4, limit=9)
    counts = np.zeros(27)
    starts = make_windows([9] * 20 + [30] * 7, None).locate(np.arange(27))[0]
    for epoch in range(300):
        batches.shuffle(seed(epoch))
        epoch_starts = starts_of(batches)
        assert len(batches) == 2
        assert len(epoch_starts) <= 9
        counts[np.searchsorted(starts, epoch_starts)] += 1
    assert counts.min() > 0.6 * counts.mean()
