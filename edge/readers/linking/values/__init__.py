"""Which part of what is printed could be a field's text."""
