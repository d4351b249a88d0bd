"""What a network does: how it learns, how it answers made-up series, how far it remembers, what its units follow."""
