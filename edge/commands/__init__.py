"""What each command of `edge` does; `edge.cli` only parses and dispatches."""
