"""Drawings show every gate where it acts, aligned, in text and as a picture."""

import io

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from matplotlib.figure import Figure
from matplotlib.image import imread

from qstore_tf.circuits.ansatz import hardware_efficient
from qstore_tf.circuits.drawing import draw_mpl, draw_text, figure
from qstore_tf.circuits.drawing.labels import affine_text, number_text
from qstore_tf.circuits.drawing.layout import columns
from qstore_tf.circuits.gates import GATES
from qstore_tf.circuits.symbols import Affine
from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import CircuitError
from qstore_tf.testing.random_circuits import circuits

UNITARY = [name for name, row in GATES.items() if row.is_unitary and name != "Unitary"]


def rendered(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    buffer.seek(0)
    return imread(buffer)


def test_a_bell_pair_looks_like_one():
    circuit = UnifiedCircuit(2).add_gate("H", 0).add_gate("CX", [0, 1]).measure()
    assert draw_text(circuit).splitlines() == [
        "q0: ─H─●─M─",
        "       │",
        "q1: ───X─M─",
    ]


def test_a_line_crosses_the_wires_between():
    assert "┼" in draw_text(UnifiedCircuit(3).add_gate("CX", [0, 2]))


@settings(max_examples=40, deadline=None)
@given(circuits(max_qubits=5, max_gates=20, symbols=("theta_1", "x")))
def test_wires_have_one_length_and_lines_one_column(circuit):
    lines = draw_text(circuit, width=10**6).splitlines()[: 2 * circuit.n_qubits - 1]
    assert len({len(line) for line in lines[::2]}) == 1
    for above, gap, below in zip(lines[::2], lines[1::2], lines[2::2], strict=False):
        for column, character in enumerate(gap):
            if character == "│":
                assert above[column] not in "─ "
                assert below[column] not in "─ "


def test_long_circuits_go_on_below():
    text = draw_text(hardware_efficient(2, depth=10), width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("q0:") > 1
    assert text.count("RY(") == 20


def test_gates_share_a_column_only_if_nothing_crosses():
    circuit = UnifiedCircuit(4).add_gate("CX", [0, 2]).add_gate("X", 1).add_gate("X", 3)
    placed, _ = columns(circuit)
    assert [len(column) for column in placed] == [2, 1]


def test_the_global_phase_is_written_below():
    circuit = UnifiedCircuit(1).add_gate("GlobalPhase", [], np.pi / 2)
    assert draw_text(circuit.add_gate("GlobalPhase", [], "a")).endswith("global phase: a+π/2")


@pytest.mark.parametrize(
    ("value", "text"),
    [(np.pi, "π"), (-np.pi / 2, "-π/2"), (3 * np.pi / 4, "3π/4"), (0.5, "0.5"), (0.0, "0")],
)
def test_numbers_show_fractions_of_pi(value, text):
    assert number_text(value) == text


def test_expressions_are_short():
    assert affine_text(Affine.of("2*x - y + pi")) == "2*x-y+π"
    assert len(affine_text(Affine.of("a_very_long_name_of_a_symbol + another_long_name"))) <= 24


@pytest.mark.parametrize("n_controls", [0, 1])
@pytest.mark.parametrize("name", UNITARY)
def test_every_gate_can_be_drawn(name, n_controls):
    row = GATES[name]
    params = [f"theta_{k}" for k in range(row.n_params)]
    circuit = UnifiedCircuit(4)
    circuit.add_gate(name, [2, 0, 1][: row.n_qubits], params, controls=[3][:n_controls])
    assert draw_text(circuit)
    assert isinstance(draw_mpl(circuit), Figure)


def test_a_picture_renders_with_ink_in_it():
    circuit = hardware_efficient(3, depth=2).add_gate("MS", [2, 0], [0.1, 0.2, "phi"])
    circuit.add_unitary(np.eye(4), [0, 1]).add_unitary(np.eye(4), [0, 2]).add_gate("SWAP", [0, 1])
    circuit.add_gate("RX", 0, "strange[3] + 2*long_name_here + c + d").measure()
    image = rendered(draw_mpl(circuit.add_gate("GlobalPhase", [], "alpha")))
    assert image.shape[0] > 100
    assert image[..., :3].min() < 0.3
    assert image[..., :3].mean() > 0.7


@pytest.mark.slow
def test_names_with_dollars_and_backslashes_render():
    circuit = UnifiedCircuit(1)
    for name in ("a$b", "x\\frac", "{", "ψ", "theta_1_2", "data12", "_"):
        circuit.add_gate("RX", 0, Affine.symbol(name))
    rendered(draw_mpl(circuit))


def test_twenty_qubits_fit_on_a_page():
    width, height = draw_mpl(hardware_efficient(20, depth=1)).get_size_inches()
    assert width < 16
    assert height < 16


def test_long_circuits_wrap_into_rows():
    one = draw_mpl(hardware_efficient(2, depth=1)).get_size_inches()
    many = draw_mpl(hardware_efficient(2, depth=12)).get_size_inches()
    assert many[0] < 16
    assert many[1] > 2 * one[1]


def test_given_axes_are_drawn_into():
    figure = Figure(figsize=(6, 3))
    left, right = figure.subplots(1, 2)
    circuit = hardware_efficient(2, depth=1)
    assert draw_mpl(circuit, ax=left) is figure
    assert left.patches
    assert not right.patches
    rendered(figure)


def test_an_empty_circuit_shows_its_wires():
    rendered(draw_mpl(UnifiedCircuit(2)))
    assert draw_text(UnifiedCircuit(2)).count("q") == 2


def test_a_circuit_too_long_for_a_picture_says_so(monkeypatch):
    monkeypatch.setattr(figure, "MAX_GLYPHS", 5)
    with pytest.raises(CircuitError, match="too long for a picture"):
        draw_mpl(hardware_efficient(4, depth=1))


def test_drawing_leaves_the_state_of_matplotlib_alone():
    before = dict(matplotlib.rcParams)
    draw_mpl(hardware_efficient(2, depth=1))
    assert dict(matplotlib.rcParams) == before


def test_the_circuit_draws_itself():
    circuit = UnifiedCircuit(1).add_gate("X", 0)
    assert str(circuit) == circuit.draw() == draw_text(circuit)
    assert isinstance(circuit.draw("mpl"), Figure)


def test_native_gates_show_turns_in_few_digits():
    circuit = UnifiedCircuit(2).add_gate("MS", [0, 1], [1 / 3, -0.2123456, 0.25])
    circuit.add_gate("GPi2", 0, 1.4e-17).add_gate("GPi", 1, -3e-18).add_gate(
        "ZZ", [0, 1], np.pi / 16
    )
    text = circuit.draw()
    assert "(0.333,-0.212,0.25)" in text
    assert "GPi2(0)" in text and "GPi(0)" in text
    assert "ZZ(0.196)" in text and "π" not in text
    assert isinstance(circuit.draw("mpl"), Figure)
