"""One file a task, each a table of contents that returns what it made."""
