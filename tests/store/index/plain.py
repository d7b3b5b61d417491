"""A namespace as a dict of items, searched by `measurement.measure` row by row; and random ones."""

import json
import math
from dataclasses import dataclass, field

import numpy as np

from qstore_tf.store.arguments.filters import matches
from qstore_tf.store.definitions.encoding import METRICS
from qstore_tf.store.definitions.measurement import measure
from qstore_tf.store.index.changes import Changes, GroupState
from qstore_tf.store.index.exact import ExactIndex

NAMES = ["a", "b", "c"]


@dataclass
class Row:
    key: str
    vector: np.ndarray
    written_at: float
    coherence_time: float
    metadata: dict | None
    contexts: list  # (name, weight, own vector or None)


@dataclass
class Plain:
    metric: str
    dimension: int
    is_complex: bool = False
    rows: dict = field(default_factory=dict)
    groups: dict = field(default_factory=dict)  # number -> [rho, accumulator, members]
    longest: float = 0.0

    def take(self, changes):
        for position, slot in enumerate(changes.slots.tolist()):
            text = changes.metadata[position]
            self.rows[slot] = Row(
                changes.keys[position],
                changes.vectors[position],
                float(changes.written_at[position]),
                float(changes.coherence_time[position]),
                None if text is None else json.loads(text),
                [(c, w, v) for p, c, w, v in changes.contexts if p == position],
            )
        for slot in changes.removed.tolist():
            self.rows.pop(slot, None)
        for group in changes.groups:
            if group.members is not None and not len(group.members):
                self.groups.pop(group.number, None)
                continue
            old = self.groups.get(group.number, [0, 0, []])
            members = old[2] if group.members is None else group.members.tolist()
            self.groups[group.number] = [group.rho, group.accumulator, members]
        self.longest = max(self.longest, changes.max_norm)

    def effective(self, slot):
        vector = self.rows[slot].vector.astype(complex if self.is_complex else float)
        for rho, accumulator, members in self.groups.values():
            if slot in members:
                vector = vector + rho * accumulator
        return vector

    def outcomes(self, query, context=None, rank_by="score", at_ms=0.0, tree=None):
        """All that can be found: (slot, key, outcome, coherence)."""
        metric = METRICS[self.metric]
        norms = [np.linalg.norm(self.effective(slot)) for slot in self.rows]
        longest = max([self.longest, *norms])
        asked = metric.encode_query(query)
        found = []
        for slot, row in self.rows.items():
            if tree is not None and not matches(tree, row.metadata or {}):
                continue
            contexts = row.contexts or [("", 1.0, None)]
            vectors = [self.effective(slot) if v is None else v for _, _, v in contexts]
            eta = math.exp(-max(at_ms - row.written_at, 0) / row.coherence_time)
            outcome = measure(
                [name for name, _, _ in contexts],
                [weight for _, weight, _ in contexts],
                metric.encode(np.array(vectors), longest),
                asked,
                context,
                rank_by=rank_by,
                eta=eta,
                data_qubits=metric.n_qubits(self.dimension),
                context_qubits=(len(NAMES) - 1).bit_length(),
            )
            if outcome is not None:
                found.append((slot, row.key, outcome, eta))
        return sorted(found, key=lambda hit: (-hit[2].score, hit[1]))


class Twins:
    """An index and its plain model, fed with the same random changes."""

    def __init__(
        self, seed, metric, dimension, is_complex=False, own=True, tied=False, decays=True
    ):
        self.rng = np.random.default_rng(seed)
        self.plain = Plain(metric, dimension, is_complex)
        self.index = ExactIndex(dimension, metric, np.complex64 if is_complex else np.float32)
        self.own, self.tied, self.decays = own, tied, decays
        self.commit = 0
        self.next_slot = 0
        self.now = 1.7e12
        self.longest = 0.0

    def vectors(self, n):
        shape = (n, self.plain.dimension)
        if self.tied:  # few different ones, exact in float32, none of them zero
            rows = self.rng.integers(0, 2, shape) + 0.0
            rows[:, 0] = 1
        else:
            rows = self.rng.normal(size=shape) * self.rng.uniform(0.2, 3, (n, 1))
        if self.plain.is_complex:
            return (rows + 1j * self.rng.normal(size=shape)).astype(np.complex64)
        return rows.astype(np.float32)

    def query(self):
        return self.vectors(1)[0].astype(complex if self.plain.is_complex else float)

    def contexts(self, position):
        rng = self.rng
        if rng.random() < 0.3:
            return []
        names = rng.permutation(NAMES)[: rng.integers(1, len(NAMES) + 1)]
        weights = rng.dirichlet(np.ones(len(names)))
        if rng.random() < 0.2:
            weights = np.eye(len(names))[0]  # the others have weight 0
        return [
            (position, str(name), float(weight), self.vectors(1)[0] if self.owns() else None)
            for name, weight in zip(names, weights, strict=True)
        ]

    def owns(self):
        return self.own and self.rng.random() < 0.4

    def changes(self, new=8, old=3, removed=2, groups=True):
        rng = self.rng
        there = list(self.plain.rows)
        picked = rng.permutation(there)[: old + removed].astype(np.int64)
        gone, again = picked[: min(removed, len(picked))], picked[removed:]
        fresh = np.arange(self.next_slot, self.next_slot + new) * 2
        self.next_slot += new
        slots = np.concatenate([fresh, again]).astype(np.int64)
        rng.shuffle(slots)
        n = len(slots)
        vectors = self.vectors(n)
        contexts = [entry for position in range(n) for entry in self.contexts(position)]
        self.commit += 1
        states = self.groups_changed(gone) if groups else []
        norms = [np.linalg.norm(v.astype(complex)) for v in vectors]
        norms += [np.linalg.norm(v.astype(complex)) for *_, v in contexts if v is not None]
        self.longest = max([self.longest, *norms])
        return Changes(
            slots=slots,
            keys=[f"k{rng.integers(10)}-{slot}" for slot in slots],
            vectors=vectors,
            written_at=self.now + rng.uniform(-100, 10, n),
            coherence_time=np.where(
                rng.random(n) < 0.5 * self.decays, rng.uniform(10, 1000, n), np.inf
            ),
            metadata=[
                None if rng.random() < 0.2 else json.dumps({"x": int(rng.integers(4))})
                for _ in range(n)
            ],
            contexts=contexts,
            removed=gone,
            groups=states,
            max_norm=float(self.longest),
            context_names=NAMES,
            commit=self.commit,
        )

    def groups_changed(self, gone):
        rng, plain = self.rng, self.plain
        left = [slot for slot in plain.rows if slot not in set(gone.tolist())]
        states = []
        for number in range(3):
            known = number in plain.groups
            fate = rng.random()
            if known and fate < 0.1:
                members = np.empty(0, np.int64)
            elif left and (not known or fate < 0.3):
                members = rng.permutation(left)[: rng.integers(1, 6)].astype(np.int64)
            else:
                members = None
            if fate < 0.7 and (known or members is not None):
                rho = plain.groups[number][0] if members is None else rng.uniform(-0.2, 0.9)
                step = rng.normal(size=plain.dimension) + (
                    1j * rng.normal(size=plain.dimension) if plain.is_complex else 0
                )
                states.append(GroupState(number, float(rho), step, members))
        return states

    def apply(self, **options):
        changes = self.changes(**options)
        self.index.apply(changes)
        self.plain.take(changes)
        self.now += self.rng.uniform(0, 100)

    def check(self, queries, k, context=None, rank_by="score", tree=None, atol=1e-11):
        hits = self.index.search(
            queries, k, context=context, rank_by=rank_by, at_ms=self.now, filter=tree
        )
        for i, query in enumerate(queries):
            want = self.plain.outcomes(query, context, rank_by, self.now, tree)
            by_slot = {slot: (key, outcome, eta) for slot, key, outcome, eta in want}
            size = min(k, len(want))
            assert len(hits.keys[i]) == hits.slots.shape[1] == size
            assert len(set(hits.slots[i].tolist())) == size
            for j in range(size):
                key, outcome, eta = by_slot[int(hits.slots[i, j])]
                assert hits.keys[i][j] == key
                found = (hits.scores, hits.fidelities, hits.probabilities, hits.coherences)
                wanted = (outcome.score, outcome.fidelity, outcome.probability, eta)
                np.testing.assert_allclose([part[i, j] for part in found], wanted, atol=atol)
            best = [outcome.score for _, _, outcome, _ in want[:size]]
            np.testing.assert_allclose(hits.scores[i], best, atol=atol)
            order = [(-score, key) for score, key in zip(hits.scores[i], hits.keys[i], strict=True)]
            assert order == sorted(order)
        return hits
