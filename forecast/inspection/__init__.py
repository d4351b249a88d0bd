"""What a trained network does: how it answers made-up series, how far back it remembers, what noise does to it."""
