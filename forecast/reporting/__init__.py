"""From the results table to a page, its charts and the terminal."""
