"""Makes what reads letters beside the recogniser's head: `cyrillic.npz` and `twins.npz` in `edge/readers/lines/`."""
