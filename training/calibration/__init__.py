"""Makes the calibration of the ocr reader: drawn plates read and kept, a fit, a held-out part that judges it."""
