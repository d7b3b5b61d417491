"""The `qstore` command: train, dashboard, launch, draw, compile, ionq-emulator, db, bench, info.

TensorFlow is imported only when a command needs it and after its options have been checked, so
that help and mistakes answer at once. Exit codes: 0 done, 1 an unexpected failure, 2 a mistake
in the command or its data.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import qstore_tf
from qstore_tf.distribute.launch import command as launch_command
from qstore_tf.errors import ConfigurationError, QstoreError, describe
from qstore_tf.store.command import options as command_line

if TYPE_CHECKING:
    from qstore_tf.circuits import UnifiedCircuit
    from qstore_tf.training.options import CircuitOptions

_DESCRIPTION = "Quantum layers for Keras 3: train, draw, measure and inspect."
_DATA_HELP = """\
data:
  digits         1,797 images of 8x8 that come with scikit-learn (default)
  fashion_mnist  70,000 images of 28x28, downloaded by Keras or taken from its cache
  FILE.npz       arrays x [N, ...] and y [N], split 80/20 here,
                 or x_train, y_train, x_test and y_test
  FILE.csv       a header line; the class in the column 'label', numbers in all others

observables:
  z              Z on each qubit
  zz             Z Z on each pair of qubits
  z+zz           both (default)
  XXIIII         a Pauli string, one letter per qubit, qubit 0 first
  0.5 X0 Y1 + Z2 a sum of numbered factors
  Several are joined with ','.
"""


_BENCH_HELP = """\
Without --auto: circuits with gradient per second of each backend.
With --auto: a table of milliseconds for a batch, with and without gradient, exact and from
shots; where the fastest backend changes; and whether backend="auto" would choose it.
"""


_COMPILE_HELP = """\
examples:
  qstore compile circuit.qasm --target forte-1 --json job.json
  qstore compile ansatz.json --target aria-1 --values a=0.5 --values b=pi/4 --mode measured

The file holds OpenQASM 2 or 3 (.qasm), or what to_json wrote (.json). --json writes "input", which
is what IonQ's service takes, and beside it how to read the outcomes: output_permutation[k] is the
wire on which qubit k ends; with --mode measured, output_map says how outcomes are computed.
Prices are those published, with their dates, and the most that a circuit costs by them.
docs/ionq.md explains the options.
"""


_EMULATOR_HELP = """\
examples:
  qstore ionq-emulator
  qstore ionq-emulator --port 9000 --db jobs.sqlite --delay 2 --run-time 1
  qstore ionq-emulator --faults server_error:0.05,lost_answer:0.01 --seed 7

A server with the API of IonQ, v0.3 and v0.4, for the clients of IonQ as they are, and a page that
shows jobs, circuits, outcomes and costs. Nothing is sent anywhere and nothing costs anything.
--faults takes NAME for a fault that happens once, NAME:PROBABILITY for one that goes on happening,
or JSON, or @FILE with JSON, as in qstore_tf.ionq.emulator.faults, which has the table of names.
It trusts everyone who reaches its port: leave --host as it is, or guard it by a network policy.
"""


class _Parser(argparse.ArgumentParser):
    """Reports mistakes as one line and where to read more, instead of the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}. Try '{self.prog} --help'.\n")


def build_parser() -> argparse.ArgumentParser:
    """Builds the parser of the `qstore` command, with one subcommand each."""
    parser = _Parser(prog="qstore", description=_DESCRIPTION)
    parser.add_argument("--version", action="version", version=f"qstore {qstore_tf.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)

    train = _command(
        commands,
        "train",
        _train,
        "train a hybrid classifier, then write model, pictures and logs",
        epilog=_DATA_HELP,
    )
    train.register("action", None, _Given)  # of options that name none
    train.add_argument(
        "--config",
        metavar="FILE",
        help="settings in TOML, YAML or JSON, as qs.TrainingConfig has them; "
        "options may add to them, and must not contradict them",
    )
    train.add_argument("--data", default="digits", help="what to train on (default: %(default)s)")
    _add_circuit_options(train)
    _add(train, "--observables", str, "z+zz", "what is measured")
    _add(train, "--backend", str, "auto", "auto, native, tensorflow or another backend")
    _add(train, "--gradient", str, "auto", "auto, adjoint or parameter_shift")
    _add(train, "--pca", int, None, "reduce to this many principal components", "as many as fit")
    _add(train, "--epochs", int, None, "passes over the data", "40 for digits, 4, 20 for a file")
    _add(train, "--batch", int, 32, "samples per step")
    _add(train, "--learning-rate", float, 0.05, "Adam's, in the first step")
    _add(train, "--seed", int, 0, "decides split, first weights and order")
    _add(train, "--model-dir", str, None, "folder for model and pictures", "runs/DATA-TIME")
    _add(train, "--log-dir", str, None, "folder for TensorBoard", "MODEL_DIR/logs")
    train.add_argument("--quiet", action="store_true", help="no progress bar")

    starter = _command(
        commands,
        "launch",
        launch_command.run,
        launch_command.SUMMARY,
        epilog=launch_command.EXAMPLES,
    )
    launch_command.add_arguments(starter)

    dashboard = _command(commands, "dashboard", _dashboard, "open TensorBoard on a run")
    dashboard.add_argument("directory", metavar="RUN", help="the folder of a run, or of several")
    _add(dashboard, "--port", int, None, "port to listen on", "the first free one from 6006")
    _add(dashboard, "--host", str, "127.0.0.1", "address to listen on")

    draw = _command(commands, "draw", _draw, "draw a circuit as text, or as PNG with -o")
    draw.add_argument("file", nargs="?", help="a circuit as .json or .qasm; else from the options")
    _add_circuit_options(draw)
    draw.add_argument("-o", "--output", metavar="FILE.png", help="write a picture")

    compiler = _command(
        commands,
        "compile",
        _compile,
        "compile a circuit to the native gates of an IonQ machine",
        epilog=_COMPILE_HELP,
    )
    compiler.add_argument("file", help="a circuit as .json or .qasm")
    _add(compiler, "--target", str, "forte-1", "a machine, such as forte-1, aria-1 or simulator")
    _add(compiler, "--optimization-level", int, 3, "0 (gate by gate) to 3 (all passes)")
    _add(compiler, "--entangler", str, None, "ZZ or MS", "the machine's own")
    _add(compiler, "--mode", str, "unitary", "unitary; state: from |0...0>; measured: and read")
    _add(compiler, "--max-partial", float, 0.25, "largest angle, in turns, of a partial entangler")
    _add(compiler, "--approximation", float, 0.0, "infidelity that may be given up for fewer gates")
    compiler.add_argument(
        "--search",
        action="store_true",
        help="also search for fewer entanglers, at level 3; takes seconds to minutes",
    )
    _add(compiler, "--shots", int, 1000, "the number of shots that prices are for")
    compiler.add_argument(
        "--values",
        action="append",
        default=[],
        metavar="NAME=NUMBER",
        help="the value of a symbol, may be repeated",
    )
    compiler.add_argument("--draw", action="store_true", help="draw the native circuit as text")
    compiler.add_argument("--json", metavar="FILE", help="write job and report there")

    database = _command(commands, "db", _db, command_line.SUMMARY, epilog=command_line.EXAMPLES)
    command_line.add_arguments(database)

    emulator = _command(
        commands,
        "ionq-emulator",
        _ionq_emulator,
        "run a local IonQ to develop against, without a key and without costs",
        epilog=_EMULATOR_HELP,
    )
    _add(emulator, "--port", int, 8042, "port to listen on; 0 for one that is free")
    _add(emulator, "--host", str, "127.0.0.1", "address to listen on")
    _add(emulator, "--keys", str, None, "keys that are good: KEY,KEY or @FILE", "any key")
    _add(emulator, "--delay", float, 0.0, "seconds that a job waits")
    _add(emulator, "--run-time", float, 0.0, "seconds that a job runs")
    _add(emulator, "--circuit-time", float, 0.0, "seconds more for each circuit of a job")
    _add(emulator, "--latency", float, 0.0, "seconds that every answer takes")
    _add(emulator, "--lag", float, 0.0, "seconds until a new job appears in lists")
    _add(emulator, "--slots", int, None, "jobs that a machine runs at a time", "all")
    _add(emulator, "--db", str, None, "file that keeps jobs over restarts", "in memory")
    _add(emulator, "--faults", str, None, "what goes wrong, see below", "nothing")
    _add(emulator, "--seed", int, 0, "decides shots and faults")
    emulator.add_argument(
        "--ideal", action="store_true", help="machines have no noise, only shots (default: noise)"
    )

    bench = _command(commands, "bench", _bench, "measure speed on this machine", epilog=_BENCH_HELP)
    _add(bench, "--seconds", float, None, "time to spend on each figure", "1, with --auto 0.05")
    bench.add_argument(
        "--backend",
        action="append",
        metavar="NAME",
        help="a backend to measure, may be repeated (default: native and tensorflow, "
        "with --auto all that are installed)",
    )
    bench.add_argument(
        "--auto", action="store_true", help="measure which backend is fastest for which circuits"
    )
    _add(bench, "--budget", float, 100.0, "with --auto: seconds after which no figure is begun")
    _add(bench, "--longest", float, 1.0, "with --auto: leave out runs that take more seconds")
    for name, values in (("qubits", "4,8,12,16,20"), ("depths", "2,8"), ("batches", "1,32,256")):
        bench.add_argument(
            f"--{name}",
            default=values,
            metavar="N,N",
            help=f"with --auto: {name} to measure (default: {values})",
        )
    bench.add_argument("--json", metavar="FILE", help="with --auto: write the figures there too")

    info = _command(commands, "info", _info, "show versions, op library, threads and backends")
    info.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _command(
    commands: argparse._SubParsersAction[_Parser],
    name: str,
    run: Callable[[argparse.Namespace], int | None],
    summary: str,
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    parser.add_argument("--debug", action="store_true", help="show tracebacks and all log lines")
    return parser


def _add(
    parser: argparse.ArgumentParser,
    option: str,
    kind: type,
    default: object,
    text: str,
    default_text: str = "%(default)s",
) -> None:
    parser.add_argument(
        option,
        type=kind,
        default=default,
        metavar={int: "N", float: "X", str: "NAME"}[kind],
        help=f"{text} (default: {default_text})",
    )


class _Given(argparse.Action):
    """Stores a value, and notes that it was given: a default is no wish."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        namespace.given = {**getattr(namespace, "given", {}), self.dest: option_string}


def _add_circuit_options(parser: argparse.ArgumentParser) -> None:
    _add(parser, "--qubits", int, 6, "number of qubits")
    _add(parser, "--depth", int, 10, "layers of the trained circuit")
    _add(parser, "--entanglement", str, "circular", "linear, circular, full or pairs")
    _add(parser, "--encoding", str, "amplitude", "amplitude, angle or basis")
    _add(
        parser,
        "--ansatz",
        str,
        "hardware_efficient",
        "hardware_efficient or hardware_efficient_reduced",
    )


def _circuit_options(arguments: argparse.Namespace) -> CircuitOptions:
    from qstore_tf.training.options import CircuitOptions

    options = CircuitOptions(
        qubits=arguments.qubits,
        depth=arguments.depth,
        entanglement=arguments.entanglement,
        encoding=arguments.encoding,
        ansatz=arguments.ansatz,
    )
    options.check()
    return options


def _start_tensorflow(arguments: argparse.Namespace) -> None:
    if arguments.debug:
        return
    from qstore_tf.training.quiet import import_tensorflow_quietly

    import_tensorflow_quietly()


def _train(arguments: argparse.Namespace) -> None:
    if arguments.config is not None:
        from qstore_tf.training import command as with_config

        with_config.run(arguments, lambda: _start_tensorflow(arguments))
        return
    from qstore_tf.training.options import TrainOptions

    options = TrainOptions(
        data=arguments.data,
        circuit=_circuit_options(arguments),
        observables=arguments.observables,
        backend=arguments.backend,
        gradient=arguments.gradient,
        pca=arguments.pca,
        epochs=arguments.epochs,
        batch_size=arguments.batch,
        learning_rate=arguments.learning_rate,
        seed=arguments.seed,
        log_dir=arguments.log_dir,
        model_dir=arguments.model_dir,
        verbose=0 if arguments.quiet else 1,
    )
    options.check()
    _start_tensorflow(arguments)
    from qstore_tf.training.train import train

    train(options, say=lambda line: print(line, flush=True))


def _dashboard(arguments: argparse.Namespace) -> None:
    from qstore_tf.callbacks import dashboard

    dashboard.check_run(arguments.directory)
    dashboard.check_port(arguments.port)
    dashboard.check_tensorboard()
    _start_tensorflow(arguments)

    def say(line: str) -> None:
        print(line, flush=True)

    dashboard.serve(arguments.directory, arguments.port, arguments.host, say)


def _draw(arguments: argparse.Namespace) -> None:
    from qstore_tf.circuits.reading import read_file

    if arguments.file is not None:
        circuit = read_file(Path(arguments.file))
    else:
        circuit = _layer_circuit(_circuit_options(arguments))
    if arguments.output is None:
        print(circuit.draw())
        return
    output = Path(arguments.output)
    if output.suffix.lower() != ".png":
        raise ConfigurationError(
            describe(
                "-o writes a PNG file", expected="a name that ends in .png", received=str(output)
            )
        )
    from qstore_tf.circuits.drawing import draw_mpl

    output.parent.mkdir(parents=True, exist_ok=True)
    draw_mpl(circuit).savefig(output, dpi=130, bbox_inches="tight")
    print(output)


def _compile(arguments: argparse.Namespace) -> None:
    from qstore_tf.ionq import command

    command.run(arguments)


def _db(arguments: argparse.Namespace) -> int:
    from qstore_tf.store.command import actions

    return actions.run(arguments)


def _ionq_emulator(arguments: argparse.Namespace) -> int:
    from qstore_tf.ionq.emulator import command

    return command.run(arguments)


def _layer_circuit(options: CircuitOptions) -> UnifiedCircuit:
    from qstore_tf.circuits.ansatz import get_ansatz
    from qstore_tf.circuits.encodings import get_encoding

    encoding = get_encoding(options.encoding)(options.qubits, name="x")
    ansatz = get_ansatz(options.ansatz)(options.qubits, options.depth, options.entanglement)
    return encoding.compose(ansatz)


def _bench(arguments: argparse.Namespace) -> None:
    seconds = arguments.seconds
    if seconds is None:
        seconds = 0.05 if arguments.auto else 1.0
    _check_time("--seconds", seconds, 600.0)
    if arguments.auto:
        _bench_auto(arguments, seconds)
        return
    backends = arguments.backend or ["native", "tensorflow"]
    _start_tensorflow(arguments)
    from qstore_tf import backends as registry
    from qstore_tf.training.speed import measure

    for name in backends:
        if name != "native":  # its absence is a result, not a mistake
            registry.get(name)
    print("Circuits with gradient per second, float32, loop inside one graph")
    print(f"{'qubits':>6} {'depth':>6} {'batch':>6}" + "".join(f"{b:>14}" for b in backends))
    problems: dict[str, str] = {}
    for row in measure(backends, seconds=seconds):
        rates = [row.circuits_per_second[name] for name in backends]
        cells = "".join(f"{'-' if rate is None else format(rate, ',.0f'):>14}" for rate in rates)
        first, last = rates[0], rates[-1]
        ratio = f"  {first / last:,.1f} x" if len(rates) == 2 and first and last else ""
        print(f"{row.n_qubits:6} {row.depth:6} {row.batch_size:6}{cells}{ratio}", flush=True)
        problems.update(row.problems)
    for name, problem in problems.items():
        print(f"{name}: {problem}")


def _bench_auto(arguments: argparse.Namespace, seconds: float) -> None:
    _check_time("--budget", arguments.budget, 36_000.0)
    _check_time("--longest", arguments.longest, 36_000.0)
    sizes = {
        name: _whole_numbers(f"--{name}", getattr(arguments, name))
        for name in ("qubits", "depths", "batches")
    }
    output = None if arguments.json is None else Path(arguments.json)
    if output is not None and not output.parent.is_dir():
        raise ConfigurationError(
            describe(
                "--json cannot be written there",
                expected="a file in a folder that exists",
                received=str(output),
            )
        )
    _start_tensorflow(arguments)
    from qstore_tf import backends as registry
    from qstore_tf.training import crossovers

    names = arguments.backend or crossovers.measurable()
    for name in names:
        registry.get(name)
    facts = {"date": time.strftime("%Y-%m-%d"), **crossovers.machine(names, _threads())}
    print(", ".join(f"{name} {value}" for name, value in facts.items()))
    print("The last column: the fastest, and how many times as long the second takes")
    print("Milliseconds for a batch, float32, loop inside one graph")
    rows = []
    part = None
    grid = crossovers.Grid(sizes["qubits"], sizes["depths"], sizes["batches"])
    for row in crossovers.measure(names, grid, seconds, arguments.budget, arguments.longest):
        rows.append(row)
        if not row.seconds:
            continue
        if part != (row.case.gradient, row.case.shots):
            part = (row.case.gradient, row.case.shots)
            print(f"\n{crossovers.title(*part)}\n{crossovers.head(names)}")
        print(crossovers.line(row, names), flush=True)
    print()
    print("\n".join(crossovers.summary(rows)))
    if output is not None:
        plain = {"machine": facts, "rows": [row.as_dict() for row in rows]}
        output.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def _check_time(option: str, value: float, most: float) -> None:
    if not 0.0 < value <= most:
        raise ConfigurationError(
            describe(
                f"{option} is out of range",
                expected=f"a number above 0, at most {most:.0f}",
                received=value,
            )
        )


def _whole_numbers(option: str, text: str) -> tuple[int, ...]:
    words = text.split(",")
    if not all(word.strip().isdecimal() and 1 <= int(word) <= 10_000 for word in words):
        raise ConfigurationError(
            describe(
                f"{option} is a list of sizes",
                expected="whole numbers from 1 to 10000, joined with ','",
                received=text,
            )
        )
    return tuple(sorted({int(word) for word in words}))


def _info(arguments: argparse.Namespace) -> None:
    _start_tensorflow(arguments)
    facts = collect_info()
    if arguments.json:
        print(json.dumps(facts, indent=2))
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        print(f"{name:<{width}}  {value if value is not None else '-'}")


def collect_info() -> dict[str, str | int | None]:
    """Collects what a bug report needs: versions, op library, SIMD level, threads, backends."""
    from importlib.metadata import PackageNotFoundError, version

    from qstore_tf import backends
    from qstore_tf.ops import library

    def installed(distribution: str) -> str | None:
        try:
            return version(distribution)
        except PackageNotFoundError:
            return None

    status = library.status()
    facts: dict[str, str | int | None] = {
        "qstore_tf": qstore_tf.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
    }
    for name in ("tensorflow", "keras", "tf-keras", "numpy", "cirq-core", "tensorflow-quantum"):
        facts[name] = installed(name)
    facts["op library"] = "loaded" if status.loaded else f"not loaded: {status.reason}"
    facts["op library file"] = str(status.path) if status.path else None
    facts["op library version"] = status.version
    facts["simd"] = status.simd
    facts["threads"] = _threads()
    for name, problem in backends.available().items():
        facts[f"backend {name}"] = problem or "available"
    return facts


def _threads() -> int:
    override = os.environ.get("QSTORE_NUM_THREADS", "")
    if override.isdigit() and int(override) > 0:
        return int(override)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the `qstore` command.

    Args:
        argv: the arguments after the command's name; `None` for those of the process.

    Returns:
        The exit code.
    """
    arguments = build_parser().parse_args(argv)
    try:
        return arguments.run(arguments) or 0
    except KeyboardInterrupt:
        print("qstore: stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except (QstoreError, OSError) as error:
        if arguments.debug:
            raise
        print(f"qstore {arguments.command}: error: {error}", file=sys.stderr)
        return 2
    except Exception as error:
        if arguments.debug:
            raise
        print(
            f"qstore {arguments.command}: internal error: {type(error).__name__}: {error}\n"
            "Run it again with --debug for the traceback.",
            file=sys.stderr,
        )
        return 1
