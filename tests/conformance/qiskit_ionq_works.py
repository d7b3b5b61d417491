"""What people do with qiskit-ionq 1.1. Reads IONQ_API_URL and IONQ_API_KEY."""

import os

from qiskit import QuantumCircuit, transpile
from qiskit.quantum_info import Statevector
from qiskit_ionq import GPI2Gate, GPIGate, IonQProvider, MSGate, Session
from works import about, main, work

BELL = QuantumCircuit(2, 2, name="bell")
BELL.h(0)
BELL.cx(0, 1)
BELL.measure([0, 1], [0, 1])


def backend(name="ionq_simulator", **options):
    provider = IonQProvider(os.environ["IONQ_API_KEY"], os.environ["IONQ_API_URL"])
    return provider.get_backend(name, **options)


def done(job):
    job.wait_for_final_state(timeout=30, wait=0.1)
    return job


@work
def construct():
    assert backend().num_qubits == 29
    assert backend("ionq_qpu.forte-1").num_qubits == 36


@work
def run_one():
    job = done(backend().run(BELL, shots=1000))
    counts = job.get_counts()
    assert set(counts) == {"00", "11"}, counts
    about(counts["00"] / 1000, 0.5, 1000)
    about(job.get_probabilities()["00"], 0.5, 1000)


@work
def bits_in_their_order():
    circuit = QuantumCircuit(3, 2)
    circuit.x(2)
    circuit.measure([2, 0], [0, 1])
    assert done(backend().run(circuit, shots=10)).get_counts() == {"01": 10}


@work
def controlled_gates_and_rotations():
    circuit = QuantumCircuit(3)
    circuit.h([0, 1])
    circuit.ccx(0, 1, 2)
    circuit.cry(0.3, 0, 2)
    circuit.crz(0.4, 1, 2)
    circuit.rxx(0.5, 0, 1)
    circuit.rzz(0.6, 1, 2)
    circuit.cswap(0, 1, 2)
    circuit.t(0)
    circuit.sxdg(1)
    expected = Statevector(circuit).probabilities_dict()
    measured = circuit.copy()
    measured.measure_all()
    target = backend()
    found = done(target.run(transpile(measured, target), shots=4000)).get_probabilities()
    for key, p in expected.items():
        about(found.get(key, 0.0), p, 4000)


@work
def batch():
    flipped = QuantumCircuit(1, 1, name="flipped")
    flipped.x(0)
    flipped.measure(0, 0)
    result = done(backend().run([BELL, flipped], shots=100)).result()
    assert set(result.get_counts(0)) == {"00", "11"}
    assert result.get_counts(1) == {"1": 100}


@work
def native_gates():
    circuit = QuantumCircuit(2, 2)
    circuit.append(GPI2Gate(0.25), [0])
    circuit.append(GPIGate(0.5), [1])
    circuit.append(MSGate(0, 0, 0.25), [0, 1])
    circuit.measure([0, 1], [0, 1])
    counts = done(backend(gateset="native").run(circuit, shots=1000)).get_counts()
    assert sum(counts.values()) == 1000


@work
def transpile_to_native_gates():
    target = backend("ionq_qpu.forte-1", gateset="native")
    job = done(target.run(transpile(BELL, target), shots=500))
    counts = job.get_counts()
    assert counts.get("00", 0) + counts.get("11", 0) > 450, counts


@work
def noise_model():
    target = backend()
    target.set_options(noise_model="aria-1", sampler_seed=3)
    counts = done(target.run(BELL, shots=1000)).get_counts()
    assert 900 < counts["00"] + counts["11"] <= 1000, counts


@work
def shots_one_by_one():
    job = done(backend("ionq_qpu.forte-1").run(BELL, shots=600, memory=True))
    memory = job.get_memory()
    assert len(memory) == 600
    assert set(memory) <= {"00", "01", "10", "11"}


@work
def job_by_its_id():
    job = done(backend().run(BELL, shots=10))
    again = backend().retrieve_job(job.job_id())
    assert again.status().name == "DONE"
    assert sum(again.get_counts().values()) == 10


@work
def cancel_and_delete():
    target = backend()
    job = target.run(BELL, shots=10)
    job.cancel()
    assert job.status().name == "CANCELLED"
    target.client.delete_job(job.job_id())


@work
def estimate():
    found = backend("ionq_qpu.forte-1").client.estimate_job(
        backend="qpu.forte-1", oneq_gates=10, twoq_gates=3, qubits=2, shots=1000
    )
    assert found is not None


@work
def characterization():
    target = backend("ionq_qpu.forte-1")
    calibration = target.calibration()
    assert calibration.qubits == 36
    assert calibration.median_spam_fidelity is None or 0 < calibration.median_spam_fidelity <= 1
    assert target.status()


@work
def session():
    target = backend("ionq_qpu.forte-1")
    with Session(target, max_jobs=3, max_cost=1000) as opened:
        job = done(target.run(BELL, shots=100))
        assert opened.details()["id"] == opened.session_id
        assert sum(job.get_counts().values()) == 100


@work
def failure_of_a_job():
    wide = QuantumCircuit(40, 1)
    wide.x(39)
    wide.measure(0, 0)
    target = backend("ionq_qpu.forte-1")
    try:
        done(target.run(wide, shots=10)).result()
    except Exception as error:
        assert "Ion" in type(error).__name__ or "Job" in type(error).__name__, repr(error)
        return
    raise AssertionError("a circuit that is too wide was run")


if __name__ == "__main__":
    main()
