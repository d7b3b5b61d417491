"""What people do with pennylane-ionq 0.45. Reads IONQ_API_URL and IONQ_API_KEY."""

import os

import pennylane as qml
from pennylane import numpy as np
from pennylane_ionq import GPI, GPI2, MS
from pennylane_ionq.api_client import APIClient
from works import about, main, work

APIClient.BASE_URL = os.environ["IONQ_API_URL"]  # the only way to say it


def device(wires=2, shots=1000, name="ionq.simulator", **options):
    made = qml.device(name, wires=wires, **options)
    return made, shots


def node(function, wires=2, shots=1000, name="ionq.simulator", **options):
    made = qml.device(name, wires=wires, **options)
    return qml.set_shots(qml.QNode(function, made, diff_method="parameter-shift"), shots=shots)


def bell():
    qml.Hadamard(0)
    qml.CNOT([0, 1])


@work
def construct():
    assert qml.device("ionq.simulator", wires=2) is not None
    assert qml.device("ionq.qpu", wires=2, backend="forte-1") is not None


@work
def run_one():
    def circuit():
        bell()
        return qml.counts()

    counts = node(circuit)()
    assert set(counts) == {"00", "11"}, counts
    about(counts["00"] / 1000, 0.5, 1000)


@work
def wires_in_their_order():
    def circuit():
        qml.PauliX(0)
        return [qml.expval(qml.PauliZ(wire)) for wire in range(3)]

    found = node(circuit, wires=3)()
    assert [float(value) for value in found] == [-1.0, 1.0, 1.0]


@work
def observables():
    def circuit(x):
        qml.RX(x, 0)
        qml.CNOT([0, 1])
        return qml.expval(qml.PauliZ(0) @ qml.PauliZ(1)), qml.expval(qml.PauliX(0))

    product, _ = node(circuit)(0.7)
    assert float(product) == 1.0


@work
def gradient_in_one_batch():
    def circuit(x):
        qml.RX(x[0], 0)
        qml.IsingZZ(x[1], [0, 1])
        qml.RY(x[1], 1)
        return qml.expval(qml.PauliZ(0))

    gradient = qml.grad(node(circuit, shots=4000))(np.array([0.6, 0.2], requires_grad=True))
    assert abs(gradient[0] + np.sin(0.6)) < 6 / np.sqrt(4000)
    assert abs(gradient[1]) < 6 / np.sqrt(4000)


@work
def native_gates():
    def circuit():
        GPI2(0.25, wires=0)
        GPI(0.5, wires=1)
        MS(0.0, 0.0, 0.25, wires=[0, 1])
        return qml.counts()

    assert sum(node(circuit, gateset="native")().values()) == 1000


@work
def evolution():
    def circuit():
        qml.Hadamard(0)
        qml.evolve(0.3 * (qml.PauliX(0) @ qml.PauliY(1)) + 0.2 * qml.PauliZ(1), 1)
        return qml.probs(wires=[0, 1])

    exact = qml.QNode(circuit, qml.device("default.qubit", wires=2))()
    for found, p in zip(node(circuit, shots=4000)(), exact, strict=True):
        about(float(found), float(p), 4000)


@work
def noise_model():
    def circuit():
        bell()
        return qml.counts()

    counts = node(circuit, noise_model="aria-1", noise_seed=3)()
    assert 900 < counts["00"] + counts["11"] <= 1000, counts


@work
def machine():
    def circuit():
        bell()
        return qml.counts()

    counts = node(circuit, name="ionq.qpu", backend="forte-1", shots=500)()
    assert counts.get("00", 0) + counts.get("11", 0) > 450, counts


@work
def error_mitigation():
    def circuit():
        bell()
        return qml.counts()

    options = {"error_mitigation": {"debiasing": True}, "sharpen": True}
    counts = node(circuit, name="ionq.qpu", backend="aria-1", shots=500, **options)()
    assert counts.get("00", 0) + counts.get("11", 0) > 400, counts


@work
def failure_of_a_job():
    def circuit():
        qml.PauliX(39)
        return qml.expval(qml.PauliZ(39))

    try:
        node(circuit, wires=40, name="ionq.qpu", backend="forte-1", shots=10)()
    except Exception as error:
        assert not isinstance(error, TimeoutError)
        return
    raise AssertionError("a circuit that is too wide was run")


if __name__ == "__main__":
    main()
