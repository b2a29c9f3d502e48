"""Trains the small model of the GLM-4V family that ships with edge, from nothing, on drawn sheets of text lines."""
