"""Makes what the recogniser knows beside its wheel: `edge/readers/lines/`, `body.npz`, `cyrillic.npz`, `twins.npz`."""
