"""Unmodified clients against the local IonQ as people start it; `make conformance` has all."""

import importlib.util
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from test_command import emulator

CONFORMANCE = Path(__file__).resolve().parents[2] / "conformance"


@pytest.fixture(scope="module")
def host():
    with emulator() as (_, address, _):
        yield address


def runner():
    spec = importlib.util.spec_from_file_location("conformance_run", CONFORMANCE / "run.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("client", "works"), [("cirq-ionq", 13), ("pennylane-ionq", 11)])
def test_a_client_does_its_work(host, client, works):
    pytest.importorskip(client.replace("-", "_"))
    # Here jobs are done at once, so that nobody waits, and nothing is left to cancel.
    script = f"{client.replace('-', '_')}_works.py"
    found = runner().run(sys.executable, script, host, "cancel and delete")
    assert {work: problem for work, problem in found.items() if problem} == {}, version(client)
    assert len(found) >= works
