"""Decides. Imports the standard library only; has no clock, thread, file, log or socket."""
