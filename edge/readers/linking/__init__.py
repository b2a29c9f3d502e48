"""Put what was read into the fields it belongs to."""
