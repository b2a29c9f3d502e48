"""What a model is asked, and its answer held to a pattern, with drafts."""
