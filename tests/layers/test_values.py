"""What a run is made of: values that know their weights, and options that pass shots on."""

import numpy as np
import tensorflow as tf

from qstore_tf.layers.run_options import read_run_options
from qstore_tf.layers.seeds import Seeds
from qstore_tf.layers.values import Values

INPUTS = tf.zeros([3, 2])


def weight(*numbers: float) -> tf.Variable:
    return tf.Variable(tf.constant(numbers, tf.float32))


def test_theta_of_several_layers_knows_its_weights_in_order() -> None:
    first, second = weight(1.0, 2.0), weight(3.0)
    joined = Values.of_weight(first, INPUTS).followed_by(Values.of_weight(second, INPUTS))
    assert joined.theta.numpy().tolist() == [1.0, 2.0, 3.0]
    assert joined.weights[0] is first and joined.weights[1] is second
    np.testing.assert_array_equal(tf.concat(joined.weight_values, 0), joined.theta)


def test_nothing_is_joined_where_nothing_was_trained_before() -> None:
    own = Values.of_weight(weight(3.0), INPUTS)
    joined = Values.without_theta(INPUTS, initial=tf.zeros([3, 4])).followed_by(own)
    assert joined.theta is own.theta and joined.weights is own.weights
    assert joined.initial is not None and joined.inputs is INPUTS


def test_theta_of_nothing_has_the_precision_of_the_inputs() -> None:
    theta = Values.without_theta(tf.cast(INPUTS, tf.float64)).theta
    assert theta.dtype == tf.float64 and theta.shape == (0,)


def test_the_seeds_are_those_of_the_latest_layer_that_draws() -> None:
    drawn = [Seeds(tf.constant([k, 0], tf.int64)) for k in range(2)]
    first, second = (Values.without_theta(INPUTS, seeds=seeds) for seeds in drawn)
    none = Values.without_theta(INPUTS)
    assert first.followed_by(second).seeds is drawn[1]
    assert first.followed_by(none).seeds is drawn[0]
    assert none.followed_by(none).seeds is None


def test_options_take_shots_only_where_they_set_none() -> None:
    exact, ten, five = (read_run_options("tensorflow", "auto", shots) for shots in (None, 10, 5))
    assert exact.with_shots_of(ten) == ten
    assert five.with_shots_of(ten) is five
    assert exact.with_shots_of(exact) is exact
