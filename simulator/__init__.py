"""A line without hardware: draws plates, plays camera, ERP, PLC and faults. Uses only what a real site would use (L14)."""
