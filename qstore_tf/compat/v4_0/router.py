"""`SmartBackendRouter` of the design of version 4.0: `qs.routing.Router`."""

from __future__ import annotations

from qstore_tf import backends
from qstore_tf.circuits import compile_circuit
from qstore_tf.compat.circuits import AnyCircuit, circuit_of
from qstore_tf.routing import Explanation, Router, recommended
from qstore_tf.training.chosen_backends import ChosenBackends
from qstore_tf.training.config import TrainingConfig


class SmartBackendRouter:
    """Chooses among the backends of a configuration; a `Router` does it batch by batch.

    Args:
        config: Its backends, priority and budget are read; without backends, "auto" is the only
            one.

    Example:
        >>> from qstore_tf import UnifiedCircuit
        >>> config = TrainingConfig(backends=[{"name": "a", "type": "tensorflow"}])
        >>> router = SmartBackendRouter(config)
        >>> found = router.route_circuit(UnifiedCircuit(1).add_gate("H", 0), priority="speed")
        >>> found.chosen.member.kind
        'tensorflow'
    """

    def __init__(self, config: TrainingConfig) -> None:
        self.config = config
        chosen = ChosenBackends(config)
        names = [entry.name for entry in config.backends] or ["auto"]
        self._members = [chosen.get(name) for name in names]
        self._routers: dict[tuple[str, float], Router] = {}

    def route_circuit(
        self,
        circuit: AnyCircuit,
        precision_required: float = 0.9,
        priority: str | None = None,
        shots: int | None = None,
    ) -> Explanation:
        """Returns which backend would run a circuit, with all scores; `print` shows them.

        Args:
            circuit: The circuit; symbols count as trained.
            precision_required: The least precision, from 0 to 1.
            priority: "balanced", "cost" or "speed"; None: the configuration's.
            shots: Of each circuit; None: the backends' own.
        """
        router = self._router(priority or self.config.routing_priority, precision_required)
        return router.explain(compile_circuit(circuit_of(circuit)), shots)

    def get_backend_recommendations(self, workload_type: str = "training") -> list[str]:
        """Returns the backends for a kind of work, the first first.

        Args:
            workload_type: "development", "training", "validation", "production" or "research".

        Example:
            >>> SmartBackendRouter(TrainingConfig()).get_backend_recommendations("validation")
            ['ionq_simulator', 'ionq_hardware']
        """
        return list(recommended(workload_type).names)

    def _router(self, priority: str, precision: float) -> Router:
        key = (priority, precision)
        if key not in self._routers:
            self._routers[key] = Router(self._members, priority, precision)
        return self._routers[key]


def auto_select(
    n_qubits: int, has_gpu: bool | None = None, prefer_speed: bool = True
) -> backends.Backend:
    """Returns the simulator of `backend="auto"`.

    Args:
        n_qubits: Qubits; the choice is the same for all that fit into memory.
        has_gpu: None: as it is. True: "tensorflow", which runs on one.
        prefer_speed: False: "tensorflow", the plain one.

    Example:
        >>> auto_select(4, prefer_speed=False).name
        'tensorflow'
    """
    backends.recommend(n_qubits=n_qubits)  # refuses what does not fit
    if has_gpu or not prefer_speed:
        return backends.get("tensorflow")
    return backends.get("auto")
