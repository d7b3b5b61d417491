"""Reading observables, their matrices and texts, and what is refused."""

import contextlib

import cirq
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits import PauliString, PauliSum, observables_text, parse_observables
from qstore_tf.circuits.gates.matrices import pauli_product
from qstore_tf.errors import ObservableError
from qstore_tf.testing.random_circuits import random_observables

Q = cirq.LineQubit.range(3)
seeds = st.integers(0, 2**32 - 1)


def text(spec, n_qubits=3, **options):
    return observables_text(parse_observables(spec, n_qubits, **options))


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("Z", "1.0:Z0;1.0:Z1;1.0:Z2"),
        (cirq.Z, "1.0:Z0;1.0:Z1;1.0:Z2"),
        ([cirq.Z] * 3, "1.0:Z0;1.0:Z1;1.0:Z2"),
        ([cirq.X, "Y", cirq.Z], "1.0:X0;1.0:Y1;1.0:Z2"),
        ([cirq.Z] * 3 + ["Z0 Z1"], "1.0:Z0;1.0:Z1;1.0:Z2;1.0:Z0 Z1"),
        ("ZZI", "1.0:Z0 Z1"),
        ("III", "1.0:"),
        (["ZZI", "IXY"], "1.0:Z0 Z1;1.0:X1 Y2"),
        ("Z2 X0", "1.0:X0 Z2"),
        ("Z0*X2", "1.0:Z0 X2"),
        ("0.5 X0 Y1 + 0.3", "0.5:X0 Y1,0.3:"),
        ("-2e-1*X0*Y1 - Z2 + 1 + Z2", "-0.2:X0 Y1,0.0:Z2,1.0:"),
        (cirq.Z(Q[1]), "1.0:Z1"),
        (2 * cirq.X(Q[2]) * cirq.Y(Q[0]), "2.0:Y0 X2"),
        (cirq.X(Q[0]) - 0.5 * cirq.Z(Q[1]) * cirq.Z(Q[2]), "1.0:X0,-0.5:Z1 Z2"),
        (cirq.DensePauliString("XIZ", coefficient=-1), "-1.0:X0 Z2"),
        (PauliString(0.5, ((1, "Y"),)), "0.5:Y1"),
        (PauliSum.of("Z0 + Z1"), "1.0:Z0,1.0:Z1"),
        (PauliSum.of("Z0 + Z1").to_dict(), "1.0:Z0,1.0:Z1"),
        ((PauliSum(()),), "0.0:"),
        ((s for s in ("Z0", "Z1")), "1.0:Z0;1.0:Z1"),
    ],
)
def test_every_way_of_writing_an_observable_is_read(spec, expected):
    assert text(spec) == expected


def test_a_bare_pauli_on_one_qubit_is_one_observable():
    assert text("Z", 1) == text(["Z"], 1) == text(cirq.Z, 1) == "1.0:Z0"


def test_cirq_qubits_of_any_kind_follow_the_given_order():
    a, b = cirq.NamedQubit("a"), cirq.GridQubit(1, 2)
    assert text(cirq.Z(a) * cirq.X(b), 2, qubit_order=[b, a]) == "1.0:X0 Z1"


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 4))
def test_the_matrix_is_the_sum_of_kronecker_products(seed, n):
    (observable,) = random_observables(seed, n, 1)
    expected = sum(
        term.coefficient * pauli_product("".join(dict(term.paulis).get(q, "I") for q in range(n)))
        for term in observable.terms
    )
    np.testing.assert_allclose(observable.matrix(n), expected, atol=1e-14)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(1, 5))
def test_text_and_dicts_read_back_to_the_same_observable(seed, n):
    for observable in random_observables(seed, n, 3):
        assert PauliSum.of(str(observable).replace("+ -", "- ")) == observable
        assert PauliSum.from_dict(observable.to_dict()) == observable
        assert hash(PauliSum.from_dict(observable.to_dict())) == hash(observable)


def test_masks_put_qubit_zero_in_the_most_significant_bit():
    assert PauliString(1.0, ((0, "X"), (1, "Y"), (2, "Z"))).masks(3) == (0b110, 0b011)


BAD = {
    "absent qubit": ("Z3", "qubit 3, which is not there"),
    "absent cirq qubit": (cirq.Z(cirq.LineQubit(5)), "qubit 5, which is not there"),
    "negative cirq qubit": (cirq.Z(cirq.LineQubit(-1)), r"LineQubit\(-1\)"),
    "named cirq qubit": (cirq.Z(cirq.NamedQubit("a")), "LineQubit"),
    "too few letters": ("ZZ", "wrong number of letters"),
    "too many letters": ("ZZZZ", "wrong number of letters"),
    "too few bare Paulis": ([cirq.Z] * 2, "one per qubit"),
    "no observables": ([], "No observable"),
    "no text": ("", "cannot be read"),
    "not Pauli": ("A0", "cannot be read"),
    "stray text": ("Z0 + foo", "cannot be read"),
    "unfinished sum": ("Z0 +", "cannot be read"),
    "unfinished product": ("2*", "cannot be read"),
    "two numbers": ("2 3 Z0", "cannot be read"),
    "huge qubit number": ("Z99999999999999999999", "cannot be read"),
    "qubit twice": ("Z0 X0", "twice"),
    "imaginary": (1j * cirq.X(Q[0]), "bad coefficient"),
    "overflow": ("1e999 Z0", "bad coefficient"),
    "not Hermitian gate": (cirq.H, "cannot be read"),
    "number": (3, "cannot be read"),
    "list of numbers": ([1, 2, 3], "cannot be read"),
    "malformed data": ({"terms": []}, "malformed"),
    "malformed terms": ({"version": 1, "terms": [[1.0, [["a", "X"]]]]}, "cannot be read"),
    "terms of the wrong form": ({"version": 1, "terms": [3]}, "malformed"),
    "newer version": ({"version": 99, "terms": []}, "newer version"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_observables_are_refused_with_their_reason(case):
    spec, message = BAD[case]
    with pytest.raises(ObservableError, match=message):
        parse_observables(spec, 3)


@pytest.mark.parametrize(
    ("coefficient", "paulis"),
    [(float("nan"), ()), (float("inf"), ()), ("a", ()), (1.0, ((0, "Q"),)), (1.0, ((-1, "X"),)),
     (1.0, ((0, "X"), (0, "Y")))],
)  # fmt: skip
def test_pauli_strings_check_themselves(coefficient, paulis):
    with pytest.raises(ObservableError):
        PauliString(coefficient, paulis)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="XYZI012 +-*.e", max_size=20))
def test_any_text_is_read_or_refused_never_crashes(spec):
    with contextlib.suppress(ObservableError):
        parse_observables(spec, 3)
