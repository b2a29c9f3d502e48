"""Lines as they stand on a plate turned upright: pieces, rows and columns."""
