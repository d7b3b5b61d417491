"""What reads: candidates from indexes and stores, chosen, ranked and measured."""
