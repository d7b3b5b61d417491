"""Circuits survive JSON, and text that is no circuit gets one clear error."""

import contextlib
import json
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qstore_tf.circuits.circuit import Circuit
from qstore_tf.circuits.formats.json import from_dict, to_dict, to_json
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConversionError, QstoreError
from qstore_tf.testing.random_circuits import circuits

from_json = UnifiedCircuit.from_json


def document(**changes):
    circuit = UnifiedCircuit(2).add_gate("RX", 0, "2*x + 0.5").add_gate("CX", [0, 1])
    return to_dict(circuit.add_unitary([[0, 1], [1, 0]], 1)) | changes


def with_operation(**fields):
    return document(operations=[fields])


@settings(max_examples=60, deadline=None)
@given(circuits(max_qubits=5, max_gates=15, symbols=("a", "b", "x_10", "ψ")))
def test_circuits_come_back_equal(circuit):
    copy = from_json(to_json(circuit))
    assert copy == circuit
    assert hash(copy) == hash(circuit)
    assert copy.parameters == circuit.parameters


def test_measurement_markers_come_back():
    circuit = UnifiedCircuit(3).add_gate("H", 1).measure(1, 0)
    assert from_json(to_json(circuit)).measured_qubits == (1, 0)


def test_the_text_is_plain_json_with_format_and_version():
    data = json.loads(to_json(UnifiedCircuit(3), indent=2))
    assert data == {"format": "qstore_tf.circuit", "version": 1, "n_qubits": 3, "operations": []}


def test_bytes_are_read_too():
    circuit = UnifiedCircuit(1).add_gate("RX", 0, 0.1)
    assert from_json(to_json(circuit).encode()) == circuit


def test_a_newer_version_says_to_upgrade():
    with pytest.raises(ConversionError, match="version 2 .*pip install --upgrade qstore-tf"):
        from_dict(document(version=2))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '"circuit"',
        '{"format": "other", "version": 1}',
        "{not json",
        b"\xff\xfe\x00",
        "[" * 200_000,
        '{"a":' * 200_000,
        '{"format": "qstore_tf.circuit", "version": ' + "9" * 100_000 + "}",
    ],
)
def test_text_that_is_no_circuit_is_refused(text):
    with pytest.raises(ConversionError):
        from_json(text)


@pytest.mark.parametrize("value", [None, 3, ["x"]])
def test_only_text_is_read(value):
    with pytest.raises(ConversionError, match="JSON text"):
        from_json(value)


@pytest.mark.parametrize(
    "changes",
    [
        {"version": True},
        {"version": "1"},
        {"version": 0},
        {"version": None},
        {"n_qubits": 0},
        {"n_qubits": 10**9},
        {"n_qubits": 2.0},
        {"n_qubits": True},
        {"operations": {}},
        {"operations": None},
        {"operations": [3]},
        {"operations": "X"},
        {"extra": 1},
    ],
)
def test_damaged_fields_are_refused(changes):
    with pytest.raises(ConversionError):
        from_dict(document(**changes))


@pytest.mark.parametrize(
    "fields",
    [
        {"targets": [0]},
        {"gate": 3, "targets": [0]},
        {"gate": "nope", "targets": [0]},
        {"gate": "X", "targets": [5]},
        {"gate": "X", "targets": [-1]},
        {"gate": "X", "targets": [0.0]},
        {"gate": "X", "targets": [True]},
        {"gate": "X", "targets": "0"},
        {"gate": "CX", "targets": [0, 0]},
        {"gate": "X", "targets": [0], "controls": [0]},
        {"gate": "X", "targets": [0], "params": [0.1]},
        {"gate": "RX", "targets": [0]},
        {"gate": "RX", "targets": [0], "params": ["__import__('os')"]},
        {"gate": "RX", "targets": [0], "params": [float("nan")]},
        {"gate": "RX", "targets": [0], "params": [float("inf")]},
        {"gate": "RX", "targets": [0], "params": [True]},
        {"gate": "RX", "targets": [0], "params": [{"constant": 0.0}]},
        {"gate": "RX", "targets": [0], "params": [{"terms": [["x"]]}]},
        {"gate": "RX", "targets": [0], "params": [{"terms": [[3, 1.0]]}]},
        {"gate": "RX", "targets": [0], "params": [{"terms": [["", 1.0]]}]},
        {"gate": "RX", "targets": [0], "params": [{"terms": [["x", "1"]]}]},
        {"gate": "RX", "targets": [0], "params": [{"terms": [["x", 1.0]], "more": 1}]},
        {"gate": "Unitary", "targets": [0]},
        {"gate": "Unitary", "targets": [0], "matrix": [[[1, 0], [1, 0]], [[0, 0], [1, 0]]]},
        {"gate": "Unitary", "targets": [0], "matrix": [[1, 0], [0, 1]]},
        {"gate": "Unitary", "targets": [0], "matrix": 1},
        {"gate": "X", "targets": [0], "matrix": [[[1, 0], [0, 0]], [[0, 0], [1, 0]]]},
        {"gate": "X", "targets": [0], "note": "hi"},
    ],
)
def test_a_damaged_operation_is_refused_and_its_position_named(fields):
    with pytest.raises(ConversionError, match="Operation 0"):
        from_dict(with_operation(**fields))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mutated_text_gives_a_circuit_or_one_of_our_errors(data):
    text = to_json(from_dict(document()))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        length = data.draw(st.integers(0, 8))
        pieces = ["", "0", "1e999", "-", "null", "[", "]", "{", "}", '"']
        text = text[:at] + data.draw(st.sampled_from(pieces)) + text[at + length :]
    with contextlib.suppress(QstoreError):
        assert isinstance(from_json(text), UnifiedCircuit)


def test_numbers_come_back_to_the_last_bit():
    values = [0.1, 1e-300, np.nextafter(1.0, 2.0), -np.pi]
    circuit = UnifiedCircuit(1)
    for value in values:
        circuit.add_gate("RX", 0, value)
    copy = from_json(to_json(circuit))
    assert [op.params[0].constant for op in copy.operations] == values


def test_sizes_are_bounded_before_work_starts_and_can_be_raised():
    circuit = UnifiedCircuit(1)
    for _ in range(5):
        circuit.add_gate("X", 0)
    text = to_json(circuit)
    assert from_json(text, max_operations=5) == circuit
    with pytest.raises(ConversionError, match=r"at most 4\..*max_operations"):
        from_json(text, max_operations=4)
    with pytest.raises(ConversionError, match=r"at most 8000000\..*, or pass max_operations="):
        from_json(" " * 8_000_001)
    # The densest of texts that are not refused for their length, at a tenth of the usual limit.
    tracemalloc.start()
    start = time.process_time()
    with pytest.raises(ConversionError):
        from_json("[" + "{}," * 260_000 + "{}]", max_operations=10_000)
    seconds = time.process_time() - start
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seconds < 2 and peak < 22e6


def test_reading_takes_time_in_proportion_to_the_operations(monkeypatch):
    """To ask the growing circuit for its operations copies all that were read before."""
    circuit = UnifiedCircuit(2).add_gate("RX", 0, "x").add_unitary(np.eye(2), [1], [0])
    text = to_json(circuit.add_gate("CX", [0, 1]).measure())
    with monkeypatch.context() as patched:
        patched.delattr(Circuit, "operations")
        copy = from_json(text)
    assert copy == circuit


def test_a_symbol_whose_coefficients_overflow_is_refused():
    params = [{"constant": 0.0, "terms": [["x", 1e308], ["x", 1e308]]}]
    with pytest.raises(ConversionError, match="finite"):
        from_dict(with_operation(gate="RX", targets=[0], params=params))


def test_a_byte_order_mark_is_skipped():
    text = "\ufeff" + to_json(UnifiedCircuit(1))
    assert from_json(text) == from_json(text.encode()) == UnifiedCircuit(1)
