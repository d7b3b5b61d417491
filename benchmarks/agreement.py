"""Prints how far each backend that is installed here is from Cirq, over all gates of the table.

    python benchmarks/agreement.py [BACKEND ...]

State and expectation: the largest difference of any amplitude or value. Gradient: the largest
error of the slope along a random direction, relative to 1 + the slope. Samples: the least p-value
of chi-square tests of 2000 shots, two for each gate. The gate in brackets is the worst one.
"""

import argparse

from qstore_tf import backends
from qstore_tf.testing.backend_agreement import KINDS, cases, worst


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("backends", nargs="*", help="names; all that can run here if none")
    names = parser.parse_args().backends
    reasons = backends.available()
    names = names or [name for name in reasons if reasons[name] is None and name != "local_cpu"]
    print(f"{len(cases())} circuits, one for each gate, alone and under a control\n")
    print("| backend | dtype | " + " | ".join(KINDS) + " |")
    print("|---" * (2 + len(KINDS)) + "|")
    for name in names:
        backend = backends.get(name)
        for dtype in backend.capabilities.dtypes:
            cells = []
            for kind in KINDS:
                value, where = worst(backend, kind, dtype)
                shown = f"p = {10**-value:.1g}" if kind == "samples" else f"{value:.1e}"
                cells.append(f"{shown} ({where})")
            print(f"| {name} | {dtype} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
