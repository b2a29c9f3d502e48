"""Plates of many languages and layouts, set by hand as text after common habits: drawing, model, serial number."""

from __future__ import annotations

# ruff: noqa: RUF001 - plates are printed in many alphabets

#: Name: drawing, model, serial number; an empty model is not judged, an empty serial must stay empty.
BY_LANGUAGE: dict[str, tuple[str, str, str]] = {
    "inverter, captions inside the line": (
        """
# NORDIA DRIVES
TYPE: VDX-4015-2S
P/N: 131B0042
S/N: 004211G458
IN: 3x380-480V 50/60Hz 14/12A
OUT: 3x0-Vin 0-590Hz 16/14A
IP20  Tamb. 50°C
MADE IN DENMARK
""",
        "VDX-4015-2S",
        "004211G458",
    ),
    "motor, table head above values": (
        """
# HELMAR MOTORS
MODEL        SERIAL NO.    YEAR
HM-132S-4    87-22913      2019
HP  7.5    RPM  1750    VOLTS  230/460
""",
        "HM-132S-4",
        "87-22913",
    ),
    "pump, two columns with wide gaps": (
        """
# KALDO
Typ                         NB 32-125.1/140
Nr.                         A96087441P11234
Q                           25 m3/h
H                           21,5 m
n                           2900 min-1
Made in Hungary
""",
        "NB 32-125.1/140",
        "A96087441P11234",
    ),
    "German gearmotor, no separators": (
        """
RAUTEK GmbH   D-76646 Bruchsal
Typ  R37 DRS71M4/TF
Fabr.-Nr.  01.7345678901.0001.15
1/min  1380/52    i  26,50
kW  0,55    Cos φ  0,72
V  230/400    Hz 50
IP 55   Iso.Kl. F
""",
        "R37 DRS71M4/TF",
        "01.7345678901.0001.15",
    ),
    "German machine, keys above values": (
        """
Maschinenfabrik Oberland AG
Maschinentyp
KPB 350-2
Maschinen-Nr.
21304977
Baujahr
2016
""",
        "KPB 350-2",
        "21304977",
    ),
    "French pump": (
        """
# POMPES GERVAIS
TYPE : MULTI-V 204
N° DE SERIE : 1607/024513
ANNEE : 2016
P : 1,1 kW   U : 400 V
FABRIQUE EN FRANCE
""",
        "MULTI-V 204",
        "1607/024513",
    ),
    "Italian compressor": (
        """
# FERRARI ARIA
MODELLO            AB 300-550T
MATRICOLA          CA0412887
ANNO DI COSTR.     2011
PRESS. MAX         10 bar
V 400  Hz 50  kW 4
""",
        "AB 300-550T",
        "CA0412887",
    ),
    "Spanish heater": (
        """
TERMOS IBERIA S.A.
Modelo: CABEL-80 N
Nº de serie: 2145870033
Capacidad: 80 L
Potencia: 1500 W
Hecho en España
""",
        "CABEL-80 N",
        "2145870033",
    ),
    "Portuguese pump": (
        """
Modelo   BCR-2010
Número de série   0017728-P
Tensão   220 V
""",
        "BCR-2010",
        "0017728-P",
    ),
    "Dutch boiler": (
        """
# VEENSTRA
Typenr.: HRC 30/CW5
Serienummer: 0319072204411
Bouwjaar: 2019
""",
        "HRC 30/CW5",
        "0319072204411",
    ),
    "Polish motor": (
        """
# BESTEL
Typ  Sg 90L-4
Nr fabryczny  K 204117
Rok budowy  2008
Moc  1,5 kW
""",
        "Sg 90L-4",
        "K 204117",
    ),
    "Czech machine": (
        """
# MORAVEC
Typ: SN 50C
Výrobní číslo: 551204133
Rok výroby: 1989
Napětí: 3x400 V
""",
        "SN 50C",
        "551204133",
    ),
    "Swedish valve": (
        """
Typbeteckning  RVL 480-2
Tillverkningsnr  0487761
Tillverkningsår  2004
""",
        "RVL 480-2",
        "0487761",
    ),
    "Danish meter": (
        """
# KAMSTRUPPE
Type: 403-W
Serienr.: 80412233
Produktionsår: 2018
""",
        "403-W",
        "80412233",
    ),
    "Russian motor": (
        """
ЭЛЕКТРОДВИГАТЕЛЬ
Тип АИР80В4
Зав. № 114563
1,5 кВт   220/380 В
Дата выпуска 03.2014
""",
        "АИР80В4",
        "114563",
    ),
    "Chinese motor, table": (
        """
三相异步电动机
型号  YE3-132M-4    编号  201804-7713
功率  7.5 kW    电压  380 V
防护等级  IP55    标准  GB/T 28575
日期  2018.04
""",
        "YE3-132M-4",
        "201804-7713",
    ),
    "Chinese instrument, full-width colons": (
        """
产品名称：压力变送器
型号：PT124B-210
出厂编号：1709A0334
量程：0~1.6MPa
生产日期：2017年09月
""",
        "PT124B-210",
        "1709A0334",
    ),
    "Japanese servo": (
        """
# 東山電機
形式   SGD-MAH-04A1A41
製造番号   D0183J122210007
出力   400 W
製造年月   2012.3
""",
        "SGD-MAH-04A1A41",
        "D0183J122210007",
    ),
    "Korean drive": (
        """
모델명: LSV-040iG5A-4
제조번호: 10230045519
정격전압: 380-480V
제조년월: 2015.08
""",
        "LSV-040iG5A-4",
        "10230045519",
    ),
    "stacked keys in many languages": (
        """
Model / Modell           EK1100-0008
Modèle / Modello
Serial No. / Serien-Nr.  26183977
N° de série / Matricola
24 VDC  1.5A
""",
        "EK1100-0008",
        "26183977",
    ),
    "keys below their values": (
        """
# CORVUS
CX-920B       4471-00932
MODEL         SERIAL NO.
120V  60Hz    3.2A
""",
        "CX-920B",
        "4471-00932",
    ),
    "router label with many codes": (
        """
# Teltona
Model: RUTX-950
S/N: 1102345671
IMEI: 867648041234567
MAC: 001E42AB12CD
SSID: RUT_12CD
WiFi password: k9R2xVb7
Default IP: 192.168.1.1
FCC ID: 2AET4RUTX
""",
        "RUTX-950",
        "1102345671",
    ),
    "model without a key, large": (
        """
# ACME
# PX-2400 II
SERIAL NO  H45-10233
INPUT: 100-240V~ 1.2A
MADE IN MEXICO
""",
        "PX-2400 II",
        "H45-10233",
    ),
    "serial blacked out": (
        """
# ORBIS
Model: DOMO-A3
Serial No.:
Input: 230V 50Hz 6W
Made in Spain
Date: 03/2021
""",
        "DOMO-A3",
        "",
    ),
    "no serial at all, much that looks like one": (
        """
# LUMEN
Model: LX-40W
EAN 4006381333931
Lot: 21184A
Date: 2021-08-14
E204137   CE 0123
""",
        "LX-40W",
        "",
    ),
    "damaged key words": (
        """
# TOWER
M0del: TQ-882/A
Serlal Nurnber: 99120458
P/N: 4410-2231
""",
        "TQ-882/A",
        "99120458",
    ),
    "keys and values glued": (
        """
MODELTR-200
SN40123987
P/N552-1123
""",
        "TR-200",
        "40123987",
    ),
    "two captions in one box": (
        """
MODEL: KX-51 SERIAL NO: 7734120
INPUT: 24VDC OUTPUT: 5VDC
""",
        "KX-51",
        "7734120",
    ),
    "value in pieces": (
        """
MODEL    AJX 1200
SERIAL   7H 20417 003
VOLTS    208-230
""",
        "AJX 1200",
        "7H 20417 003",
    ),
    "model of letters only": (
        """
# Halden
Model: Aurora Plus
Serial: 0098-2213-77
""",
        "Aurora Plus",
        "0098-2213-77",
    ),
    "switchgear with order number and version": (
        """
# SIMATEC  S7-300
1P 6ES7 315-2EH14-0AB0
S C-D4U123452013
X 2 3 4
V3.2.8
""",
        "",
        "",
    ),
    "air conditioner, dotted leaders": (
        """
MODEL NO ............ AS-09UW4
SERIAL NO ........... 0V12A09771
REFRIGERANT ......... R32 0.72kg
RATED VOLTAGE ....... 220-240V
""",
        "AS-09UW4",
        "0V12A09771",
    ),
    "scale with type approval": (
        """
# WEIGHMAX
Type BW-SE
S/N 0613298
Max 150 kg  Min 1 kg  e = 50 g
M17 0122   T8155
""",
        "BW-SE",
        "0613298",
    ),
    "transformer": (
        """
TRANSFORMATOREN BAUER
Typ DTTHZ 630/20
Nr 284417   Jahr 1998
Leistung 630 kVA   Frequenz 50 Hz
Schaltgruppe Dyn5
""",
        "DTTHZ 630/20",
        "284417",
    ),
}
