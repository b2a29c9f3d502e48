"""Words that plates print beside their values, and where in a line they are keys."""
