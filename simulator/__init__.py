"""A line without hardware: draws plates, plays camera, ERP, PLC and faults; only as a real site would (L14)."""
