"""What compiling does to a circuit: gates, depth, angles, fidelity and prices, before and after.

"Before" is the circuit as it was given, translated gate by gate by `compile` with
`optimization_level=0`, for the same machine and entangler. "After" is what was compiled.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from qstore_tf.checks import check_shots
from qstore_tf.errors import ConfigurationError, describe
from qstore_tf.ionq.compiling import Compiled, compile
from qstore_tf.ionq.outputs import in_words, one_set, output_map, permutation_of
from qstore_tf.ionq.prices import PriceTable, cost, tables_for
from qstore_tf.ionq.targets import Target

_FULL = 0.25  # turns of an entangler that entangles fully
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Size:
    """How large a native circuit is.

    Attributes:
        gates_1q: Number of one-qubit pulses.
        gates_2q: Number of entangling gates.
        depth_2q: Time steps of entangling gates.
        entangling_angle: Sum of the entangling angles, in full entanglers; None: it depends on
            symbols that have no values.
        fidelity: The product of one minus the published error of each gate, see
            `Target.estimated_fidelity`; None: an error is not published.
    """

    gates_1q: int
    gates_2q: int
    depth_2q: int
    entangling_angle: float | None
    fidelity: float | None


@dataclass(frozen=True)
class Price:
    """What a circuit costs by one price table, at most.

    Attributes:
        table: The prices, with their date and source.
        before: As given, without error mitigation, in `table.currency`.
        after: As compiled, without error mitigation.
        before_mitigated: As given, with error mitigation; None: the table has no such price.
        after_mitigated: As compiled, with error mitigation.
    """

    table: PriceTable
    before: Decimal
    after: Decimal
    before_mitigated: Decimal | None
    after_mitigated: Decimal | None


@dataclass(frozen=True)
class Report:
    """What `report` found; `print` shows it as a table.

    Attributes:
        target: The machine.
        entangler: "ZZ" or "MS".
        optimization_level: As given to `compile`.
        mode: As given to `compile`.
        search: As given to `compile`.
        n_qubits: Number of qubits.
        before: The circuit translated gate by gate.
        after: The circuit as compiled.
        pulses: Name and number of each native gate that is used.
        shots: The number of shots that `prices` are for.
        prices: One for each published table of the machine; nothing where none is published.
        output_permutation: For each qubit the wire on which it ends; None where outcomes have to
            be computed from those of several wires.
        outcomes: What to do with the outcomes of wires, in words.
    """

    target: str
    entangler: str
    optimization_level: int
    mode: str
    search: bool
    n_qubits: int
    before: Size
    after: Size
    pulses: tuple[tuple[str, int], ...]
    shots: int
    prices: tuple[Price, ...]
    output_permutation: tuple[int, ...] | None
    outcomes: str

    def __str__(self) -> str:
        return "\n".join([self._title(), "", *_aligned(self._rows()), "", *self._remarks()])

    def to_dict(self) -> dict[str, Any]:
        """Returns the report as plain dicts, lists, numbers and text, ready for JSON.

        Amounts of money are text, exact to the last digit.

        Example:
            >>> from qstore_tf.circuits import Circuit
            >>> circuit = Circuit(2).add_gate("H", 0).add_gate("CX", [0, 1])
            >>> report(compile(circuit)).to_dict()["after"]["gates_2q"]
            1
        """
        return {
            "target": self.target,
            "entangler": self.entangler,
            "optimization_level": self.optimization_level,
            "mode": self.mode,
            "search": self.search,
            "before": _plain(self.before),
            "after": _plain(self.after),
            "pulses": dict(self.pulses),
            "shots": self.shots,
            "prices": [_plain_price(price) for price in self.prices],
            "outcomes": self.outcomes,
        }

    def _title(self) -> str:
        qubits = f"{self.n_qubits} qubit" + "s" * (self.n_qubits != 1)
        return (
            f"{qubits} for {self.target} with {self.entangler}, "
            f"optimization level {self.optimization_level}, mode {self.mode}"
            f"{', with search' if self.search else ''}"
        )

    def _rows(self) -> list[tuple[str, str, str]]:
        before, after = self.before, self.after
        rows = [
            ("", "gate by gate", "compiled"),
            ("one-qubit pulses", str(before.gates_1q), str(after.gates_1q)),
            ("entanglers", str(before.gates_2q), str(after.gates_2q)),
            ("depth in entanglers", str(before.depth_2q), str(after.depth_2q)),
            ("angle in full entanglers", _angle_text(before), _angle_text(after)),
            ("estimated fidelity", _fidelity_text(before), _fidelity_text(after)),
        ]
        for price in self.prices:
            name = f"{self.shots:,} shots, {_table_text(price.table)}"
            rows.append((name, _amount(price.before), _amount(price.after)))
            if (price.before_mitigated, price.after_mitigated) != (price.before, price.after):
                cells = (_amount(price.before_mitigated), _amount(price.after_mitigated))
                rows.append(("  with error mitigation", *cells))
        return rows

    def _remarks(self) -> list[str]:
        used = ", ".join(f"{count} {name}" for name, count in self.pulses) or "none"
        lines = [f"native gates: {used}"]
        if not self.prices:
            lines.append(f"prices: none are published for {self.target}")
        if self.after.fidelity is None:
            lines.append("estimated fidelity: an error of this machine is not published")
        if self.after.entangling_angle is None:
            lines.append("angle: depends on symbols without values")
        lines.append(f"outcomes: {self.outcomes}")
        return lines


def report(
    compiled: Compiled,
    values: ArrayLike | Mapping[str, float] | None = None,
    shots: int = 1000,
) -> Report:
    """Reports what compiling has done to a circuit, and what it costs.

    Args:
        compiled: What `compile` returned.
        values: Values of the symbols in radians, one set, as `Compiled.bind` takes them; None
            where there are no symbols, or to leave out what depends on them.
        shots: The number of shots that prices are for.

    Returns:
        The report.

    Raises:
        InputError: The values do not fit the symbols, or are more than one set.
        ConfigurationError: This is not what `compile` returned, or `shots` is no number of shots.

    Example:
        >>> from qstore_tf.circuits import Circuit
        >>> circuit = Circuit(2).add_gate("H", 0).add_gate("CX", [0, 1]).add_gate("SWAP", [0, 1])
        >>> print(report(compile(circuit, "forte-1")))
        2 qubits for forte-1 with ZZ, optimization level 3, mode unitary
        <BLANKLINE>
                                              gate by gate  compiled
        one-qubit pulses                                 3         3
        entanglers                                       1         1
        depth in entanglers                              1         1
        angle in full entanglers                      1.00      1.00
        estimated fidelity                          0.9948    0.9948
        1,000 shots, azure, USD, 2025-09-17          27.41     27.41
          with error mitigation                     169.81    169.81
        1,000 shots, braket, USD, 2026-11-27         80.30     80.30
        <BLANKLINE>
        native gates: 3 GPi2, 1 ZZ
        outcomes: qubits 0 to 1 end on wires 1, 0
    """
    if not isinstance(compiled, Compiled):
        raise ConfigurationError(
            describe(
                "There is nothing to report",
                expected="what qstore_tf.ionq.compile returned",
                received=type(compiled).__name__,
            )
        )
    shots = check_shots(shots)
    options = compiled.options
    given = _translated(compiled)
    bound = values is not None or not compiled.symbols
    before, after = (_size(each, values, bound, options.target) for each in (given, compiled))
    matrix = compiled.outcomes.matrix
    offset = None if options.mode == "measured" else compiled.outcomes.offset
    if bound:
        matrix, offset = output_map(compiled, values)
    counts = Counter(gate.name for gate in compiled.template.gates)
    return Report(
        target=options.target.name,
        entangler=options.entangler,
        optimization_level=options.optimization_level,
        mode=options.mode,
        search=options.search,
        n_qubits=compiled.circuit.n_qubits,
        before=before,
        after=after,
        pulses=tuple((name, counts[name]) for name in ("GPi", "GPi2", "MS", "ZZ") if counts[name]),
        shots=shots,
        prices=tuple(_price(table, before, after, shots) for table in tables_for(options.target)),
        output_permutation=permutation_of(matrix, offset),
        outcomes=in_words(matrix, offset),
    )


def _translated(compiled: Compiled) -> Compiled:
    options = compiled.options
    return compile(
        compiled.circuit,
        options.target,
        optimization_level=0,
        entangler=options.entangler,
        max_partial=options.max_partial,
    )


def _size(compiled: Compiled, values: Any, bound: bool, target: Target) -> Size:
    angle = _entangling_angle(compiled, values) if bound else None
    if angle is None and not compiled.gates_2q:
        angle = 0.0
    return Size(
        gates_1q=compiled.gates_1q,
        gates_2q=compiled.gates_2q,
        depth_2q=compiled.depth_2q,
        entangling_angle=angle,
        fidelity=target.estimated_fidelity(compiled.gates_1q, compiled.gates_2q),
    )


def _entangling_angle(compiled: Compiled, values: Any) -> float:
    row = one_set(compiled.bind(values).columns)
    # The angle is the last number of MS and the only one of ZZ.
    columns = [gate.columns[-1] for gate in compiled.template.gates if len(gate.wires) == 2]
    return float(np.abs(row[columns]).sum()) / _FULL if columns else 0.0


def _price(table: PriceTable, before: Size, after: Size, shots: int) -> Price:
    def amount(size: Size, mitigation: bool) -> Decimal | None:
        if mitigation and table.per_circuit_mitigated is None:
            return None
        return cost(table, size.gates_1q, size.gates_2q, shots, mitigation)

    return Price(
        table=table,
        before=cost(table, before.gates_1q, before.gates_2q, shots, mitigation=False),
        after=cost(table, after.gates_1q, after.gates_2q, shots, mitigation=False),
        before_mitigated=amount(before, True),
        after_mitigated=amount(after, True),
    )


def _plain(size: Size) -> dict[str, Any]:
    return {name: getattr(size, name) for name in Size.__dataclass_fields__}


def _plain_price(price: Price) -> dict[str, Any]:
    def text(amount: Decimal | None) -> str | None:
        return None if amount is None else str(amount)

    return {
        "provider": price.table.provider,
        "currency": price.table.currency,
        "date": None if price.table.date is None else str(price.table.date),
        "source": price.table.source,
        "sold": price.table.listed,
        "before": str(price.before),
        "after": str(price.after),
        "before_mitigated": text(price.before_mitigated),
        "after_mitigated": text(price.after_mitigated),
    }


def _angle_text(size: Size) -> str:
    return "-" if size.entangling_angle is None else f"{size.entangling_angle:.2f}"


def _fidelity_text(size: Size) -> str:
    return "-" if size.fidelity is None else f"{size.fidelity:.4f}"


def _table_text(table: PriceTable) -> str:
    date = "" if table.date is None else f", {table.date}"
    sold = "" if table.listed else ", no longer sold"
    return f"{table.provider}, {table.currency}{date}{sold}"


def _amount(amount: Decimal | None) -> str:
    if amount is None:
        return "-"
    return f"{amount.quantize(_CENT, rounding=ROUND_CEILING):,}"  # the most that it costs


def _aligned(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(3)]
    return [
        f"{name:<{widths[0]}}  {before:>{widths[1]}}  {after:>{widths[2]}}".rstrip()
        for name, before, after in rows
    ]
