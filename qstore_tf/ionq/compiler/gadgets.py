"""Compiles a circuit anew from its rotations about many letters, where that may pay.

Ladders of CX around each rotation, as circuits for molecules have them, hide what neighbours have
in common. Pulled out (`pulling`) and built anew (`synthesis`), the same circuit takes a fraction of
the entanglers. It is a greedy search, so it is repeated with other weights.
"""

from __future__ import annotations

from qstore_tf.ionq.compiler.conjugating import is_quarter
from qstore_tf.ionq.compiler.outcomes import OutcomeMap
from qstore_tf.ionq.compiler.pulling import fold, needed_for_outcomes, pull
from qstore_tf.ionq.compiler.rotations import Rotations
from qstore_tf.ionq.compiler.synthesis import Synthesis, Weights

# None of them alone is the best for all circuits of the benchmark.
WEIGHTS = (
    Weights(30, 10, 0, 0),
    Weights(20, 10, 0, 0),
    Weights(30, 10, 30, 1),
    Weights(30, 30, 0, 1),
    Weights(50, 20, 0, 0),
    Weights(50, 10, 0, 0),
)
# Rotations times wires; the time grows somewhat faster than that.
LIMIT = 4000
# Where strings have so many letters for each entangler, not counting the first of each, ladders are
# shared already: no circuit of the benchmark with more than 1.9 got shorter.
_SHARED = 2.0


def fewer_entanglers(
    circuit: Rotations, present: Rotations, *, measured: bool, partial: bool = True
) -> tuple[Rotations, OutcomeMap] | None:
    """Returns a circuit built anew and its outcomes, if it has fewer entanglers than at present.

    Args:
        circuit: The circuit, as yet with all that its outcomes do not need.
        present: What other passes have made of it.
        measured: Whether only outcomes in Z of |0...0> have to stay.
        partial: Whether partial entanglers may be used.
    """
    entangling = [rotation for rotation in present.rotations if rotation.is_entangling]
    most = len(entangling)
    wires = {wire for rotation in entangling for wire in rotation.wires}
    if measured:
        hidden = most > 0 and any(map(is_quarter, circuit.rotations))
    else:
        # Joining n wires takes n - 1 entanglers.
        hidden = most >= len(wires) and any(map(is_quarter, entangling))
    count = sum(not is_quarter(rotation) for rotation in circuit.rotations)
    if not hidden or count * circuit.n_wires > LIMIT:
        return None
    pulled = fold(pull(circuit))
    if measured:
        pulled = fold(needed_for_outcomes(pulled))
    letters = sum(string.weight - 1 for string, _ in pulled.gadgets)
    if letters > _SHARED * most:
        return None
    best = None
    for attempt, weights in enumerate(WEIGHTS):
        synthesis = Synthesis(pulled, weights, measured=measured, partial=partial)
        found = synthesis.run(most - 1)
        if found is not None:
            best, most = found, synthesis.entanglers
        elif best is None and (attempt or synthesis.left):
            # There is no use in going on unless it has paid, or nearly did at first.
            return None
    return best
