"""Pure functions of pixels: locate text, rectify, enhance, measure quality."""
