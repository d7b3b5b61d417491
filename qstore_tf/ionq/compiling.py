"""`compile`: any circuit into IonQ's native gates, structure once and numbers for a whole batch.

A circuit becomes Pauli rotations on one or two wires (`compiler.lowering`); passes make them fewer
and smaller; then each target's emission turns what stands between its entanglers into pulses
(`compiler.zz`, `compiler.ms`). Symbols stay symbols: what is compiled is a template, kept by the
circuit's structure, and binding only computes phases and angles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from qstore_tf.caching import remember
from qstore_tf.circuits.circuit import Circuit, check_circuit
from qstore_tf.circuits.operation import Operation
from qstore_tf.circuits.optimizing import optimize
from qstore_tf.errors import CircuitError, ConfigurationError, InputError, describe, did_you_mean
from qstore_tf.ionq.compiler.candidates import candidates, decomposed
from qstore_tf.ionq.compiler.conjugating import conjugate
from qstore_tf.ionq.compiler.gadgets import fewer_entanglers
from qstore_tf.ionq.compiler.lowering import VARIANTS, lower
from qstore_tf.ionq.compiler.merging import merge
from qstore_tf.ionq.compiler.ms import emit_ms
from qstore_tf.ionq.compiler.narrowing import drop_small, limit_partial
from qstore_tf.ionq.compiler.outcomes import OutcomeMap
from qstore_tf.ionq.compiler.rotations import Rotations
from qstore_tf.ionq.compiler.scheduling import depth, schedule
from qstore_tf.ionq.compiler.searching import Forms
from qstore_tf.ionq.compiler.searching import search as searched
from qstore_tf.ionq.compiler.template import Numbers, Template
from qstore_tf.ionq.compiler.toffoli import relative_phase_pairs
from qstore_tf.ionq.compiler.zz import emit_zz
from qstore_tf.ionq.targets import Target, lookup

MODES = ("unitary", "state", "measured")
_GATE_BYTES = 2000
# How many pulses cost as much as an entangler, by Azure's price list of 2025-09-17.
_PULSES = {"ZZ": 6.81, "MS": 4.43}
# Smaller gains of angle are within rounding errors.
_LEAST_GAIN = 1e-6


@dataclass(frozen=True)
class Options:
    """What `compile` was asked for; see there."""

    target: Target
    entangler: str
    optimization_level: int
    max_partial: float
    mode: str
    approximation: float
    search: bool


@dataclass(frozen=True)
class Compiled:
    """A circuit in native gates, into which numbers are put.

    Attributes:
        options: How.
        template: The native gates, and what computes their numbers.
        outcomes: How outcomes of wires become those of qubits.
        depth_2q: Time steps of entangling gates.
    """

    _circuit: Circuit
    options: Options
    template: Template = field(repr=False)
    outcomes: OutcomeMap = field(repr=False)
    depth_2q: int

    @property
    def circuit(self) -> Circuit:
        """A copy of what was compiled."""
        return self._circuit.copy()

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """The symbols in the order in which `bind` takes their values."""
        return self._circuit.parameters

    @property
    def output_permutation(self) -> tuple[int, ...]:
        """For each qubit the wire on which it ends.

        In "measured" mode the `flips` of `bind` come on top.

        Raises:
            CircuitError: Outcomes have to be computed from several wires ("measured" mode).
        """
        if not self.outcomes.is_permutation:
            raise CircuitError(
                describe(
                    "The outcomes of this circuit are sums of several wires' outcomes, or flipped",
                    expected="a permutation of wires",
                    hint="qstore_tf.ionq.outputs.output_map(compiled, values) says how they are "
                    "computed; mode='unitary' keeps a permutation",
                )
            )
        return tuple(int(wire) for wire in np.argmax(self.outcomes.matrix, axis=1))

    @property
    def gates_1q(self) -> int:
        """The number of one-qubit pulses, GPi and GPi2."""
        return sum(len(gate.wires) == 1 for gate in self.template.gates)

    @property
    def gates_2q(self) -> int:
        """The number of entangling gates, MS or ZZ."""
        return sum(len(gate.wires) == 2 for gate in self.template.gates)

    def bind(self, values: ArrayLike | Mapping[str, float] | None = None) -> Numbers:
        """Computes the numbers of all gates for a batch of values of the symbols.

        Args:
            values: Shape [B, symbols] in radians, or [symbols] for a batch of one, or a dict.

        Raises:
            InputError: A wrong shape, a missing symbol, or a value that is not finite.
        """
        numbers = self.template.bind(self._values(values))
        if not np.isfinite(numbers.columns).all():
            raise InputError(
                describe(
                    "An angle is not a finite number for these values",
                    expected="values whose products with the coefficients are finite",
                    received=values,
                )
            )
        return numbers

    def native(self, values: ArrayLike | Mapping[str, float] | None = None) -> Circuit:
        """Returns the native gates as a circuit, for one set of values of the symbols."""
        numbers = self.bind(values)
        if len(numbers.columns) != 1:
            raise InputError(
                describe(
                    "One circuit holds one set of values",
                    expected=f"shape [{len(self.symbols)}]",
                    received=f"a batch of {len(numbers.columns)}",
                )
            )
        row = numbers.columns[0].tolist()
        result = Circuit(self._circuit.n_qubits)
        for gate in self.template.gates:
            result.add_gate(gate.name, gate.wires, [row[column] for column in gate.columns])
        return result

    def _values(self, values: ArrayLike | Mapping[str, float] | None) -> NDArray[np.float64]:
        symbols = self.symbols
        if isinstance(values, Mapping):
            for name in symbols:
                if name not in values:
                    raise InputError(
                        describe(
                            f"Symbol {name!r} has no value",
                            expected=list(symbols),
                            received=list(values),
                            hint=did_you_mean(name, values),
                        )
                    )
            values = [_number(name, values[name]) for name in symbols]
        try:
            array = np.asarray([] if values is None else values, dtype=np.float64)
        except (TypeError, ValueError):
            raise InputError(
                describe(
                    "Values of symbols are not numbers",
                    expected=f"real numbers of shape [batch, {len(symbols)}]",
                    received=values,
                )
            ) from None
        if array.ndim == 1:
            array = array[None]
        if array.ndim != 2 or array.shape[1] != len(symbols):
            raise InputError(
                describe(
                    "Values do not fit the symbols of the circuit",
                    expected=f"shape [batch, {len(symbols)}] for {list(symbols)}",
                    received=np.shape(values if values is not None else []),
                )
            )
        finite = np.isfinite(array)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            raise InputError(
                describe(
                    f"The value of symbol {symbols[column]!r} is not a finite number",
                    expected="finite numbers",
                    received=float(array[row, column]),
                )
            )
        return array


def _number(name: str, value: object) -> float:
    if getattr(value, "ndim", 0) == 0 and isinstance(value, (int, float, np.number, np.ndarray)):
        return float(value)
    raise InputError(
        describe(
            f"The value of symbol {name!r} is not a number",
            expected="one real number for each name",
            received=value,
            hint="For a batch pass an array [batch, symbols], in the order of `symbols`",
        )
    )


def compile(
    circuit: Circuit,
    target: str | Target = "forte-1",
    *,
    optimization_level: int = 3,
    entangler: str | None = None,
    max_partial: float = 0.25,
    mode: str = "unitary",
    approximation: float = 0.0,
    search: bool = False,
) -> Compiled:
    """Compiles a circuit to the native gates of an IonQ machine.

    Args:
        circuit: The circuit; symbols stay. Measurement markers are dropped: all qubits are read.
        target: A machine by name, such as "forte-1" or "aria-1", or a `Target`.
        optimization_level: 0 translates gate by gate, 1 also merges rotations, 2 also decomposes
            pairs of qubits anew and removes pairs of entanglers, 3 repeats that until it is quiet.
        entangler: "ZZ" or "MS"; None: the target's own.
        max_partial: The largest angle in turns of an entangler that is not a full one (0.25);
            0 allows full ones only.
        mode: "unitary" keeps the unitary, up to global phase, a permutation of the wires and
            a turn about Z of each wire at the end. "state" keeps, up to the same, the state that
            the circuit makes of |0...0>, which takes fewer gates. "measured" keeps the
            distribution of outcomes when the circuit starts in |0...0> and all qubits are
            measured, which takes fewer still; `Compiled.outcomes` and the bound `flips` then say
            how to read them.
        approximation: The infidelity that leaving out small entanglers may cost.
        search: Whether to search as well, by numerical optimization, for fewer or smaller
            entanglers in runs without symbols on three qubits, at level 3; it takes up to some 15
            seconds for each run, again and again while something is found. With a `max_partial`
            below 0.25 it is for full entanglers alone.

    Raises:
        CircuitError: A gate that cannot be compiled, or more qubits than the target has.
        ConfigurationError: An option that makes no sense.

    Example:
        >>> circuit = Circuit(2).add_gate("H", 0).add_gate("CX", [0, 1]).add_gate("RZ", 1, "a")
        >>> bell = compile(circuit, "forte-1")
        >>> bell.gates_1q, bell.gates_2q
        (3, 1)
        >>> chain = Circuit(8).add_gate("H", 0)
        >>> for qubit in range(7):
        ...     chain = chain.add_gate("CX", [qubit, qubit + 1])
        >>> compile(chain).depth_2q, compile(chain, mode="state").depth_2q
        (7, 3)
    """
    check_circuit(circuit)
    machine = lookup(target) if isinstance(target, str) else target
    _check(machine, optimization_level, entangler, max_partial, mode, approximation, search)
    options = Options(
        machine,
        entangler or machine.entangler,
        optimization_level,
        float(max_partial),
        mode,
        float(approximation),
        search,
    )
    machine.check(circuit.n_qubits, [])
    return _compiled(circuit.n_qubits, circuit.operations, options)


@remember(lambda result, n_qubits, operations, options: _GATE_BYTES * (1 + len(operations)))
def _compiled(n_qubits: int, operations: tuple[Operation, ...], options: Options) -> Compiled:
    circuit = Circuit._with(n_qubits, operations)  # they have been checked
    level = options.optimization_level
    shorter = _without_inverses(circuit) if level >= 1 else circuit
    pairs = relative_phase_pairs(shorter) if level >= 2 else frozenset()
    variants = VARIANTS if pairs and level >= 3 else VARIANTS[:1]
    forms = [lower(shorter, pairs, variant) for variant in variants]
    best = _best(circuit, forms, options)
    if level < 3:
        return best.compiled
    large = (n for n, op in enumerate(shorter.operations) if len(op.qubits) > 2)
    if not pairs.issuperset(large):
        best = _smaller(best, _best(circuit, [lower(shorter, pairs, commutators=True)], options))
    best = _anew(circuit, best, options) or best
    if options.mode != "unitary" and _are_many(shorter):
        other = _best(circuit, [lower(shorter, pairs, from_zero=True)], options)
        best = _cheaper(best, _anew(circuit, other, options) or other, options)
    if options.search:
        best = _searched(circuit, best, options)
    return best.compiled


def _are_many(circuit: Circuit) -> bool:
    """Whether there is a gate under three controls or more, and a qubit that it does not act on."""
    return any(3 < len(operation.qubits) < circuit.n_qubits for operation in circuit.operations)


def _without_inverses(circuit: Circuit) -> Circuit:
    """Returns an equal circuit in which gates on many qubits that meet their inverses are gone."""

    def many(one: Circuit) -> int:
        return sum(len(operation.qubits) > 2 for operation in one.operations)

    if many(circuit) < 2:
        return circuit
    shorter = optimize(circuit)
    return shorter if many(shorter) < many(circuit) else circuit


class _Made(NamedTuple):
    """A compiled circuit, the form that it was lowered to, merged, and what became of that."""

    compiled: Compiled
    lowered: Rotations
    rotations: Rotations

    @property
    def angle(self) -> float:
        """The sum of the entanglers' angles, those that depend on symbols left out."""
        entanglers = (r for r in self.rotations.rotations if r.is_entangling)
        return sum(abs(entangler.angle.constant) for entangler in entanglers)


def _best(circuit: Circuit, forms: Sequence[Rotations], options: Options) -> _Made:
    """Returns the smallest circuit that comes of one of several forms."""
    level = options.optimization_level
    found: list[tuple[Rotations, Rotations, OutcomeMap]] = []
    seen: list[Rotations] = []
    for form in forms:
        form = merge(form) if level >= 1 else form
        for rotations, outcomes in candidates(form, options.mode, level):
            if not any(rotations == other for other in seen):
                seen.append(rotations)
                found.append((form, _arranged(rotations, options), outcomes))
    # Pulses are compared of the best only, as it takes longest to make them.
    sizes = [_size(rotations) for _, rotations, _ in found]
    least = min(sizes)
    made = [
        _Made(_emitted(circuit, rotations, outcomes, options), form, rotations)
        for (form, rotations, outcomes), size in zip(found, sizes, strict=True)
        if size == least
    ]
    return min(made, key=lambda one: (one.compiled.gates_1q, one.angle))


def _smaller(best: _Made, other: _Made) -> _Made:
    """Returns the circuit with commutators, `other`, where it is smaller."""
    # Its turns are less often quarters, so that less depth would mostly cost pulses.
    mine, its = best.compiled, other.compiled
    no_more = its.depth_2q <= mine.depth_2q and its.gates_1q <= mine.gates_1q
    if (its.gates_2q, not no_more, other.angle) < (mine.gates_2q, False, best.angle):
        return other
    return best


def _cheaper(best: _Made, other: _Made, options: Options) -> _Made:
    """Returns `other` where it takes no more entanglers and is cheaper."""
    # With fewer entanglers, other gates may have less to cancel, and take more pulses.
    mine, its = best.compiled, other.compiled
    entanglers, pulses = its.gates_2q - mine.gates_2q, its.gates_1q - mine.gates_1q
    price = entanglers * _PULSES[options.entangler] + pulses
    return other if entanglers <= 0 and price < 0 else best


def _anew(circuit: Circuit, present: _Made, options: Options) -> _Made | None:
    """Returns a circuit built anew with fewer entanglers, or None if none is found."""
    measured = options.mode == "measured"
    partial = options.max_partial == 0.25
    form = present.lowered
    found = fewer_entanglers(form, present.rotations, measured=measured, partial=partial)
    if found is None:
        return None
    made = _finished(circuit, form, *found, options)
    return made if made.compiled.gates_2q < present.compiled.gates_2q else None


def _searched(circuit: Circuit, present: _Made, options: Options) -> _Made:
    """Returns the circuit with what searches find, until they find nothing better."""
    exact = replace(options, approximation=0.0)  # what that allows has been left out already
    forms: Forms = {}
    quiet = turn = 0
    while quiet < 2:
        better = _searched_once(circuit, present, exact, forms, turn % 2 == 1)
        quiet = quiet + 1 if better is present else 0
        present, turn = better, turn + 1
    return present._replace(compiled=replace(present.compiled, options=options))


def _searched_once(
    circuit: Circuit, present: _Made, options: Options, forms: Forms, backwards: bool
) -> _Made:
    """Returns the circuit with what one search finds, where that is better."""
    partial = options.max_partial == 0.25
    rotations = searched(present.rotations, forms, partial=partial, backwards=backwards)
    if rotations is present.rotations:
        return present
    outcomes = present.compiled.outcomes
    other = _finished(circuit, present.lowered, rotations, outcomes, options)
    mine, its = present.compiled, other.compiled
    if its.depth_2q > mine.depth_2q or its.gates_2q > mine.gates_2q:
        return present
    if its.gates_2q < mine.gates_2q:
        return _cheaper(present, other, options)
    smaller = its.gates_1q <= mine.gates_1q and other.angle < present.angle - _LEAST_GAIN
    return other if smaller else present


def _finished(
    circuit: Circuit, form: Rotations, rotations: Rotations, outcomes: OutcomeMap, options: Options
) -> _Made:
    """Returns what other passes make of rotations that were found."""
    if options.mode != "measured":
        return _best(circuit, [rotations], options)
    rotations = conjugate(merge(rotations))
    rotations = decomposed(rotations, options.optimization_level, from_zero=True, measured=True)
    rotations = _arranged(rotations, options)
    return _Made(_emitted(circuit, rotations, outcomes, options), form, rotations)


def _arranged(rotations: Rotations, options: Options) -> Rotations:
    if options.approximation:
        rotations = drop_small(rotations, options.approximation)
    if options.max_partial < 0.25:
        rotations = limit_partial(rotations, options.max_partial)
    return schedule(rotations) if options.optimization_level >= 1 else rotations


def _size(rotations: Rotations) -> tuple[int, int]:
    entangling = sum(rotation.is_entangling for rotation in rotations.rotations)
    return entangling, depth(rotations.rotations)


def _emitted(
    circuit: Circuit, rotations: Rotations, outcomes: OutcomeMap, options: Options
) -> Compiled:
    measured = options.mode == "measured"
    if options.entangler == "ZZ":
        signed = options.target.signed_zz
        template = emit_zz(rotations, circuit.parameters, measured, signed)
    else:
        template = emit_ms(rotations, circuit.parameters, measured)
    return Compiled(circuit, options, template, outcomes, depth(rotations.rotations))


def _check(
    machine: object,
    optimization_level: object,
    entangler: object,
    max_partial: object,
    mode: object,
    approximation: object,
    search: object,
) -> None:
    if not isinstance(machine, Target):
        raise ConfigurationError(
            describe("Unknown target", expected="a name or a Target", received=machine)
        )
    levels = range(4)
    if type(optimization_level) is not int or optimization_level not in levels:
        raise ConfigurationError(
            describe(
                "Unknown optimization_level", expected="0, 1, 2 or 3", received=optimization_level
            )
        )
    if entangler is not None and entangler not in machine.accepts:
        raise ConfigurationError(
            describe(
                f"{machine.name} does not take this entangler",
                expected=" or ".join(machine.accepts),
                received=entangler,
            )
        )
    if mode not in MODES:
        raise ConfigurationError(
            describe("Unknown mode", expected=" or ".join(map(repr, MODES)), received=mode)
        )
    for name, value, most in (
        ("max_partial", max_partial, 0.25),
        ("approximation", approximation, 1.0),
    ):
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value <= most:  # type: ignore[operator]
            raise ConfigurationError(
                describe(f"{name} is out of range", expected=f"0 to {most}", received=value)
            )
    if not isinstance(search, bool):
        raise ConfigurationError(
            describe("`search` must be True or False", expected="True or False", received=search)
        )
    if search and optimization_level != max(levels):
        raise ConfigurationError(
            describe(
                "A search needs the highest optimization_level",
                expected=f"optimization_level={max(levels)}, or search=False",
                received=f"optimization_level={optimization_level}",
            )
        )
