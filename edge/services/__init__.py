"""The five processes: capture, inspector, reader, messenger, panel; signals for wires. Each: one build(), one loop."""
