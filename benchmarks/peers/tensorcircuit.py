"""TensorCircuit-NG on JAX: `vmap` over samples, `jit`, and `fori_loop` around the gradient step."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from benchmarks.measure import Peer, main
from benchmarks.workload import LEARNING_RATE, Workload


def per_qubit(probabilities: Any, n_qubits: int) -> Any:
    """All <Z> as one sum over the probabilities for each qubit."""
    import jax.numpy as jnp

    signs = []
    for qubit in range(n_qubits):
        halves = probabilities.reshape(2**qubit, 2, -1).sum((0, 2))
        signs.append(halves[0] - halves[1])
    return jnp.stack(signs)


def build(
    workload: Workload, threads: int, readout: Callable[[Any, int], Any] | None = None
) -> Peer:
    """The workload as TensorCircuit-NG computes it; XLA takes the threads of the processor set.

    Args:
        workload: what to compute.
        threads: unused here.
        readout: (probabilities [2^n], n) -> all <Z> [n]; `per_qubit` unless given.
    """
    del threads
    readout = readout or per_qubit
    import jax
    import jax.numpy as jnp
    import numpy as np
    import tensorcircuit as tc

    tc.set_backend("jax")
    tc.set_dtype("complex64")
    inputs_np, theta_np = workload.data()
    inputs = jnp.asarray(inputs_np)
    n = workload.n_qubits

    def expectations(features: Any, theta: Any) -> Any:
        circuit = tc.Circuit(n)
        for gate in workload.gates():
            if gate.name == "cx":
                circuit.cnot(*gate.targets)
            else:
                angle = (features if gate.name == "rx" else theta)[gate.slot]
                getattr(circuit, gate.name)(*gate.targets, theta=angle)
        # One vector of probabilities: faster than n contractions by `expectation_ps`.
        state = circuit.state()
        return readout(jnp.real(state) ** 2 + jnp.imag(state) ** 2, n)

    def loss_of(theta: Any) -> Any:
        return jnp.sum(jax.vmap(expectations, in_axes=(0, None))(inputs, theta) ** 2)

    gradient_step = jax.value_and_grad(loss_of)
    single = jax.jit(gradient_step)

    @jax.jit
    def looped(theta: Any, steps: Any) -> Any:
        def body(_: Any, carry: tuple[Any, Any]) -> tuple[Any, Any]:
            theta, _ = carry
            loss, gradient = gradient_step(theta)
            return theta - LEARNING_RATE * gradient, loss

        return jax.lax.fori_loop(0, steps, body, (theta, jnp.float32(0)))

    def step(theta: Any) -> tuple[float, Any]:
        loss, gradient = single(jnp.asarray(theta))
        return float(loss), np.asarray(gradient)

    def loop(steps: int) -> float:
        theta, loss = looped(jnp.asarray(theta_np), steps)
        theta.block_until_ready()
        return float(loss)

    return Peer(
        precision="float32",
        versions={"tensorcircuit-ng": version("tensorcircuit-ng"), "jax": jax.__version__},
        step=step,
        loop=loop,
    )


if __name__ == "__main__":
    main("tensorcircuit", build)
