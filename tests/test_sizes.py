"""Numbers that come from outside: any size is answered at once, by a result or by an error of ours.

Loops over the signatures of what is public, so that a new constructor with an integer is in it.
Gradients, optimizers and the readers of circuits have tests of their own.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import re
import signal
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest

from qstore_tf import backends, cli, layers, limits
from qstore_tf.circuits import UnifiedCircuit, compile_circuit, parse_observables
from qstore_tf.circuits.formats import json
from qstore_tf.circuits.formats.qasm2 import text as qasm2
from qstore_tf.circuits.formats.qasm3 import work as qasm3
from qstore_tf.distribute.launch.setup import check as check_launch
from qstore_tf.errors import CircuitError, ConfigurationError, QstoreError
from qstore_tf.testing.daily import daily_seed

MODULES = (
    "circuits",
    "circuits.ansatz",
    "circuits.encodings",
    "circuits.observables",
    "circuits.drawing",
    "layers",
    "backends",
    "execution",
    "callbacks",
    "distribute",
    "training.options",
)
# Interfaces that users do not make, and what starts processes: see `check_launch` below.
LEFT_OUT = {"Gate", "launch"}

_rng = np.random.default_rng(daily_seed())
SIZES = (
    10**9,
    10**18,
    10**19,
    int(10 ** _rng.uniform(5.1, 9)),
    int(10 ** _rng.uniform(9, 18)),
)

_circuit = UnifiedCircuit(2).add_gate("RX", 0, "x")
_program = compile_circuit(_circuit, inputs=["x"])
backends.get("qsim")  # its import is no part of what is measured
# What stands for arguments without a default.
GIVEN: dict[str, Any] = {
    "angle": "x",
    "backend": backends.get("tensorflow"),
    "batch": 4,
    "circuit": _circuit,
    "controls": (),
    "depth": 1,
    "directory": "a-folder-that-no-constructor-makes",
    "encoding": "angle",
    "entanglement": "linear",
    "features": np.ones((1, 2)),
    "gate": "X",
    "gates": (),
    "gradient": "auto",
    "has_initial": False,
    "log_dir": "logs",
    "matrix": ((1.0, 0.0), (0.0, 1.0)),
    "n_inputs": 0,
    "n_qubits": 2,
    "n_theta": 0,
    "observables": parse_observables("Z", 2),
    "option": "z+zz",
    "paulis": "X",
    "program": _program,
    "reason": "",
    "seed": 1,
    "shots": 10,
    "spec": "Z",
    "target": 0,
    "targets": (0,),
}


SECONDS = 3.0


class Hangs(BaseException):
    """Raised in the middle of what takes too long."""


@contextlib.contextmanager
def at_once(what: str) -> Iterator[None]:
    """Fails unless the body takes little time of this process and 200 MB, and raises our errors.

    Little is a second on a quiet machine; where cores are shared, threads take several times as
    long.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hangs

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, 2 * SECONDS)
    tracemalloc.start()
    begun = time.process_time()
    try:
        yield
    except QstoreError as error:
        assert len(str(error)) < 2000, f"{what}: an error of {len(str(error))} characters"
    except Hangs:
        pytest.fail(f"{what} hangs")
    except Exception as error:
        pytest.fail(f"{what} raises a raw {type(error).__name__}: {error}")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        took, peak = time.process_time() - begun, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        signal.signal(signal.SIGVTALRM, before)
    assert took <= SECONDS, f"{what} took {took:.1f} s"
    assert peak <= 200e6, f"{what} took {peak / 1e6:.0f} MB"


def with_integers() -> Iterator[tuple[str, Callable[..., Any], str]]:
    """Every public callable of the modules with each of its integer parameters."""
    seen = set()
    for module in MODULES:
        imported = importlib.import_module(f"qstore_tf.{module}")
        # Some names are imported when they are asked for.
        for name, made in ((name, getattr(imported, name)) for name in dir(imported)):
            ours = getattr(made, "__module__", "").startswith("qstore_tf")
            if name.startswith("_") or not callable(made) or not ours or name in LEFT_OUT:
                continue
            if made in seen or inspect.isabstract(made) or name.endswith(("Error", "Warning")):
                continue
            seen.add(made)
            for parameter in inspect.signature(made).parameters.values():
                if "int" in re.split(r"\W+", re.sub(r"\w+\[.*\]", "", str(parameter.annotation))):
                    yield name, made, parameter.name


CASES = sorted(with_integers(), key=lambda case: (case[0], case[2]))
assert {("UnifiedCircuit", "n_qubits"), ("QuantumLayer", "depth"), ("Native", "num_threads")} <= {
    (name, parameter) for name, _, parameter in CASES
}


def required(made: Callable[..., Any]) -> dict[str, Any]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        parameter.name: GIVEN[parameter.name]  # KeyError: say above what stands for it
        for parameter in inspect.signature(made).parameters.values()
        if parameter.default is inspect.Parameter.empty and parameter.kind in kinds
    }


@pytest.mark.parametrize(
    ("name", "made", "parameter"),
    CASES,
    ids=[f"{name}-{parameter}" for name, _, parameter in CASES],
)
def test_every_constructor_answers_at_once(
    name: str, made: Callable[..., Any], parameter: str
) -> None:
    arguments = required(made)
    for size in SIZES:
        with at_once(f"{name}({parameter}={size})"):
            made(**{**arguments, parameter: size})


def layers_with_sizes() -> list[Any]:
    return [
        layers.QuantumLayer(n_qubits=2, depth=1, seed=1, shots=10),
        layers.QuantumLayer(circuit=_circuit, inputs=["x"]),
        layers.AngleEncoding(2),
        layers.AmplitudeEncoding(2),
        layers.ExpectationValue(shots=5),
        layers.Sample(3),
        layers.QuantumLayer(backend=backends.get("qsim"), n_qubits=2),
        layers.QuantumLayer(backend=backends.get("tensorflow", max_rows=3), n_qubits=2),
    ]


def replaced(config: Any, size: int) -> Iterator[tuple[str, Any]]:
    """The configuration with each of its integers in turn replaced by a size."""
    items: Any = config.items() if isinstance(config, dict) else enumerate(config)
    for key, value in items:
        if key in ("version", "name", "dtype", "circuit"):
            continue  # a circuit is read by the JSON reader
        if isinstance(value, int) and not isinstance(value, bool):
            changed = [(str(key), size)]
        elif isinstance(value, dict | list):
            changed = [(f"{key}.{name}", part) for name, part in replaced(value, size)]
        else:
            continue
        for name, part in changed:
            copy = dict(config) if isinstance(config, dict) else list(config)
            copy[key] = part
            yield name, copy


@pytest.mark.parametrize("number", range(8))
def test_configurations_are_answered_at_once(number: int) -> None:
    layer = layers_with_sizes()[number]
    config = layer.get_config()
    for size in SIZES:
        for name, changed in replaced(config, size):
            with at_once(f"{type(layer).__name__}.from_config with {name}={size}"):
                type(layer).from_config(changed)


@pytest.mark.parametrize("size", SIZES)
def test_circuits_take_any_qubit_number(size: int) -> None:
    calls: dict[str, Callable[[UnifiedCircuit], Any]] = {
        "add_gate": lambda c: c.add_gate("X", size),
        "controls": lambda c: c.add_gate("X", 0, controls=size),
        "add_unitary": lambda c: c.add_unitary(np.eye(2), [size]),
        "measure": lambda c: c.measure(size),
        "controlled": lambda c: c.controlled(size),
        "compose": lambda c: c.compose(_circuit, qubits=[0, size]),
        "compose on a range": lambda c: c.compose(_circuit, qubits=range(size)),
        "targets of a range": lambda c: c.add_gate("X", range(size)),
        "observable": lambda c: parse_observables(f"Z{size}", 2),
        "bind": lambda c: c.bind({"x": size}),
        "parameter": lambda c: c.add_gate("RX", 0, size),
    }
    for name, call in calls.items():
        with at_once(f"{name} with {size}"):
            call(_circuit.copy())


@pytest.mark.parametrize("work", ["measure", "layer", "depth", "compose", "inverse", "draw", "mpl"])
def test_the_largest_circuit_is_worked_on_at_once(work: str) -> None:
    most = limits.QUBITS.current
    circuit = UnifiedCircuit(most).add_gate("H", 0).add_gate("CX", [0, most - 1])
    calls: dict[str, Callable[[], Any]] = {
        "measure": circuit.measure,
        "layer": lambda: circuit.add_parameterized_layer("RY", "a"),
        "depth": lambda: circuit.depth,
        "compose": lambda: circuit.compose(circuit),
        "inverse": circuit.inverse,
        "draw": circuit.draw,
        "mpl": lambda: circuit.draw("mpl"),
    }
    with at_once(work):
        calls[work]()


def test_a_long_and_wide_circuit_is_not_drawn() -> None:
    """Each CX reaches over the whole picture, so that every one takes a column."""
    circuit = UnifiedCircuit(limits.QUBITS.current)
    for _ in range(1000):
        circuit.add_gate("CX", [0, circuit.n_qubits - 1])
    with at_once("draw"), pytest.raises(CircuitError, match="QSTORE_MAX_CELLS"):
        circuit.draw()


def commands() -> Iterator[tuple[str, str]]:
    """Every integer option of the commands that make circuits."""
    subparsers = next(
        action for action in cli.build_parser()._actions if isinstance(action.choices, dict)
    )
    for command in ("draw", "train"):
        for action in subparsers.choices[command]._actions:
            if action.type is int and action.dest != "seed":  # any is a seed, and would train
                yield command, action.option_strings[-1]


@pytest.mark.parametrize(("command", "option"), list(commands()))
def test_the_command_line_answers_at_once(command: str, option: str) -> None:
    for size in SIZES:
        with at_once(f"qstore {command} {option} {size}"):
            error = io.StringIO()
            with contextlib.redirect_stderr(error), contextlib.redirect_stdout(io.StringIO()):
                status = cli.main([command, option, str(size)])
            assert status == 2, error.getvalue()


@pytest.mark.parametrize("number", range(2))
def test_launching_answers_at_once(number: int) -> None:
    for size in SIZES:
        with at_once(f"launch of {size}"), pytest.raises(ConfigurationError):
            check_launch(["python"], size if number == 0 else -size, 1, 1.0, 1.0)


def test_limits_can_be_raised_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in limits.LIMITS:
        limit.check(limit.most, "It")
        with pytest.raises(ConfigurationError, match=f"{limit.most}.*{limit.variable}"):
            limit.check(limit.most + 1, "It")
        monkeypatch.setenv(limit.variable, str(limit.most + 1))
        limit.check(limit.most + 1, "It")
        for wrong in ("many", "-1", "0", "1e9", "9" * 20):
            monkeypatch.setenv(limit.variable, wrong)
            with pytest.raises(ConfigurationError, match=limit.variable):
                limit.check(1, "It")
    assert len({limit.variable for limit in limits.LIMITS}) == len(limits.LIMITS)
    monkeypatch.setenv(limits.QUBITS.variable, "20000")
    assert UnifiedCircuit(20_000).n_qubits == 20_000


def test_the_page_of_limits_lists_the_table() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "limits.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\d,]+) \| (\w+)\b", page, re.MULTILINE)
    listed = [(variable, int(most.replace(",", "")), what) for variable, most, what in rows]
    assert listed == [(limit.variable, limit.most, limit.what) for limit in limits.LIMITS]
    lengths = re.findall(r"^\| (?:JSON|OpenQASM \d) \| `(\w+)` \| (\d+) (\w+)", page, re.MULTILINE)
    assert lengths == [
        (limit.variable, str(limit.each), limit.what)
        for limit in (json.CHARACTERS, qasm2.CHARACTERS, qasm3.CHARACTERS)
    ]
