"""edge: every trigger ends in exactly one durable, explained, evidenced outcome."""
