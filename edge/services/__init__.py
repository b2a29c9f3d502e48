"""The five processes: capture, inspector, reader, messenger, panel; signals for wires. Each is one build() and one loop."""
