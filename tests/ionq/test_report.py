"""The report says what was counted, and what it says adds up."""

import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from qstore_tf.circuits import UnifiedCircuit
from qstore_tf.errors import ConfigurationError, InputError
from qstore_tf.ionq import TARGETS, compile
from qstore_tf.ionq.outputs import in_words, output_map, permutation_of
from qstore_tf.ionq.prices import cost, price_table
from qstore_tf.ionq.report import report


def circuit() -> UnifiedCircuit:
    """Rotations that merge, a SWAP that is a relabelling, and a partial entangler."""
    made = UnifiedCircuit(3).add_gate("H", 0).add_gate("CX", [0, 1])
    made.add_gate("RZZ", [0, 1], 0.2).add_gate("RZZ", [0, 1], 0.2)
    made.add_gate("RX", 2, 0.3).add_gate("RX", 2, 0.4)
    return made.add_gate("SWAP", [1, 2])


def test_before_is_level_0_and_after_is_what_was_compiled() -> None:
    compiled = compile(circuit(), "forte-1")
    found = report(compiled)
    given = compile(circuit(), "forte-1", optimization_level=0)
    for size, of in ((found.before, given), (found.after, compiled)):
        assert (size.gates_1q, size.gates_2q, size.depth_2q) == (
            of.gates_1q,
            of.gates_2q,
            of.depth_2q,
        )
    assert found.before.gates_2q == 3
    assert found.after.gates_2q < 3
    counts = Counter(operation.gate for operation in compiled.native().operations)
    assert dict(found.pulses) == counts


@pytest.mark.parametrize("target", ["forte-1", "aria-1"])
def test_angles_are_sums_in_full_entanglers(target: str) -> None:
    once = UnifiedCircuit(2).add_gate("RZZ", [0, 1], 0.5)
    assert report(compile(once, target)).after.entangling_angle == pytest.approx(
        0.5 / (np.pi / 2), abs=1e-12
    )
    with_symbol = UnifiedCircuit(2).add_gate("RZZ", [0, 1], "a").add_gate("RX", 0, "a")
    compiled = compile(with_symbol, target)
    for values in ({"a": -0.5}, [-0.5], [[-0.5]]):
        assert report(compiled, values).after.entangling_angle == pytest.approx(0.5 / (np.pi / 2))
    found = report(compiled)
    assert found.after.entangling_angle is None
    assert "depends on symbols" in str(found)
    assert found.after.gates_2q == 1


def test_a_circuit_without_entanglers_has_no_angle_and_one_without_gates_has_nothing() -> None:
    alone = report(compile(UnifiedCircuit(1).add_gate("RX", 0, "a")))
    assert alone.after.entangling_angle == 0.0
    empty = report(compile(UnifiedCircuit(2)))
    assert (empty.after.gates_1q, empty.after.gates_2q, empty.pulses) == (0, 0, ())
    assert empty.after.fidelity == 1.0
    assert "native gates: none" in str(empty)


def test_fidelity_is_the_product_of_published_errors() -> None:
    found = report(compile(circuit(), "forte-1"))
    after, forte = found.after, TARGETS["forte-1"]
    assert forte.error_1q is not None and forte.error_2q is not None
    expected = (1 - forte.error_1q) ** after.gates_1q * (1 - forte.error_2q) ** after.gates_2q
    assert after.fidelity == pytest.approx(expected)
    unknown = report(compile(circuit(), replace(forte, error_2q=None)))
    assert unknown.after.fidelity is None
    assert "not published" in str(unknown)


def test_prices_are_those_of_every_table_with_and_without_mitigation() -> None:
    found = report(compile(circuit(), "forte-1"), shots=2500)
    assert [price.table.provider for price in found.prices] == ["azure", "braket"]
    azure = price_table("azure", "forte-1")
    after = found.after
    price = found.prices[0]
    assert price.after == cost(azure, after.gates_1q, after.gates_2q, 2500, mitigation=False)
    assert price.after_mitigated == cost(azure, after.gates_1q, after.gates_2q, 2500, True)
    assert price.before > price.after
    assert "2,500 shots, azure, USD, 2025-09-17" in str(found)
    # Shown amounts are the exact ones, rounded up to cents.
    shown = next(line for line in str(found).splitlines() if "azure" in line).split()[-1]
    assert 0 <= Decimal(shown) - price.after < Decimal("0.01")


def test_a_machine_without_published_prices_says_so() -> None:
    mine = replace(TARGETS["forte-1"], name="mine", api_name="qpu.mine")
    found = report(compile(circuit(), mine))
    assert found.prices == ()
    assert "none are published for mine" in str(found)
    old = str(report(compile(circuit(), "aria-2")))
    assert "no longer sold" in old


def test_a_swap_is_reported_as_a_permutation() -> None:
    found = report(compile(circuit()))
    assert found.output_permutation == compile(circuit()).output_permutation == (0, 2, 1)
    assert "outcomes: qubits 0 to 2 end on wires 0, 2, 1" in str(found)
    assert "qubit k ends on wire k" in str(report(compile(UnifiedCircuit(2).add_gate("H", 0))))


def test_sums_of_wires_are_reported_as_such() -> None:
    bell = UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
    found = report(compile(bell, mode="measured"))
    assert found.output_permutation is None
    assert "q0 = w0, q1 = w0 + w1" in found.outcomes


def test_flips_of_bound_numbers_are_in_the_offset() -> None:
    compiled = compile(UnifiedCircuit(2).add_gate("X", 1), mode="measured")
    matrix, offset = output_map(compiled)
    numbers = compiled.bind()
    wires = np.zeros((1, 2), dtype=np.int64)  # no pulse is left that would turn a wire over
    assert compiled.gates_1q == 0
    expected = compiled.outcomes(wires ^ numbers.flips)
    np.testing.assert_array_equal((wires @ matrix.T + offset) % 2, expected)
    np.testing.assert_array_equal(expected, [[0, 1]])
    assert "q1 = w1 + 1" in report(compiled).outcomes
    assert report(compiled).output_permutation is None


def test_flips_that_are_not_known_yet_are_no_permutation() -> None:
    compiled = compile(UnifiedCircuit(1).add_gate("RX", 0, "a"), mode="measured")
    assert report(compiled).output_permutation is None
    assert "flips depend on the symbols" in report(compiled).outcomes
    assert permutation_of(np.eye(2, dtype=np.uint8), None) is None
    assert in_words(np.eye(2, dtype=np.uint8), np.zeros(2, np.uint8)) == "qubit k ends on wire k"


def test_a_report_is_plain_data_for_json() -> None:
    plain = json.loads(json.dumps(report(compile(circuit(), "aria-1")).to_dict()))
    assert plain["entangler"] == "MS"
    assert Decimal(plain["prices"][0]["after"]) > 12
    assert plain["prices"][-1]["sold"] is False
    assert plain["before"]["gates_2q"] >= plain["after"]["gates_2q"]


def test_what_makes_no_sense_is_refused() -> None:
    compiled = compile(UnifiedCircuit(1).add_gate("RX", 0, "a"))
    with pytest.raises(InputError, match="batch of 2"):
        report(compiled, [[0.1], [0.2]])
    with pytest.raises(InputError, match="'a'"):
        report(compiled, {"b": 0.1})
    with pytest.raises(ConfigurationError, match="compile"):
        report(UnifiedCircuit(1))  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="shots"):
        report(compiled, shots=0)
