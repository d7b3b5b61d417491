"""Strings by columns are the strings, and turn as they do one by one."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.ionq.compiler.columns import Columns, bits
from qstore_tf.ionq.compiler.strings import anticommute, product, pulled, string_of
from tests.ionq.compiler.test_rotations import seeds


def random_strings(seed, n_wires, count):
    """Positive and negative strings, some of them the identity."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        wires = rng.permutation(n_wires)[: int(rng.integers(0, n_wires + 1))].tolist()
        string = string_of(wires, "".join(rng.choice(list("XYZ"), size=len(wires))))
        made.append(string._replace(power=(string.power + 2 * int(rng.integers(2))) % 4))
    return made


def read(columns, number):
    """A string by its letters and its sign."""
    return dict(columns.letters(number)), columns.negative >> number & 1


def shown(string):
    return string.letters(), int(string.sign < 0)


given_strings = given(seeds, st.integers(2, 5), st.integers(1, 80))


@settings(max_examples=60, deadline=None)
@given_strings
def test_strings_are_kept(seed, n_wires, count):
    strings = random_strings(seed, n_wires, count)
    columns = Columns(n_wires, strings)
    assert [read(columns, number) for number in range(count)] == [shown(s) for s in strings]


@settings(max_examples=60, deadline=None)
@given_strings
def test_those_that_anticommute_are_found(seed, n_wires, count):
    strings = random_strings(seed, n_wires, count)
    columns = Columns(n_wires, strings)
    for number, string in enumerate(strings):
        expected = [k for k, other in enumerate(strings) if anticommute(string, other)]
        assert list(bits(columns.anticommuting(number))) == expected


@settings(max_examples=60, deadline=None)
@given_strings
def test_quarter_turns_turn_every_string(seed, n_wires, count):
    strings = random_strings(seed, n_wires, count)
    columns = Columns(n_wires, strings)
    rng = np.random.default_rng(seed)
    for _ in range(5):
        first, second = sorted(rng.permutation(n_wires)[:2].tolist())
        turn = (first, second, *rng.choice(list("XYZ"), size=2).tolist())
        after = columns.after(turn)
        columns.turn(turn)
        assert after == tuple((columns.x[wire], columns.z[wire]) for wire in (first, second))
        # P becomes V P V^dagger, so K is the inverse of V.
        strings = [pulled(string, string_of(turn[:2], turn[2] + turn[3]), -1) for string in strings]
        assert [read(columns, number) for number in range(count)] == [shown(s) for s in strings]


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 5), st.integers(1, 80), st.integers(0, 2))
def test_strings_are_sorted_out_by_weight(seed, n_wires, count, further):
    strings = random_strings(seed, n_wires, count)
    columns = Columns(n_wires, strings)
    of = [k for k in range(count) if (seed >> k % 32) & 1 or k == 0]
    weights = {k: strings[k].weight for k in of}
    heavy = sorted(set(weight for weight in weights.values() if weight > 1))
    light, lightest = columns.by_weight(sum(1 << k for k in of), further)
    assert list(bits(light)) == [k for k in of if weights[k] < 2]
    allowed = heavy[: further + 1]
    assert list(bits(lightest)) == [k for k in of if weights[k] in allowed]


def test_products_of_strings_stay_products():
    strings = random_strings(3, 4, 2)
    columns = Columns(4, [*strings, product(*strings)])
    columns.turn((1, 3, "X", "Y"))
    letters = [dict(columns.letters(number)) for number in range(3)]
    for wire in range(4):
        found = {letters[number].get(wire, "I") for number in range(3)} - {"I"}
        assert len(found) in (0, 1, 3)
