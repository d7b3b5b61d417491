"""cirq-ionq as it is installed does its ordinary work against the local IonQ."""

import cirq
import numpy as np
import pytest
import sympy

cirq_ionq = pytest.importorskip("cirq_ionq")
V04 = "v0.4" in cirq_ionq.ionq_client._IonQClient.SUPPORTED_VERSIONS
A, B = cirq.LineQubit.range(2)
THETA = sympy.Symbol("theta")
BELL = cirq.Circuit(cirq.H(A), cirq.CNOT(A, B), cirq.measure(A, B, key="m"))
TURN = cirq.Circuit(cirq.ry(THETA)(A), cirq.measure(A, key="a"), cirq.measure(B, key="b"))


@pytest.fixture
def service(start):
    def made(**settings):
        emulator, _ = start(**settings)
        return emulator, cirq_ionq.Service(
            remote_host=emulator.host,
            api_key="a-key-for-cirq",
            default_target="simulator",
            max_retry_seconds=2,
        )

    return made


def test_run_on_the_simulator_and_on_a_machine(service):
    _, cirq_service = service()
    histogram = cirq_service.run(BELL, 1000, seed=1).histogram(key="m")
    assert set(histogram) == {0, 3} and 380 < histogram[0] < 620
    histogram = cirq_service.run(BELL, 1000, target="qpu.forte-1").histogram(key="m")
    assert sum(histogram.values()) == 1000 and histogram[0] + histogram[3] > 900


def test_qubits_and_keys_keep_their_places(service):
    _, cirq_service = service()
    circuit = cirq.Circuit(cirq.X(B), cirq.Z(A), cirq.measure(B, A, key="x"))
    assert cirq_service.run(circuit, 10).histogram(key="x") == {2: 10}


def test_native_gates_run(service):
    _, cirq_service = service()
    circuit = cirq.Circuit(
        cirq_ionq.GPIGate(phi=0).on(A),
        cirq_ionq.GPI2Gate(phi=0.25).on(B),
        cirq_ionq.MSGate(phi0=0, phi1=0).on(A, B),
        cirq.measure(A, B, key="m"),
    )
    job = cirq_service.create_job(circuit, repetitions=100)
    wanted = cirq.Simulator().simulate(circuit[:-1]).final_state_vector
    found = job.results(polling_seconds=0.01).probabilities()
    for state, amplitude in enumerate(wanted):
        assert found.get(state, 0.0) == pytest.approx(abs(amplitude) ** 2, abs=1e-6)
    zz = cirq.Circuit(cirq_ionq.ZZGate(theta=0.25).on(A, B), cirq.measure(A, B, key="m"))
    assert cirq_service.run(zz, 10, target="qpu.forte-1").histogram(key="m")[0] > 7


@pytest.mark.skipif(not V04, reason="batches came with v0.4")
def test_a_batch_is_one_job_in_order(service):
    emulator, cirq_service = service()
    circuits = [cirq.resolve_parameters(TURN, {"theta": angle}) for angle in (0, np.pi, 0)]
    results = cirq_service.run_batch(circuits, repetitions=20)
    assert [result.measurements["a"].mean() for result in results] == [0, 1, 0]
    assert len(emulator.requests("submit")) == 1


def test_a_sweep_is_a_job_each(service):
    emulator, cirq_service = service()
    sampler = cirq_service.sampler(target="simulator", seed=2)
    sweep = cirq.Linspace("theta", 0, np.pi, 3)
    results = sampler.run_sweep(TURN, sweep, repetitions=400)
    means = [result.measurements["a"].mean() for result in results]
    assert means[0] == 0 and 0.4 < means[1] < 0.6 and means[2] == 1
    assert len(emulator.requests("submit")) == 3


def test_jobs_by_id_lists_cancel_and_delete(service):
    _, cirq_service = service(delay_s=60)
    jobs = [cirq_service.create_job(BELL, repetitions=10, name=f"n{k}") for k in range(3)]
    assert [job.status() for job in jobs] == ["submitted"] * 3
    same = cirq_service.get_job(jobs[0].job_id())
    assert same.name() == "n0" and same.repetitions() == 10 and same.num_qubits() == 2
    assert same.measurement_dict() == {"m": [0, 1]}
    listed = [job.job_id() for job in cirq_service.list_jobs()]
    assert listed == [job.job_id() for job in jobs[::-1]]
    jobs[0].cancel()
    assert jobs[0].status() == "canceled"
    assert len(cirq_service.list_jobs(status="canceled")) == 1
    jobs[1].delete()
    with pytest.raises(cirq_ionq.IonQNotFoundException):
        cirq_service.get_job(jobs[1].job_id())


def test_lists_longer_than_a_page(service):
    _, cirq_service = service()
    for _ in range(30):
        cirq_service.create_job(BELL, repetitions=1)
    assert len({job.job_id() for job in cirq_service.list_jobs(limit=100)}) == 30
    assert len(cirq_service.list_jobs(limit=7)) == 7


@pytest.mark.skipif(not V04, reason="noise came with v0.4")
def test_noise_shots_and_seed(service):
    _, cirq_service = service()
    noise = {"model": "aria-1", "seed": 4}
    runs = [
        cirq_service.create_job(BELL, repetitions=500, noise=noise).results(polling_seconds=0.01)
        for _ in range(2)
    ]
    assert runs[0].probabilities() == runs[1].probabilities()
    assert len(runs[0].probabilities()) > 2


def test_errors_are_those_that_cirq_knows(service):
    emulator, cirq_service = service()
    with pytest.raises(cirq_ionq.IonQException, match="shots"):
        cirq_service.create_job(BELL, repetitions=0)
    job = cirq_service.create_job(
        cirq.Circuit(cirq.X(cirq.LineQubit(39)), cirq.measure(cirq.LineQubit(39), key="m")),
        repetitions=10,
        target="qpu.forte-1",
    )
    with pytest.raises(RuntimeError, match="qpu.forte-1 has 36"):
        job.results(polling_seconds=0.01)
    emulator.set_faults({"name": "server_error", "where": "submit", "status": 502})
    assert cirq_service.run(BELL, 10).histogram(key="m")
