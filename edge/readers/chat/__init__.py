"""Ask a model on a server: one request, its answer, and when to leave the server alone."""
