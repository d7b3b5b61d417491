"""Checks of arguments that all who run programs have in common; no framework."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qstore_tf import limits
from qstore_tf.circuits.observables import PauliSum
from qstore_tf.circuits.program import Program
from qstore_tf.errors import (
    ConfigurationError,
    InputError,
    ObservableError,
    QstoreError,
    describe,
)


def check_observables(observables: Sequence[PauliSum], n_qubits: int) -> None:
    """Raises ObservableError where there is none, or one is on a qubit that is not there."""
    if not observables:
        raise ObservableError(
            describe("There is nothing to measure", expected="at least one observable")
        )
    for number, observable in enumerate(observables):
        qubits = [q for term in observable.terms for q, _ in term.paulis]
        if qubits and max(qubits) >= n_qubits:
            raise ObservableError(
                describe(
                    f"Observable {number} measures a qubit that is not there",
                    expected=f"qubits 0 to {n_qubits - 1}",
                    received=max(qubits),
                )
            )


def check_initial_use(program: Program, has_state: bool) -> None:
    """Raises InputError where a state is given that is not wanted, or none where one is."""
    if program.has_initial and not has_state:
        raise InputError(
            describe(
                "This program starts from a given state, but none was given",
                expected=f"initial_state of shape [B, {2**program.n_qubits}]",
            )
        )
    if has_state and not program.has_initial:
        raise InputError(
            describe(
                "An initial state was given to a program that starts from |0...0>",
                hint="Compile the circuit with has_initial=True, or leave the state out",
            )
        )


def check_shots(
    shots: Any, error: type[QstoreError] = ConfigurationError, expected: str | None = None
) -> int:
    """Returns `shots` as an int; raises `error` unless it is an integer >= 1, within the limit."""
    if isinstance(shots, bool) or not isinstance(shots, int | np.integer) or shots < 1:
        raise error(describe("`shots` must be an integer >= 1", expected=expected, received=shots))
    limits.SHOTS.check(int(shots), "`shots`", error)
    return int(shots)


def check_threads(num_threads: Any, name: str = "num_threads") -> int:
    """Returns `num_threads`; raises ConfigurationError unless it is an integer >= 0."""
    if not isinstance(num_threads, int) or isinstance(num_threads, bool) or num_threads < 0:
        raise ConfigurationError(
            describe(
                f"`{name}` must be an integer >= 0",
                expected="a number of threads, or 0 for all cores",
                received=num_threads,
            )
        )
    limits.THREADS.check(num_threads, f"`{name}`")
    return num_threads
