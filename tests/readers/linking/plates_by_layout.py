"""Plates of unusual layouts, set by hand as text after common habits: the drawing, its model, its serial number."""

from __future__ import annotations

#: Name: drawing, model, serial number; an empty model is not judged, an empty serial must stay empty.
BY_LAYOUT: dict[str, tuple[str, str, str]] = {
    "table in two languages": (
        """
MODELLO/MODEL      EVBG-3
N° SERIE/SERIAL N°     0039881
TENSIONE/VOLTAGE   230 V
POTENZA/POWER      1,2 kW
""",
        "EVBG-3",
        "0039881",
    ),
    "table head with No.": (
        """
TYPE      No.       kW     RPM
VM-90S    334501    1.5    1410
""",
        "VM-90S",
        "334501",
    ),
    "two keys below two values": (
        """
# DOVAR
5KL256AN223A     GJ1102447
MODEL            SERIAL
""",
        "5KL256AN223A",
        "GJ1102447",
    ),
    "colons in a column": (
        """
Model      :  HMC-500
Serial No  :  1187-22
Volt       :  380
Year       :  2020
""",
        "HMC-500",
        "1187-22",
    ),
    "words after values": (
        """
Serial Number: 00-1123-A (see manual)
Model Number: TX 55 Series
""",
        "TX 55",
        "00-1123-A",
    ),
    "two serials, the device counts": (
        """
Model: ONT-220
GPON SN: HWTC12345678
S/N: 2150083412345
""",
        "ONT-220",
        "2150083412345",
    ),
    "colon, value in the next row": (
        """
Model No: RX-90
Serial No:
R12345678
Input: 12V
""",
        "RX-90",
        "R12345678",
    ),
    "sticker with one line": (
        """
SN: FCW2134A0BC
""",
        "",
        "FCW2134A0BC",
    ),
    "robot, table of three": (
        """
Type           Fabr.-Nr.       Baujahr
KR 16-2        862241          2011
""",
        "KR 16-2",
        "862241",
    ),
    "warning only": (
        """
CAUTION HOT SURFACE
DO NOT TOUCH
READ MANUAL BEFORE USE
""",
        "",
        "",
    ),
    "damaged German key words": (
        """
Tvp: DRN90L4
Serlen-Nr.: 01.40023.1
Baujanr: 2017
""",
        "DRN90L4",
        "01.40023.1",
    ),
}
