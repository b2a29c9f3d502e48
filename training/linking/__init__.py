"""How the field linker's weights are made: pages of text lines without pixels, a log-linear model, and its judge."""
