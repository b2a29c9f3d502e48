"""Makes `edge/readers/lines/cyrillic.npz`: Cyrillic letters for a recogniser that has none."""
