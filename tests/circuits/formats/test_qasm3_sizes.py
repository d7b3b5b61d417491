"""Short OpenQASM 3 texts that ask for much, and long ones, are answered soon and in little memory.

Time is that of the process, not of the clock, and memory what Python asked for, so that a busy
machine does not matter; the answer takes about a second and 50 MB when nothing else runs.
"""

import re
import time
import tracemalloc

import numpy as np
import pytest

from qstore_tf.circuits.unified import UnifiedCircuit
from qstore_tf.errors import ConversionError
from qstore_tf.limits import LIMITS, QASM3_OPERATIONS, QASM3_TOKENS
from qstore_tf.testing.daily import daily_seed, todays
from qstore_tf.testing.extras import needs_extra

from_qasm3 = UnifiedCircuit.from_qasm3

needs_extra("openqasm3.parser")

HEAD = 'include "stdgates.inc"; '
SECONDS = 8.0
BYTES = 200e6
N_RANDOM = 6


def answered(text, seconds=SECONDS):
    """The error, or None where the text is read."""
    start = time.process_time()
    try:
        from_qasm3(text)
        return None
    except ConversionError as error:
        return str(error)
    finally:
        assert time.process_time() - start < seconds


@pytest.fixture
def tenth(monkeypatch):
    """A tenth of the limits, which has to need a tenth of the time and of the memory."""
    for limit in (QASM3_OPERATIONS, QASM3_TOKENS):
        monkeypatch.setenv(limit.variable, str(limit.most // 10))


@pytest.fixture(scope="module", autouse=True)
def _warm():
    # The first text builds the parser's tables.
    answered(HEAD + "qubit q; pow(0.5) @ x q;")


class Texts:
    """Random texts that multiply: each part may be within any other."""

    def __init__(self, rng):
        self.rng = rng

    def number(self):
        return str(self.rng.choice(["3", "100", "30000", "10**9", "1 << 40", "999999999999999999"]))

    def program(self):
        size = int(self.rng.choice([1, 9, 500, 2000]))
        depth = int(self.rng.integers(1, 40))
        calls = int(self.rng.integers(1, 4))
        power = self.rng.choice(["", "pow(2) @ ", "pow(7) @ ", "inv @ ", "pow(0.3) @ "])
        first = self.rng.choice(["", "h x;", "rx(a) x;", "U(a, a/2, 1) x; gphase(a);"])
        definitions = [f"gate g0(a) x {{ {first} }}"]
        for k in range(1, depth):
            body = f"{power}g{k - 1}(a + a) x; " * calls
            definitions.append(f"gate g{k}(a) x {{ {body} }}")
        inputs = f"input array[float, {self.number()}] w; input float t; "
        start = f"qubit[{size}] q; qubit[{size}] r; {inputs}{' '.join(definitions)} "
        return HEAD + start + self.block(int(self.rng.integers(0, 6)), depth, 0)

    def block(self, depth, n_gates, level):
        statements = [
            "x q;", "cx q, r;", "let a = q ++ r;", "barrier q;", "reset q;", "ctrl @ x q, r;",
            f"g{n_gates - 1}(0.1) q;", f"g{n_gates - 1}(t) q[0];", "rx(w[0] + 2 * t) q;",
            f"pow({self.number()}) @ x q[0];", "pow(0.3) @ cx q, r;", "{ let b = q[0:1]; }",
            f"const int n = {self.number()}; ", f"const int n = 2 ** ({self.number()});",
            f"rx({' + '.join(['0.1'] * 50)}) q[0];", f"const uint[{self.number()}] n = 1;",
            "for int k in {0, 1, 2} { cz q[k], r[k]; }", "if (1 < 2) { y r; }",
        ]  # fmt: skip
        chosen = self.rng.choice(statements, int(self.rng.integers(1, 4)), replace=False)
        text = " ".join(chosen.tolist())
        if depth == 0:
            return text
        inner = self.block(depth - 1, n_gates, level + 1)
        around = f"for int i{level} in [0:{self.number()}] {{ {inner} }}"
        return f"{around} {text}" if self.rng.random() < 0.3 else around


def test_random_texts_that_multiply_are_answered(tenth):
    texts = Texts(np.random.default_rng([daily_seed(), 46]))
    for _ in range(N_RANDOM):
        answered(texts.program(), SECONDS / 4)


def loops(body, declarations="qubit[9] q;", depth=5):
    return HEAD + declarations + "for int i in [0:99] { " * depth + body + "}" * depth


GREEDY = {
    "definitions": HEAD + "".join(f"gate g{k} a {{ x a; }} " for k in range(30_000)),
    "3 MB": HEAD + "qubit q; " + "x q; " * 600_000,
    "tokens": HEAD + "qubit q; " + "x q; " * 20_000,
    "open comments": HEAD + "/*" * 450_000,
    "loops of gates": loops("rx(0.1 * i + sin(i)) q[i % 9];"),
    "empty loops": loops(""),
    "loops of constants": loops("const int a = i * i + 3 * (i - 1) / 2;"),
    "loops of definitions": loops(
        "c q[0];", "qubit[9] q; gate a x { } gate b x { a x; a x; } gate c x { b x; b x; }"
    ),
    "loops of measurements": loops("measure q;", "qubit[4000] q;"),
    "loops of aliases": loops("let a = q[0:3999];", "qubit[4000] q;"),
    "loops of powers": loops("pow(0.3) @ ccx q[0], q[1], q[2];"),
    "registers": loops("cx q, r;", "qubit[2000] q; qubit[2000] r;"),
    "controls": HEAD + "qubit[2000] q; for int i in [0:9999] { ctrl(1999) @ x "
    + ", ".join(f"q[{k}]" for k in range(2000)) + "; }",
    "terms": HEAD + "input array[float, 10**18] w; qubit q; gate g(a) x { rx(a) x; rx(a/2) x; } "
    "for int i in [0:9999] { g(" + " + ".join(f"w[{k}]" for k in range(150)) + ") q; }",
    "powers of powers": HEAD + "qubit q; gate a x { pow(300) @ h x; } "
    "gate b x { pow(300) @ a x; } gate c x { pow(300) @ b x; } c q;",
    "a power": HEAD + "qubit q; pow(10**9) @ x q;",
    "an empty power": HEAD + "qubit q; gate e x { } pow(10**18) @ e q;",
    "a range": HEAD + "qubit q; for int i in [0:999999999999999999] { }",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", todays(GREEDY))
def test_limits_are_named_with_how_to_raise_them(name):
    found = re.search(
        r"has too many \w+\. Expected: at most (\d+)\. Received: (?:at least )?(\d+)\. "
        r"If this is meant, set the environment variable (\w+) to a larger number",
        answered(GREEDY[name]),
    )
    most, received, variable = found.groups()
    (limit,) = [limit for limit in LIMITS if limit.variable == variable]
    assert int(received) > int(most) and int(most) % limit.most == 0


HUGE = [
    "const int a = 1 << 10**18;", "const int a = 2**(10**18);", "rx(" + "9" * 900_000 + ") q;",
    "rx(0x" + "f" * 900_000 + ") q;", 'bit[4] b = "' + "1" * 900_000 + '";',
    "const uint[10**18] a = 1;", "qubit[10**18] r;", "ctrl(10**18) @ x q;",
    "x q[10**18];", "let a = q[0:10**18];", "array[int, 10**18] a = {1};",
    "rx(" + "1 + " * 20_000 + "1) q;", "rx(" + "(" * 10_000 + "1" + ")" * 10_000 + ") q;",
    "for int i in [0:1] " * 4_000 + "x q;", "rx(" + "2 ** " * 10_000 + "2) q;",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("number", todays(range(len(HUGE))))
def test_huge_numbers_and_deep_texts_are_refused(number):
    assert answered(HEAD + "qubit q; " + HUGE[number]) is not None


def test_memory_stays_small(tenth):
    # What traces memory is slow.
    texts = [
        HEAD + "".join(f"gate g{k} a {{ x a; }} " for k in range(500)) + "qubit q; g9 q;",
        HEAD + "".join(f"input array[float, 200000] a{k}; " for k in range(450)) + "qubit q;",
        loops("cx q, r;", "qubit[2000] q; qubit[2000] r;"),
        GREEDY["powers of powers"], GREEDY["terms"], GREEDY["registers"],
        HEAD + "qubit[9] q; for int i in [0:9999] { rx(0.1 * i) q; }",
    ]  # fmt: skip
    tracemalloc.start()
    try:
        for text in todays(texts):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            answered(text)
            assert tracemalloc.get_traced_memory()[1] - before < BYTES / 10
    finally:
        tracemalloc.stop()


def test_raised_limits_count(monkeypatch):
    text = HEAD + "qubit q; for int i in [0:19] { x q; }"
    monkeypatch.setenv(QASM3_OPERATIONS.variable, "19")
    assert QASM3_OPERATIONS.variable in str(answered(text))
    monkeypatch.setenv(QASM3_OPERATIONS.variable, "20")
    assert answered(text) is None
    monkeypatch.setenv(QASM3_TOKENS.variable, "20")
    assert QASM3_TOKENS.variable in str(answered(text))
