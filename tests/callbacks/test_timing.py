"""Clocks and budgets, by their own arithmetic; the time of a circuit, roughly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qstore_tf.callbacks.timing import Budget, StepClock, quantum_seconds
from qstore_tf.layers import QuantumLayer
from qstore_tf.layers.inspection import recording_measurements


def test_time_between_epochs_and_in_the_callback_is_not_training() -> None:
    clock = StepClock()
    clock.begin(0, 0.0)
    clock.begin(1, 1.0)
    clock.resume(5.0)  # a look took 4 seconds
    clock.begin(2, 6.0)
    clock.pause(7.0)
    clock.pause(9.0)  # validation was over
    clock.begin(0, 10.0)  # a new epoch
    clock.begin(1, 11.0)
    assert (clock.trained, clock.steps) == (4.0, 4)
    assert clock.step_seconds == 1.0


def test_several_steps_in_one_execution_are_counted() -> None:
    clock = StepClock()
    clock.begin(0, 0.0)
    clock.begin(10, 1.0)
    clock.pause(2.0, steps=10)
    assert clock.steps == 20
    assert clock.step_seconds == pytest.approx(0.1)


@given(
    st.lists(st.floats(1e-4, 0.5), min_size=1, max_size=200),
    st.floats(0.01, 0.5),
)
def test_a_budget_holds_its_share_whatever_the_looks_cost(costs: list[float], share: float) -> None:
    budget = Budget(share)
    budget.charge(100.0)  # the first look sets things up
    trained = spent = 0.0
    for cost in costs:
        while not budget.allows(trained):
            trained += 0.1
        budget.charge(cost)
        spent += cost
        assert spent - cost <= share * trained + 1e-9
    assert budget.spent == pytest.approx(spent)


@pytest.mark.parametrize("options", [{}, {"encoding": "amplitude"}, {"shots": 10, "seed": 1}])
def test_circuits_are_timed_on_a_batch_of_the_given_size(options: dict) -> None:
    layer = QuantumLayer(2, depth=1, **options)
    with recording_measurements() as measured:
        layer(np.zeros((3, 2), "float32"))
    assert len(measured) == 1
    assert 0 < quantum_seconds(measured[0], batch_size=7) < 10
