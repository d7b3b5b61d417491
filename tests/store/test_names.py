"""What `qs.store` names is there."""

import qstore_tf as qs


def test_every_name_can_be_had():
    for name in qs.store.__all__:
        assert getattr(qs.store, name).__name__
    assert qs.store.QuantumCircuitBuilder is qs.store.CircuitBuilder
    assert set(qs.store.__all__) <= set(dir(qs.store))
