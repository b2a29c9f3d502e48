"""One file for each thing outside: cameras, links, store, ERP, broker, images, systemd."""
