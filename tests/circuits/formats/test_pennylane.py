"""Circuits mean the same in PennyLane, operation by operation and over random tapes."""

import math

import numpy as np
import pytest

from qstore_tf.circuits.formats.pennylane.tape import wires_of
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConversionError
from qstore_tf.limits import OPERATIONS
from qstore_tf.testing.daily import daily_seed
from qstore_tf.testing.extras import needs_extra
from qstore_tf.testing.random_circuits import random_unitary

from_pennylane = UnifiedCircuit.from_pennylane

qml = needs_extra("pennylane")

Tape = qml.tape.QuantumScript
HAMILTONIAN = qml.dot([0.3, 0.5], [qml.X(0) @ qml.Z(1), qml.Z(2)])

# Operations with parameters: each is checked with numbers and with symbols.
PARAMETRIC = {
    "RX": lambda: qml.RX(0.3, 0),
    "RY": lambda: qml.RY(0.3, 0),
    "RZ": lambda: qml.RZ(0.3, 0),
    "PhaseShift": lambda: qml.PhaseShift(0.3, 0),
    "U1": lambda: qml.U1(0.3, 0),
    "U2": lambda: qml.U2(0.3, 0.4, 0),
    "U3": lambda: qml.U3(0.3, 0.4, -0.5, 0),
    "Rot": lambda: qml.Rot(0.3, 0.4, -0.5, 0),
    "CRX": lambda: qml.CRX(0.3, [1, 0]),
    "CRY": lambda: qml.CRY(0.3, [1, 0]),
    "CRZ": lambda: qml.CRZ(0.3, [1, 0]),
    "CRot": lambda: qml.CRot(0.3, 0.4, -0.5, [1, 0]),
    "ControlledPhaseShift": lambda: qml.ControlledPhaseShift(0.3, [1, 0]),
    "CPhaseShift00": lambda: qml.CPhaseShift00(0.3, [1, 0]),
    "CPhaseShift01": lambda: qml.CPhaseShift01(0.3, [1, 0]),
    "CPhaseShift10": lambda: qml.CPhaseShift10(0.3, [1, 0]),
    "IsingXX": lambda: qml.IsingXX(0.3, [2, 0]),
    "IsingYY": lambda: qml.IsingYY(0.3, [2, 0]),
    "IsingZZ": lambda: qml.IsingZZ(0.3, [2, 0]),
    "IsingXY": lambda: qml.IsingXY(0.3, [2, 0]),
    "MultiRZ 1": lambda: qml.MultiRZ(0.3, [1]),
    "MultiRZ 2": lambda: qml.MultiRZ(0.3, [1, 0]),
    "MultiRZ 4": lambda: qml.MultiRZ(0.3, [1, 0, 3, 2]),
    "PauliRot": lambda: qml.PauliRot(0.3, "XYIZ", [1, 0, 3, 2]),
    "PauliRot one": lambda: qml.PauliRot(0.3, "Y", [1]),
    "PauliRot identity": lambda: qml.PauliRot(0.3, "II", [1, 0]),
    "PSWAP": lambda: qml.PSWAP(0.3, [1, 0]),
    "SingleExcitation": lambda: qml.SingleExcitation(0.3, [1, 0]),
    "SingleExcitationPlus": lambda: qml.SingleExcitationPlus(0.3, [1, 0]),
    "SingleExcitationMinus": lambda: qml.SingleExcitationMinus(0.3, [1, 0]),
    "DoubleExcitation": lambda: qml.DoubleExcitation(0.3, [1, 0, 2, 3]),
    "OrbitalRotation": lambda: qml.OrbitalRotation(0.3, [1, 0, 2, 3]),
    "FermionicSWAP": lambda: qml.FermionicSWAP(0.3, [1, 0]),
    "GlobalPhase": lambda: qml.GlobalPhase(0.3),
    "GlobalPhase on wires": lambda: qml.GlobalPhase(0.3, wires=[0, 1]),
    "ctrl": lambda: qml.ctrl(qml.RX(0.3, 0), control=[1, 2]),
    "ctrl open": lambda: qml.ctrl(qml.RX(0.3, 0), control=[1, 2], control_values=[0, 1]),
    "ctrl of Rot": lambda: qml.ctrl(qml.Rot(0.3, 0.4, 0.5, 0), control=[1], control_values=[0]),
    "ctrl of phase": lambda: qml.ctrl(qml.GlobalPhase(0.3), control=[1, 0]),
    "ctrl of PauliRot": lambda: qml.ctrl(qml.PauliRot(0.3, "XY", [1, 2]), control=[0]),
    "adjoint": lambda: qml.adjoint(qml.Rot(0.3, 0.4, -0.5, 0)),
    "adjoint of ctrl": lambda: qml.adjoint(qml.ctrl(qml.U3(0.3, 0.4, 0.5, 0), control=[1])),
    "pow": lambda: qml.pow(qml.RX(0.3, 0), 3),
    "pow negative": lambda: qml.pow(qml.Rot(0.3, 0.4, 0.5, 0), -2),
    "prod": lambda: qml.prod(qml.RX(0.3, 0), qml.RY(0.4, 1), qml.RZ(0.5, 0)),
    "StronglyEntanglingLayers": lambda: qml.StronglyEntanglingLayers(
        np.arange(18).reshape(2, 3, 3) / 10, wires=[0, 1, 2]
    ),
    "BasicEntanglerLayers": lambda: qml.BasicEntanglerLayers(
        np.arange(6).reshape(2, 3) / 10, wires=[0, 1, 2]
    ),
    "AngleEmbedding": lambda: qml.AngleEmbedding([0.3, 0.4, 0.5], wires=[0, 1, 2], rotation="Y"),
    "evolve": lambda: qml.evolve(qml.X(0) @ qml.Z(1), 0.4),
    "SimplifiedTwoDesign": lambda: qml.SimplifiedTwoDesign(
        [0.1, 0.2, 0.3], np.full((1, 2, 2), 0.4), wires=[0, 1, 2]
    ),
}

# Operations whose parameters PennyLane computes with, or which have none: numbers only.
CONSTANT = {
    **{
        name: lambda name=name: getattr(qml, name)(0)
        for name in ("Identity", "PauliX", "PauliY", "PauliZ", "Hadamard", "S", "T", "SX")
    },
    **{
        name: lambda name=name: getattr(qml, name)(wires=[2, 0])
        for name in ("CNOT", "CY", "CZ", "CH", "SWAP", "ISWAP", "SISWAP", "ECR", "Identity")
    },
    **{
        name: lambda name=name: getattr(qml, name)(wires=[2, 0, 1])
        for name in ("Toffoli", "CCZ", "CSWAP", "QFT")
    },
    "MultiControlledX": lambda: qml.MultiControlledX([3, 1, 0, 2], control_values=[1, 0, 1]),
    "adjoint S": lambda: qml.adjoint(qml.S(0)),
    "adjoint SX": lambda: qml.adjoint(qml.SX(0)),
    "adjoint QFT": lambda: qml.adjoint(qml.QFT([0, 1, 2])),
    "root of X": lambda: qml.pow(qml.X(0), 0.3),
    "root of SWAP": lambda: qml.pow(qml.SWAP([0, 1]), 0.5),
    "QubitUnitary 1": lambda: qml.QubitUnitary(random_unitary(0, 1), 1),
    "QubitUnitary 3": lambda: qml.QubitUnitary(random_unitary(0, 3), [2, 0, 1]),
    "ControlledQubitUnitary": lambda: qml.ControlledQubitUnitary(
        random_unitary(0, 2), wires=[2, 0, 1], control_values=[0]
    ),
    "DiagonalQubitUnitary": lambda: qml.DiagonalQubitUnitary(np.exp(1j * np.arange(4)), [1, 0]),
    "DoubleExcitationPlus": lambda: qml.DoubleExcitationPlus(0.3, [1, 0, 2, 3]),
    "DoubleExcitationMinus": lambda: qml.DoubleExcitationMinus(0.3, [1, 0, 2, 3]),
    "PCPhase": lambda: qml.PCPhase(0.3, 2, wires=[1, 0]),
    "SpecialUnitary": lambda: qml.SpecialUnitary([0.1, 0.2, 0.3], 0),
    "BlockEncode": lambda: qml.BlockEncode([[0.1, 0.2], [0.3, 0.4]], wires=[0, 1]),
    "exp": lambda: qml.exp(qml.X(0) @ qml.Z(1), 0.4j),
    "ApproxTimeEvolution": lambda: qml.ApproxTimeEvolution(HAMILTONIAN, 0.4, 2),
    "TrotterProduct": lambda: qml.TrotterProduct(HAMILTONIAN, 0.4, 2),
    "BasisState": lambda: qml.BasisState([1, 0, 1], wires=[0, 1, 2]),
    "BasisEmbedding": lambda: qml.BasisEmbedding([1, 0, 1], wires=[0, 1, 2]),
    "IQPEmbedding": lambda: qml.IQPEmbedding([0.3, 0.4, 0.5], wires=[0, 1, 2]),
    "MottonenStatePreparation": lambda: qml.MottonenStatePreparation(
        np.array([0.5, 0.5, 0.5, -0.5]), wires=[0, 1]
    ),
    "GroverOperator": lambda: qml.GroverOperator(wires=[0, 1, 2]),
    "IntegerComparator": lambda: qml.IntegerComparator(2, wires=[0, 1, 2]),
    "PauliX product": lambda: qml.X(0) @ qml.Y(1),
    "Permute": lambda: qml.Permute([2, 0, 1], wires=[0, 1, 2]),
}


def in_front(operation):
    return [*(qml.RY(0.3 + 0.2 * wire, wire) for wire in range(4)), operation]


def check(tape, circuit, values=None):
    expected = qml.matrix(tape, wire_order=range(4))
    np.testing.assert_allclose(circuit.unitary(values), expected, atol=1e-9)


EVERY = {**PARAMETRIC, **CONSTANT}


@pytest.mark.parametrize("make", EVERY.values(), ids=EVERY)
def test_every_operation_converts(make):
    tape = Tape(in_front(make()))
    state = qml.matrix(_with_basis_state_expanded(tape), wire_order=range(4))
    np.testing.assert_allclose(from_pennylane(tape).unitary(), state, atol=1e-8)


def _with_basis_state_expanded(tape):
    operations = []
    for operation in tape.operations:
        is_preparation = isinstance(operation, qml.operation.StatePrepBase)
        operations += operation.decomposition() if is_preparation else [operation]
    return Tape(operations)


@pytest.mark.parametrize("make", PARAMETRIC.values(), ids=PARAMETRIC)
def test_every_operation_keeps_its_symbols(make):
    tape = Tape(in_front(make()))
    circuit = from_pennylane(tape, trainable="theta")
    values = {}
    for k, number in enumerate(tape.trainable_params):
        value = np.asarray(tape.get_parameters(trainable_only=False)[number])
        for entry in np.ndindex(value.shape):
            values["_".join([f"theta_{k}", *map(str, entry)])] = float(value[entry])
    # Some symbols have no effect, such as those of an identity.
    check(tape, circuit, {name: values[name] for name in circuit.parameters})
    assert set(circuit.parameters) <= set(values)
    assert len(circuit.parameters) > 4


def test_random_tapes_keep_their_unitary():
    rng = np.random.default_rng(0)
    makers = [*PARAMETRIC.values(), *CONSTANT.values()]
    for _ in range(10):
        operations = [qml.Identity(wire) for wire in range(4)]
        operations += [makers[k]() for k in rng.integers(len(makers), size=8)]
        tape = _with_basis_state_expanded(Tape(operations))
        check(tape, from_pennylane(tape))


def test_symbols_come_in_the_order_of_the_trainable_parameters():
    tape = Tape([qml.RX(0.1 * k, k % 2) for k in range(14)])
    assert from_pennylane(tape, trainable="w").parameters == tuple(f"w_{k}" for k in range(14))
    tape.trainable_params = [1, 11, 12]
    circuit = from_pennylane(tape, trainable="w")
    assert circuit.parameters == ("w_0", "w_1", "w_2")
    assert circuit.operations[11].params == (Affine.symbol("w_1"),)
    assert circuit.operations[2].params == (Affine(0.2),)
    assert from_pennylane(tape).parameters == ()


def test_the_time_of_an_evolution_can_be_a_symbol():
    tape = Tape([qml.ApproxTimeEvolution(HAMILTONIAN, 0.4, 2)])
    tape.trainable_params = [2]
    circuit = from_pennylane(tape, trainable="t")
    assert circuit.parameters == ("t_0",)
    expected = qml.matrix(tape, wire_order=range(3))
    np.testing.assert_allclose(circuit.unitary({"t_0": 0.4}), expected, atol=1e-9)


LABELS = {
    "numbers from 0": lambda rng, n: list(range(n)),
    "numbers with gaps": lambda rng, n: [int(k) for k in rng.choice(9, n, replace=False)],
    "words": lambda rng, n: list("abcd")[:n],
    "mixed": lambda rng, n: [2, "a", 0, "b"][:n],
}


def random_tape(rng, wires):
    """Gates on all of the wires, first used in a random order, and one wire only measured."""
    used, only_measured = list(wires[:-1]), wires[-1]
    operations = [qml.RY(float(rng.normal()), wire) for wire in used]
    rng.shuffle(operations)
    for _ in range(6):
        a, b = (used[k] for k in rng.choice(len(used), 2, replace=False))
        operations += [qml.CNOT([a, b]), qml.RX(float(rng.normal()), b)]
    return Tape(operations, [qml.state(), qml.expval(qml.Z(only_measured))])


@pytest.mark.parametrize("labels", LABELS)
def test_wires_become_qubits_in_the_order_of_the_state(labels):
    rng = np.random.default_rng(daily_seed())
    for n_wires in (3, 4, 4):
        wires = LABELS[labels](rng, n_wires)
        tape = random_tape(rng, wires)
        circuit = from_pennylane(tape)
        state, _ = qml.device("default.qubit").execute(tape)
        np.testing.assert_allclose(circuit.unitary()[:, 0], state, atol=1e-9)
        assert wires_of(tape) == pennylane_order(tape)
        expected = qml.matrix(tape, wire_order=wires_of(tape))
        np.testing.assert_allclose(circuit.unitary(), expected, atol=1e-9)
        if labels == "numbers from 0":
            assert wires_of(tape) == wires


def pennylane_order(tape):
    """The wires in the order of the numbers that PennyLane gives them before it simulates."""
    numbered = tape.map_to_standard_wires()
    numbers = {}
    for old, new in zip(
        [*tape.operations, *tape.measurements],
        [*numbered.operations, *numbered.measurements],
        strict=True,
    ):
        numbers.update(zip(new.wires, old.wires, strict=True))
    return [numbers[q] for q in sorted(numbers)]


@pytest.mark.parametrize("labels", LABELS)
def test_a_qnode_has_all_wires_of_its_device_in_their_order(labels):
    rng = np.random.default_rng(daily_seed())
    wires = LABELS[labels](rng, 4)
    tape = random_tape(rng, wires)
    on_device = [wires[k] for k in rng.permutation(4)] + ["idle"]

    @qml.qnode(qml.device("default.qubit", wires=on_device))
    def node():
        for operation in tape.operations:
            qml.apply(operation)
        return qml.state()

    circuit = from_pennylane(node)
    assert wires_of(node) == on_device
    np.testing.assert_allclose(circuit.unitary(), qml.matrix(node)(), atol=1e-9)
    np.testing.assert_allclose(circuit.unitary()[:, 0], node(), atol=1e-9)


def test_wires_are_numbered_as_told():
    tape = Tape([qml.CNOT(["b", "a"]), qml.RX(0.3, "c")])
    told = from_pennylane(tape, wire_order=["a", "b", "spare", "c"])
    assert told.n_qubits == 4
    assert [op.qubits for op in told.operations] == [(1, 0), (3,)]


@pytest.mark.parametrize("order", [["a"], ["a", "a", "b"], []])
def test_an_order_that_does_not_fit_the_wires_is_an_error(order):
    with pytest.raises(ConversionError, match=r"wires \['b', 'a'\]"):
        from_pennylane(Tape([qml.CNOT(["b", "a"])]), wire_order=order)


def test_a_qnode_and_a_function_are_called_for_their_tape():
    def function(x, wires):
        qml.RX(x, wires[0])
        qml.CNOT(wires)
        return qml.expval(qml.Z(wires[1]))

    node = qml.QNode(function, qml.device("default.qubit", wires=2))
    for source in (function, node):
        circuit = from_pennylane(source, trainable="x", args=(0.3, [1, 0]))
        assert circuit.parameters == ("x_0",)
        assert [op.qubits for op in circuit.operations] == [(1,), (1, 0)]


def test_samples_become_markers_and_expectations_do_not():
    measured = [qml.expval(qml.X(1)), qml.probs(wires=[1]), qml.sample(wires=[1, 0])]
    circuit = from_pennylane(Tape([qml.H(0), qml.Barrier(wires=[0, 1]), qml.H(1)], measured))
    assert circuit.measured_qubits == (1, 0)
    assert circuit.count_gates() == {"H": 2, "Measure": 2}
    assert from_pennylane(Tape([qml.H(0), qml.H(1)], [qml.counts()])).measured_qubits == (0, 1)
    assert from_pennylane(Tape([qml.H(0)], [qml.sample(qml.X(0))])).measured_qubits == ()


class Mystery(qml.operation.Operation):
    num_wires = 3


class Broken(qml.operation.Operation):
    num_wires = 1

    @staticmethod
    def compute_matrix():
        raise ZeroDivisionError("the matrix divides by zero")


class Unsaying(Mystery):
    @property
    def has_decomposition(self):
        raise LookupError("no rules for decompositions")


def _midway():
    with qml.queuing.AnnotatedQueue() as queue:
        qml.H(0)
        qml.measure(0)
    return Tape.from_queue(queue)


def _conditional():
    with qml.queuing.AnnotatedQueue() as queue:
        qml.cond(qml.measure(0), qml.X)(1)
    tape = Tape.from_queue(queue)
    return Tape([op for op in tape.operations if "Conditional" in type(op).__name__])


BAD = {
    "StatePrep": (lambda: Tape([qml.StatePrep([0.6, 0.8], 0)]), "StatePrep.*encoding='amplitude'"),
    "AmplitudeEmbedding": (
        lambda: Tape([qml.H(0), qml.AmplitudeEmbedding([0.6, 0.8], [1])]),
        r"Operation 1 .*AmplitudeEmbedding on wires \[1\].*encoding='amplitude'",
    ),
    "channel": (lambda: Tape([qml.DepolarizingChannel(0.1, 0)]), "DepolarizingChannel.*unitary"),
    "midway": (_midway, "Operation 1 .*at the end"),
    "conditional": (_conditional, "depends on a measurement"),
    "batch": (lambda: Tape([qml.RX(np.array([0.1, 0.2]), 0)]), "batch of 2"),
    "mystery": (lambda: Tape([Mystery(wires=[0, 1, 2])]), "Operation 0 .*Mystery"),
    "broken matrix": (lambda: Tape([Broken(wires=[0])]), "Operation 0 .*divides by zero"),
    "broken rules": (lambda: Tape([Unsaying(wires=[0, 1, 2])]), "Operation 0 .*no rules for"),
    "not unitary": (lambda: Tape([qml.Projector([0], 0)]), "Operation 0 .*Projector"),
    "huge power": (lambda: Tape([qml.pow(qml.RX(0.1, 0), 5000)]), "too large"),
    "text": (lambda: "x", "QuantumScript"),
    "not finite": (lambda: Tape([qml.RX(math.inf, 0)]), "Operation 0 .*finite"),
}


@pytest.mark.parametrize("make, message", BAD.values(), ids=BAD)
def test_what_cannot_be_converted_is_named(make, message):
    with pytest.raises(ConversionError, match=message):
        from_pennylane(make())


@pytest.mark.parametrize(
    "operation",
    [
        qml.IQPEmbedding([0.3, 0.4], wires=[0, 1]),
        qml.QubitUnitary(np.eye(2), 0),
        qml.DiagonalQubitUnitary([1, 1j], 0),
    ],
    ids=lambda operation: operation.name,
)
def test_symbols_that_a_decomposition_does_not_keep_are_an_error(operation):
    with pytest.raises(ConversionError, match=f"Operation 0 .*{type(operation).__name__}"):
        from_pennylane(Tape([operation]), trainable="theta")


def test_operations_nested_until_they_are_endless_are_refused(monkeypatch):
    monkeypatch.setenv(OPERATIONS.variable, "50")
    operation = qml.Rot(0.1, 0.2, 0.3, 0)
    for _ in range(5):
        operation = qml.pow(operation, 2)
    with pytest.raises(ConversionError, match="too many operations"):
        from_pennylane(Tape([operation, *(qml.H(0) for _ in range(60))]))


def test_a_bad_prefix_is_an_error():
    with pytest.raises(ValueError, match="name"):
        from_pennylane(Tape([qml.RX(0.1, 0)]), trainable="")
