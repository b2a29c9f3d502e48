"""Find lines of text and read them: the networks of the ocr reader."""
