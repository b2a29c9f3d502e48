"""Image to reading: text and per-character confidence for the fields asked for."""
