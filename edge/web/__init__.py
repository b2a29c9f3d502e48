"""What the panel answers over HTTP: the page, its live events, the history, held parts, and the API for programs."""
