"""The five processes: capture, inspector, reader, messenger, panel; each one build() and one loop."""
