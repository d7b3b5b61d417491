"""The machines: found by their names, with figures that are published or absent."""

import dataclasses

import pytest

from qstore_tf.circuits.gates import GATES
from qstore_tf.errors import CircuitError, ConfigurationError
from qstore_tf.ionq.targets import TARGETS, Target, lookup


def made(**changes):
    values = {"name": "mine", "api_name": "qpu.mine", "n_qubits": 4, "entangler": "ZZ"}
    return Target(**{**values, **changes})


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_is_found_by_both_of_its_names_in_any_case(name):
    target = lookup(name)
    assert target.name == name
    assert lookup(target.api_name) is lookup(f" {name.upper()} ") is lookup(target) is target


def test_the_names_are_those_of_the_service():
    assert {t.api_name for t in TARGETS.values()} == {
        "qpu.aria-1",
        "qpu.aria-2",
        "qpu.forte-1",
        "qpu.forte-enterprise-1",
        "simulator",
    }


@pytest.mark.parametrize("name", ["forte1", "qpu.forte-l", "Forte"])
def test_a_wrong_name_gets_a_proposal(name):
    with pytest.raises(ConfigurationError, match="Did you mean.*forte-1'"):
        lookup(name)


@pytest.mark.parametrize("name", ["", None, 3, "x" * 10**6, "qpu.", "ionq"])
def test_other_names_are_refused_with_a_list(name):
    with pytest.raises(ConfigurationError, match="Available: 'aria-1', 'aria-2'"):
        lookup(name)


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_native_gates_are_native_in_the_gate_table(target):
    assert all(GATES[gate].native for gate in target.native_gates)
    assert target.entangler in target.native_gates


def test_aria_entangles_by_ms_and_forte_by_zz_and_the_simulator_by_either():
    kinds = {name: target.accepts for name, target in TARGETS.items()}
    assert kinds["aria-1"] == kinds["aria-2"] == ("MS",)
    assert kinds["forte-1"] == kinds["forte-enterprise-1"] == ("ZZ",)
    assert set(kinds["simulator"]) == {"ZZ", "MS"}


def test_negative_angles_of_zz_can_be_refused():
    assert all(target.signed_zz for target in TARGETS.values())
    assert not dataclasses.replace(lookup("forte-1"), signed_zz=False).signed_zz


def test_forte_has_the_errors_of_the_noise_model_that_the_service_has_for_it():
    # Of a depolarizing channel, 3/4 and 15/16 of the rate are an error that is not the identity.
    forte = lookup("forte-1")
    r1, r2 = forte.depolarizing
    assert 3 / 4 * r1 == pytest.approx(forte.error_1q, rel=1e-5)
    assert 15 / 16 * r2 == pytest.approx(forte.error_2q, rel=1e-5)


def test_what_is_not_published_is_none():
    forte = lookup("forte-enterprise-1")
    assert forte.time_1q_us is forte.time_2q_us is forte.error_spam is forte.depolarizing is None


def test_a_circuit_must_fit_the_target():
    forte = lookup("forte-1")
    forte.check(36, ["GPi", "GPi2", "ZZ"])
    with pytest.raises(CircuitError, match="too many qubits for forte-1.*at most 36.*37"):
        forte.check(37, [])
    with pytest.raises(CircuitError, match="'MS' at position 1 .*forte-1.*GPi, GPi2, ZZ"):
        forte.check(2, ["GPi", "MS"])


def test_fidelity_is_the_product_over_the_gates():
    aria = lookup("aria-1")
    assert aria.estimated_fidelity(0, 0) == 1
    assert aria.estimated_fidelity(1, 2, 1) == pytest.approx(0.9995 * 0.996**2 * 0.9961)
    assert lookup("simulator").estimated_fidelity(100, 100, 10) == 1
    assert made().estimated_fidelity(1, 0) is None
    assert made(error_1q=0.1).estimated_fidelity(1, 0) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("name", ""),
        ("api_name", None),
        ("n_qubits", 0),
        ("n_qubits", 2.0),
        ("n_qubits", True),
        ("entangler", "CX"),
        ("accepts", ("MS",)),
        ("accepts", ("ZZ", "CX")),
        ("error_1q", 1.0),
        ("error_2q", -0.1),
        ("error_spam", float("nan")),
        ("error_2q", "0.1"),
        ("time_1q_us", 0),
        ("time_2q_us", float("inf")),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(attribute, value):
    with pytest.raises(ConfigurationError, match=f"unusable {attribute}"):
        made(**{attribute: value})
