"""Vision-language models: their folders, and their forward passes."""
