"""The model of a training step: what must hold whatever the numbers."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.scaling_model import Network, all_reduce, efficiency, fit, step

networks = st.builds(
    Network,
    start=st.floats(0, 1e-2),
    message=st.floats(1e-6, 1e-2),
    delay=st.floats(0, 0.1),
    bandwidth=st.floats(1e6, 1e11),
)
sizes = st.floats(1, 1e9)
several = st.integers(2, 500)
computes = st.floats(1e-4, 10)


@given(sizes, networks, computes)
def test_one_worker_alone_does_not_communicate(
    size: float, network: Network, compute: float
) -> None:
    assert all_reduce(size, 1, network) == 0
    assert step(compute, [size, 4], 1, network) == compute
    assert efficiency(compute, [size], 1, network) == 1


@given(sizes, several, networks)
def test_longer_delays_more_bytes_and_more_workers_never_help(
    size: float, workers: int, network: Network
) -> None:
    seconds = all_reduce(size, workers, network)
    assert seconds > 0
    assert all_reduce(2 * size, workers, network) > seconds
    assert all_reduce(size, workers + 1, network) > seconds
    assert all_reduce(size, workers, replace(network, delay=network.delay + 0.001)) > seconds
    assert all_reduce(size, workers, replace(network, message=2 * network.message)) > seconds
    assert all_reduce(size, workers, replace(network, bandwidth=network.bandwidth / 2)) > seconds


@given(sizes, several, networks)
def test_a_ring_never_carries_more_than_twice_the_bytes(
    size: float, workers: int, network: Network
) -> None:
    still = replace(network, start=0.0, message=0.0, delay=0.0)
    assert all_reduce(size, workers, still) < 2 * size / network.bandwidth
    many = all_reduce(size, 10**6, still)
    assert many == pytest.approx(2 * size / network.bandwidth, rel=1e-5)


def test_each_pass_of_the_ring_waits_for_as_many_delays_as_there_are_workers() -> None:
    network = Network(start=0.1, message=0.001, delay=0.01, bandwidth=math.inf)
    assert all_reduce(4, 2, network) == pytest.approx(0.1 + 0.002 + 0.04)
    assert all_reduce(4, 4, network) == pytest.approx(0.1 + 0.006 + 0.08)


@given(computes, st.lists(sizes, min_size=1, max_size=5), several, networks)
def test_efficiency_is_a_share_that_grows_with_the_compute(
    compute: float, collectives: list[float], workers: int, network: Network
) -> None:
    share = efficiency(compute, collectives, workers, network)
    assert 0 < share < 1
    assert efficiency(2 * compute, collectives, workers, network) > share
    assert efficiency(compute, [*collectives, 4], workers, network) < share


@settings(deadline=None)  # The first call imports SciPy.
@given(st.floats(1e-5, 1e-2), st.floats(1e-5, 1e-2), st.floats(1e7, 1e10))
def test_a_fit_finds_the_network_that_made_the_samples(
    start: float, message: float, bandwidth: float
) -> None:
    network = Network(start, message, 0.0, bandwidth)
    sizes = (4.0, 1e4, 1e6, 1e8)
    samples = [(size, n, all_reduce(size, n, network)) for size in sizes for n in (2, 4)]
    found = fit(samples)
    assert found.start == pytest.approx(start, rel=1e-2)
    assert found.message == pytest.approx(message, rel=1e-2)
    assert found.bandwidth == pytest.approx(bandwidth, rel=1e-2)
    assert found.delay == 0


def test_a_fit_never_finds_negative_times() -> None:
    # Four workers measured faster than two: noise, not physics.
    found = fit([(4, 2, 0.003), (4, 4, 0.002), (1e6, 2, 0.004), (1e6, 4, 0.003)])
    assert found.start >= 0 and found.message >= 0 and found.bandwidth > 0
