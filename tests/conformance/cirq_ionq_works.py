"""What people do with cirq-ionq, 1.5 to 1.7. Reads IONQ_REMOTE_HOST and IONQ_API_KEY."""

from importlib.metadata import version

import cirq
import cirq_ionq
import sympy
from works import about, main, work

RELEASE = tuple(map(int, version("cirq-ionq").split(".")[:2]))
NEW = RELEASE >= (1, 7)  # speaks v0.4, the others v0.3
A, B = cirq.LineQubit.range(2)
BELL = cirq.Circuit(cirq.H(A), cirq.CNOT(A, B), cirq.measure(A, B, key="m"))


def service():
    return cirq_ionq.Service(default_target="simulator", max_retry_seconds=20)


@work
def construct():
    assert service() is not None


@work
def run_one():
    result = service().run(BELL, repetitions=1000, name="bell", seed=1)
    counts = result.histogram(key="m")
    assert set(counts) == {0, 3}, counts
    about(counts[0] / 1000, 0.5, 1000)


@work
def keys_in_their_order():
    circuit = cirq.Circuit(cirq.X(A), cirq.measure(B, key="second"), cirq.measure(A, key="first"))
    result = service().run(circuit, repetitions=10)
    assert result.measurements["first"].sum() == 10
    assert result.measurements["second"].sum() == 0


@work
def all_gates():
    gates = [cirq.X, cirq.Y, cirq.Z, cirq.H, cirq.S, cirq.T, cirq.X**0.5, cirq.X**-0.5]
    gates += [cirq.S**-1, cirq.T**-1, cirq.rx(0.3), cirq.ry(0.4), cirq.rz(0.5)]
    circuit = cirq.Circuit(gate(A) for gate in gates)
    two = [cirq.CNOT, cirq.SWAP, cirq.XX**0.3, cirq.YY**0.4, cirq.ZZ**0.5]
    circuit.append(gate(A, B) for gate in two)
    expected = abs(circuit.final_state_vector()) ** 2
    job = service().create_job(circuit + cirq.measure(A, B), repetitions=100)
    results = job.results()
    results = results[0] if isinstance(results, list) else results
    found = results.probabilities()
    assert all(abs(found.get(k, 0.0) - expected[k]) < 1e-6 for k in range(4)), found


@work
def native_gates():
    circuit = cirq.Circuit(
        cirq_ionq.GPI2Gate(phi=0.25)(A),
        cirq_ionq.GPIGate(phi=0.1)(B),
        cirq_ionq.MSGate(phi0=0.1, phi1=0.2)(A, B),
        cirq.measure(A, B, key="m"),
    )
    expected = abs(circuit[:-1].final_state_vector()) ** 2
    counts = service().run(circuit, repetitions=2000, seed=1).histogram(key="m")
    for outcome in range(4):
        about(counts[outcome] / 2000, float(expected[outcome]), 2000)


@work
def compile_to_native_gates():
    circuit = cirq.Circuit(cirq.H(A), cirq.CNOT(A, B))
    native = cirq.optimize_for_target_gateset(circuit, gateset=cirq_ionq.ForteNativeGateset())
    result = service().run(
        native + cirq.measure(A, B, key="m"), repetitions=500, target="qpu.forte-1"
    )
    counts = result.histogram(key="m")
    assert counts[0] + counts[3] > 450, counts


@work
def sweep_by_a_sampler():
    angle = sympy.Symbol("a")
    circuit = cirq.Circuit(cirq.rx(angle)(A), cirq.measure(A, key="m"))
    sampler = service().sampler(seed=1)
    results = sampler.run_sweep(circuit, cirq.Points("a", [0.0, 3.141592653589793]), 20)
    assert [int(result.measurements["m"].sum()) for result in results] == [0, 20]


@work
def job_by_its_id():
    one = service()
    job = one.create_job(BELL, repetitions=10, name="later")
    again = service().get_job(job.job_id())
    assert again.job_id() == job.job_id()
    assert again.target() == "simulator"
    assert again.name() == "later"
    assert again.repetitions() == 10
    assert again.status() in ("submitted", "ready", "running", "started", "completed")
    assert again.results() is not None


@work
def cancel_and_delete():
    job = service().create_job(BELL, repetitions=10)
    job.cancel()
    assert job.status() == "canceled"
    job.delete()
    try:
        service().get_job(job.job_id())
    except cirq_ionq.IonQNotFoundException:
        return
    raise AssertionError("a deleted job is still there")


@work
def list_jobs():
    job = service().create_job(BELL, repetitions=10)
    listed = service().list_jobs(limit=50)
    assert job.job_id() in [one.job_id() for one in listed]


@work
def error_mitigation():
    mitigation = {"debiasing": True} if NEW else {"debias": True}
    job = service().create_job(
        BELL, repetitions=500, target="qpu.aria-1", error_mitigation=mitigation
    )
    for sharpen in (None, True):
        results = job.results(sharpen=sharpen)
        results = results[0] if isinstance(results, list) else results
        counts = results.counts("m")
        assert counts.get(0, 0) + counts.get(3, 0) > 400, counts


@work
def failure_of_a_job():
    wide = cirq.Circuit(cirq.X(cirq.LineQubit(40)), cirq.measure(A, key="m"))
    try:
        service().create_job(wide, repetitions=10, target="qpu.forte-1").results()
    except (RuntimeError, cirq_ionq.IonQException) as error:
        assert "Job failed" in str(error) or "qubits" in str(error), str(error)
        return
    raise AssertionError("a circuit that is too wide was run")


if not NEW:

    @work
    def calibrations():
        assert service().get_current_calibration().num_qubits() > 0
        assert service().list_calibrations(limit=5)


if NEW:

    @work
    def batch():
        flipped = cirq.Circuit(cirq.X(B), cirq.measure(A, B, key="m"))
        results = service().run_batch([BELL, flipped], repetitions=100, seed=1)
        assert [set(result.histogram(key="m")) for result in results] == [{0, 3}, {1}]

    @work
    def batch_of_one():
        (result,) = service().run_batch([BELL], repetitions=10)
        assert set(result.histogram(key="m")) <= {0, 3}

    @work
    def noise_model():
        result = service().run(BELL, repetitions=1000, noise={"model": "aria-1", "seed": 1})
        counts = result.histogram(key="m")
        assert 900 < counts[0] + counts[3] <= 1000, counts

    @work
    def pauli_exponential():
        gate = cirq.PauliStringPhasorGate(cirq.DensePauliString("XY"), exponent_neg=0.3)
        circuit = cirq.Circuit(cirq.H(A), gate(A, B))
        expected = abs(circuit.final_state_vector()) ** 2
        found = service().create_job(circuit + cirq.measure(A, B)).results().probabilities()
        assert all(abs(found.get(k, 0.0) - expected[k]) < 1e-6 for k in range(4)), found

    @work
    def dry_run():
        job = service().create_job(BELL, 100, target="qpu.forte-1", dry_run=True)
        assert job.job_id()


if __name__ == "__main__":
    main()
