"""The compiler as a transformer of Cirq: same unitary, same results, readable by cirq-ionq."""

import itertools

import cirq
import cirq_ionq
import numpy as np
import pytest
import sympy
from cirq_ionq.serializer import Serializer

from qstore_tf.circuits import UnifiedCircuit
from qstore_tf.errors import CircuitError, ConfigurationError, ConversionError
from qstore_tf.ionq.cirq_transformer import compile_for_ionq
from qstore_tf.ionq.reading import from_native
from qstore_tf.testing.daily import daily_seed

NATIVE = (cirq_ionq.GPIGate, cirq_ionq.GPI2Gate, cirq_ionq.ZZGate, cirq_ionq.MSGate)
TARGETS = ("forte-1", "aria-1")


def random_circuit(seed: int, n_qubits: int = 4) -> cirq.Circuit:
    gates = {
        cirq.H: 1,
        cirq.T: 1,
        cirq.rx(0.3): 1,
        cirq.Y**0.2: 1,
        cirq.CNOT: 2,
        cirq.CZ**0.3: 2,
        cirq.ISWAP**0.5: 2,
        cirq.ZZ**0.1: 2,
        cirq.CCX: 3,
    }
    return cirq.testing.random_circuit(
        n_qubits, 8, 0.7, gate_domain=gates, random_state=daily_seed() + seed
    )


def joint(circuit: cirq.Circuit) -> dict[tuple[tuple[str, int], ...], float]:
    """The exact joint distribution of the results: `(key, number)` pairs to probabilities."""
    measured = [op for op in circuit.all_operations() if cirq.is_measurement(op)]
    plain = cirq.Circuit(op for op in circuit.all_operations() if not cirq.is_measurement(op))
    qubits = sorted(circuit.all_qubits())
    state = cirq.final_state_vector(plain, qubit_order=qubits, dtype=np.complex128)
    found: dict[tuple[tuple[str, int], ...], float] = {}
    for bits, amplitude in zip(
        itertools.product((0, 1), repeat=len(qubits)), np.asarray(state), strict=True
    ):
        values = dict(zip(qubits, bits, strict=True))
        results = []
        for op in measured:
            assert isinstance(op.gate, cirq.MeasurementGate)
            inverted = op.gate.full_invert_mask()
            outcome = [values[q] ^ flip for q, flip in zip(op.qubits, inverted, strict=True)]
            number = cirq.big_endian_bits_to_int(outcome)
            results.append((cirq.measurement_key_name(op), number))
        key = tuple(sorted(results))
        found[key] = found.get(key, 0.0) + abs(amplitude) ** 2
    return found


def assert_same_results(first: cirq.Circuit, second: cirq.Circuit) -> None:
    one, two = joint(first), joint(second)
    for key in one.keys() | two.keys():
        assert one.get(key, 0.0) == pytest.approx(two.get(key, 0.0), abs=1e-9), key


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("level", range(4))
@pytest.mark.parametrize("seed", range(3))
def test_measured_results_are_those_of_the_circuit(target: str, level: int, seed: int) -> None:
    circuit = random_circuit(seed)
    qubits = sorted(circuit.all_qubits())
    circuit.append(cirq.SWAP(qubits[0], qubits[2]))
    circuit.append(cirq.measure(qubits[2], qubits[0], key="a", invert_mask=(True,)))
    circuit.append(cirq.measure(qubits[1], key="b"))
    compiled = compile_for_ionq(circuit, target=target, optimization_level=level)
    assert compiled.all_qubits() == circuit.all_qubits()
    assert all(
        isinstance(op.gate, (*NATIVE, cirq.MeasurementGate)) for op in compiled.all_operations()
    )
    assert compiled.all_measurement_key_names() == {"a", "b"}
    assert_same_results(circuit, compiled)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("seed", range(4))
def test_a_circuit_without_measurements_keeps_its_unitary(target: str, seed: int) -> None:
    circuit = random_circuit(seed)
    try:
        compiled = compile_for_ionq(circuit, target=target, optimization_level=1)
    except ConversionError as error:  # a wire has become another's
        assert "Measure before compiling" in str(error)
        return
    assert all(isinstance(op.gate, NATIVE) for op in compiled.all_operations())
    qubits = sorted(circuit.all_qubits())
    cirq.testing.assert_allclose_up_to_global_phase(
        compiled.unitary(qubits_that_should_be_present=qubits), circuit.unitary(), atol=1e-9
    )


@pytest.mark.parametrize("target", TARGETS)
def test_turns_about_z_are_kept_where_nothing_is_measured(target: str) -> None:
    a, b = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(cirq.rz(0.3)(a), cirq.H(b), cirq.CNOT(a, b), cirq.rz(-2.1)(b), cirq.S(a))
    compiled = compile_for_ionq(circuit, target=target)
    cirq.testing.assert_allclose_up_to_global_phase(
        compiled.unitary(), circuit.unitary(), atol=1e-9
    )


@pytest.mark.parametrize("target", TARGETS)
def test_cirq_ionq_writes_the_result_as_a_native_job(target: str) -> None:
    circuit = random_circuit(7)
    qubits = sorted(circuit.all_qubits())
    renamed = circuit.transform_qubits(dict(zip(qubits, cirq.LineQubit.range(4), strict=True)))
    circuit = cirq.Circuit(renamed, cirq.measure_each(*cirq.LineQubit.range(4)))
    compiled = compile_for_ionq(circuit, target=target)
    program = Serializer().serialize_single_circuit(compiled)
    assert program.input["gateset"] == "native"
    read = UnifiedCircuit.of(from_native(program.input))
    gates = cirq.Circuit(op for op in compiled.all_operations() if not cirq.is_measurement(op))
    expected = gates.unitary(qubits_that_should_be_present=cirq.LineQubit.range(4))
    cirq.testing.assert_allclose_up_to_global_phase(read.unitary(), expected, atol=1e-9)


def test_it_is_a_transformer_among_others() -> None:
    a, b = cirq.NamedQubit.range(2, prefix="ion")
    inner = cirq.FrozenCircuit(cirq.H(a), cirq.CNOT(a, b))
    circuit = cirq.FrozenCircuit(cirq.CircuitOperation(inner), cirq.measure(a, b, key="m"))
    context = cirq.TransformerContext(logger=cirq.TransformerLogger())
    compiled = compile_for_ionq(circuit, context=context, target="aria-1")
    assert_same_results(cirq.Circuit(inner, cirq.measure(a, b, key="m")), compiled)
    tagged = cirq.Circuit(cirq.H(a).with_tags("keep"), cirq.measure(a))
    with pytest.raises(ConversionError, match="tag to ignore"):
        compile_for_ionq(tagged, context=cirq.TransformerContext(tags_to_ignore=("keep",)))
    assert len(list(compile_for_ionq(tagged, context=cirq.TransformerContext()).all_operations()))


def test_qubits_that_are_only_measured_stay() -> None:
    a, b = cirq.LineQubit.range(2)
    circuit = cirq.Circuit(cirq.X(a), cirq.measure(b, a, key="m"))
    assert_same_results(circuit, compile_for_ionq(circuit))
    nothing = cirq.Circuit(cirq.measure(b, key="m"))
    assert_same_results(nothing, compile_for_ionq(nothing))
    assert compile_for_ionq(cirq.Circuit()) == cirq.Circuit()


def test_what_cannot_be_compiled_is_named() -> None:
    a, b = cirq.LineQubit.range(2)
    cases = {
        "symbols: theta": cirq.Circuit(cirq.rx(sympy.Symbol("theta"))(a)),
        "depends on a measurement": cirq.Circuit(
            cirq.measure(a, key="m"), cirq.X(b).with_classical_controls("m")
        ),
        r"q\(0\) is used after it is measured": cirq.Circuit(cirq.measure(a), cirq.X(a)),
        "measure_single_paulistring.*Expected: cirq.measure": cirq.Circuit(
            cirq.measure_single_paulistring(cirq.X(a) * cirq.X(b))
        ),
        "q\\(0\\) ends in the place of another": cirq.Circuit(cirq.SWAP(a, b)),
        "depolarize": cirq.Circuit(cirq.depolarize(0.1)(a)),
        "levels": cirq.Circuit(cirq.IdentityGate(1, (3,))(cirq.LineQid(0, 3))),
    }
    for words, circuit in cases.items():
        with pytest.raises(ConversionError, match=words):
            compile_for_ionq(circuit)
    wide = cirq.Circuit(cirq.H.on_each(*cirq.LineQubit.range(37)))
    with pytest.raises(CircuitError, match="too many qubits"):
        compile_for_ionq(wide)
    with pytest.raises(ConfigurationError, match="forte-1"):
        compile_for_ionq(cirq.Circuit(cirq.H(a)), target="fort-1")
