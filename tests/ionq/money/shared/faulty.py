"""A network between workers and the keeper of their account that loses, repeats and delays."""

from qstore_tf.ionq.money.budget import Budget
from qstore_tf.ionq.money.ledger import _SCHEMA
from qstore_tf.ionq.money.shared import messages
from qstore_tf.ionq.money.shared.budget import SharedBudget
from qstore_tf.ionq.money.shared.calling import Caller, Unanswered
from qstore_tf.ionq.money.shared.keeper import Keeper
from qstore_tf.testing.memory_file import MemoryFile

TOKEN = "a-token-that-nobody-should-see-0123456789"


def quick_budget(usd):
    """A budget in memory."""
    budget = Budget(usd=usd)
    budget._ledger.file = MemoryFile(_SCHEMA)
    budget._ledger.begin(budget._first.limit, "USD")
    return budget


class FaultyNetwork:
    """Carries questions to a keeper, which may be away; also the clock of those who wait.

    Args:
        budget: The account.
        rng: Where faults come from.
        faults: How often a question meets one, in [0, 1].
    """

    def __init__(self, budget, rng, faults=0.0):
        self.budget, self.rng, self.faults = budget, rng, faults
        self.keeper = Keeper(budget)
        self.now, self._back = 0.0, 0.0
        self._late = []  # questions that are still on their way
        self.counts = dict.fromkeys(("asked", "answered", "late", "crashes"), 0)

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        assert seconds >= 0
        self.now += seconds

    def crash(self, away_s):
        """The keeper is killed; what was on its way to it is lost with its connections."""
        self.keeper, self._back = None, self.now + away_s
        self._late.clear()
        self.counts["crashes"] += 1

    def deliver_late(self):
        """Questions that nobody waits for any more arrive, in any order."""
        self.rng.shuffle(self._late)
        while self._late and self.rng.random() < 0.7:
            self._answer(self._late.pop())
            self.counts["late"] += 1

    def __call__(self, asked, timeout_s):
        self.counts["asked"] += 1
        if self.keeper is None and self.now >= self._back:
            self.keeper = Keeper(self.budget)
        if self.keeper is None:
            raise Unanswered("nobody is there")
        self.deliver_late()
        if self.rng.random() >= self.faults:
            self.counts["answered"] += 1
            return self._answer(asked)
        fault = self.rng.choice(("lost", "answer lost", "delayed", "doubled", "crash"))
        if fault in ("answer lost", "doubled", "crash"):
            answer = self._answer(asked)
        if fault in ("delayed", "doubled"):
            self._late.append(asked)
        if fault == "crash":
            self.crash(self.rng.uniform(0, 20))
        elif fault == "doubled":
            return answer
        else:
            self.now += timeout_s
        raise Unanswered(fault)

    def worker(self, patience_s=60.0, **options):
        """A budget of a worker that asks by this network."""
        made = SharedBudget("chief:2223", token=TOKEN, patience_s=patience_s, **options)
        made._caller = Caller(self, "chief:2223", patience_s, clock=self)
        return made

    def _answer(self, asked):
        return messages.write(self.keeper.answer(messages.read(asked)))
