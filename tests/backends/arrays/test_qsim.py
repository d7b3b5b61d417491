"""What is qsim's alone: its options, its limits, its widths."""

import cirq
import numpy as np
import pytest
import qsimcirq
import tensorflow as tf

from qstore_tf import backends
from qstore_tf.backends import Qsim
from qstore_tf.backends.arrays import qsim as qsim_module
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables, reference
from qstore_tf.errors import ConfigurationError
from qstore_tf.execution import build_expectation
from qstore_tf.testing.random_circuits import random_program, random_unitary, random_values


def test_options_reach_qsim_by_long_and_short_names(monkeypatch):
    seen = []
    backend = Qsim(max_fused_gate_size=3, qsim_options={"t": 2, "verbosity": 0})
    run = backend.arrays._qsim.qsim_simulate_fullstate

    class Spy:
        def __getattr__(self, name):
            return getattr(qsimcirq.qsim, name)

        def qsim_simulate_fullstate(self, options, start):
            seen.append(dict(options))
            return run(options, start)

    monkeypatch.setattr(backend.arrays, "_qsim", Spy())
    program = compile_circuit(UnifiedCircuit(2).add_gate("H", 0))
    backend.state_vector(program, tf.zeros([1, 0]), tf.zeros([0]))
    assert (seen[0]["f"], seen[0]["t"], seen[0]["v"]) == (3, 2, 0)


def test_only_large_states_are_shared_by_threads():
    threads = [qsim_module.Qsim(num_threads=3)._options(n)["t"] for n in (2, 15, 16, 20)]
    assert threads == [1, 1, 3, 3]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"num_threads": -1}, "`num_threads` must be an integer >= 0"),
        ({"max_fused_gate_size": 0}, "an integer from 1 to 6"),
        ({"max_fused_gate_size": True}, "an integer from 1 to 6"),
        ({"qsim_options": {"cpu_thread": 2}}, "Did you mean 'cpu_threads'"),
        ({"qsim_options": {"t": 0}}, "'cpu_threads' must be an integer >= 1"),
        ({"qsim_options": {"f": 9}}, "an integer from 1 to 6"),
        ({"qsim_options": [1]}, "a dict or qsimcirq.QSimOptions"),
        ({"qsim_options": {"use_gpu": True}}, "There is no option 'use_gpu'"),
        ({"threads": 2}, "does not take these options"),
    ],
)
def test_wrong_options_are_refused(options, words):
    with pytest.raises(ConfigurationError, match=words):
        backends.get("qsim", **options)


def test_configurations_make_the_same_backend_again():
    backend = Qsim(2, 4, qsimcirq.QSimOptions(cpu_threads=2))
    assert backend.get_config() == {
        "num_threads": 2,
        "max_fused_gate_size": 4,
        "qsim_options": {"cpu_threads": 2},
    }
    assert backends.get("qsim", **backend.get_config()) == backend != Qsim()


def test_fusion_and_threads_change_no_result():
    program = random_program(3, 5, 40, n_inputs=2, n_theta=2)
    inputs, theta, _ = random_values(3, program, 2)
    expected = reference.state_vector(program, inputs, theta)
    given = inputs.astype(np.float32), theta.astype(np.float32)
    for size in range(1, 7):
        backend = Qsim(max_fused_gate_size=size, qsim_options={"cpu_threads": 1 + size % 2})
        np.testing.assert_allclose(backend.state_vector(program, *given), expected, atol=1e-6)


@pytest.mark.parametrize(("targets", "controls"), [(4, 3), (5, 1), (5, 0), (1, 5)])
def test_wide_gates_run(targets, controls):
    n = targets + controls
    circuit = UnifiedCircuit(n)
    for qubit in range(n):
        circuit.add_gate("RY", qubit, 1.0 + 0.1 * qubit)
    matrix = random_unitary(0, targets)
    circuit.add_unitary(matrix, list(range(targets)), controls=list(range(targets, n)))
    state = Qsim().state_vector(compile_circuit(circuit), tf.zeros([1, 0]), tf.zeros([0]))
    expected = circuit.to_cirq().final_state_vector(qubit_order=cirq.LineQubit.range(n))
    np.testing.assert_allclose(state[0], expected, atol=1e-6)


def test_a_gate_too_wide_is_named_at_construction():
    circuit = UnifiedCircuit(7).add_gate("H", 0)
    circuit.add_unitary(random_unitary(0, 5), [0, 1, 2, 3, 4], controls=[5, 6])
    program = compile_circuit(circuit)
    number = len(program.gates) - 1
    with pytest.raises(ConfigurationError, match=f"gate {number} .*Unitary.*backend='native'"):
        Qsim().check(program)


def test_batches_longer_than_the_matrices_kept_stay_in_order(monkeypatch):
    monkeypatch.setattr(qsim_module, "_ROWS", 3)
    program = compile_circuit(UnifiedCircuit(1).add_gate("RX", 0, "x"), inputs=["x"])
    x = np.linspace(0, 3, 8, dtype=np.float32)[:, None]
    values = Qsim().expectation(program, parse_observables("Z", 1), x, [])
    np.testing.assert_allclose(values, np.cos(x), atol=1e-6)


def test_one_call_serves_all_shifted_circuits_of_a_step(monkeypatch):
    circuit = UnifiedCircuit(2).add_gate("RX", 0, "x").add_gate("CX", [0, 1])
    circuit.add_gate("CRY", [1, 0], "t")
    program = compile_circuit(circuit, inputs=["x"])
    backend, calls = Qsim(), []
    inner = backend.expectation

    def counted(*given, **named):
        calls.append(given[2].shape[0])
        return inner(*given, **named)

    monkeypatch.setattr(backend, "expectation", counted)
    function = build_expectation(program, parse_observables("Z", 2), backend)
    inputs, theta = tf.constant([[0.3], [0.7], [1.1]]), tf.constant([0.4])
    with tf.GradientTape() as tape:
        tape.watch([inputs, theta])
        loss = tf.reduce_sum(function(inputs, theta))
    found = tape.gradient(loss, [inputs, theta])
    assert calls == [3, 3 * (2 + 4)]
    with tf.GradientTape() as tape:
        tape.watch([inputs, theta])
        exact = tf.reduce_sum(
            backends.get("native").expectation(program, parse_observables("Z", 2), inputs, theta)
        )
    for ours, theirs in zip(found, tape.gradient(exact, [inputs, theta]), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
