"""Plates of many makes and uses, set by hand as text after common habits: the drawing, its model, its serial number."""

from __future__ import annotations

# ruff: noqa: RUF001 - plates are printed in many alphabets

#: Name: drawing, model, serial number; an empty model is not judged, an empty serial must stay empty.
BY_USE: dict[str, tuple[str, str, str]] = {
    "motor, type without key": (
        """
# NORDWERK
3~Mot. 1LA7083-4AA10-Z
E1206/471101 01 001   IEC/EN 60034
90L   IM B3   IP55
50 Hz  230/400 V D/Y   60 Hz 460 V Y
1,1 kW  4,5/2,6 A      1,3 kW 2,6 A
""",
        "1LA7083-4AA10-Z",
        "",
    ),
    "drive, weak and strong keys": (
        """
Volta Oy
Type ACS355-03E-08A8-4
S/N 1134502277
IP20  Input U1 3~ 380...480 V
UL Open Type  I1 13.6 A
PN 4 kW (5HP)
""",
        "ACS355-03E-08A8-4",
        "1134502277",
    ),
    "servo motor, NO. without more": (
        """
# SENDAI LTD
AC SERVO MOTOR
MODEL  α8/3000i
SPEC.  A06B-0223-B100
NO.  C067F0311     DATE 2006.7
OUTPUT 1.2 kW   SPEED 3000 /min
YAMANASHI 401-0597 JAPAN
""",
        "α8/3000i",
        "C067F0311",
    ),
    "compressor, long captions": (
        """
# Aria Airworks
Aria Airworks n.v.  Wilrijk Belgium
Type  GA 11 FF
Max. final pressure  10 bar(e)
Free air delivery   26 l/s
Serial number   API 413221
Manufacturing year   2009
Gross weight  420 kg
""",
        "GA 11 FF",
        "API 413221",
    ),
    "power tool, model without a key": (
        """
# HANDWERK
GBH 2-26 DRE
230 V ~ 50 Hz  800 W
3 611 B53 703
0-900 min-1
Serial No. 304000123
Handwerk Power Tools GmbH
""",
        "GBH 2-26 DRE",
        "304000123",
    ),
    "printer, regulatory model": (
        """
QP LaserJet Pro M404dn
Regulatory Model Number: SHNGC-1600-00
Product No. W1A53A
Serial No. VNB3K12345
Made in Vietnam
""",
        "SHNGC-1600-00",
        "VNB3K12345",
    ),
    "monitor, part number with key and without": (
        """
# DORN
P2419H
DP/N 0N8JKX
S/N: CN-0N8JKX-FCC00-92A-AB1I
Rev A02
Service Tag: 7KQ0XP2
""",
        "P2419H",
        "CN-0N8JKX-FCC00-92A-AB1I",
    ),
    "oven, E-Nr. is no serial": (
        """
# HANDWERK
Type CCM50
E-Nr. PKE611D17E/01  FD 9706 00123
220-240 V 50/60 Hz
6600 W
""",
        "CCM50",
        "",
    ),
    "washing machine, MOD. and TYPE": (
        """
MOD. AWE 6213   TYPE L99HG
SERVICE 8592 103 03010
S/N 411230001234
1900 W  230V  50 Hz
""",
        "AWE 6213",
        "411230001234",
    ),
    "power supply, order number": (
        """
Waldmüller
PRO ECO 240W 24V 10A
Order No.: 1469490000
SN: 2214-03377
Input: AC 100-240 V
""",
        "",
        "2214-03377",
    ),
    "controller, lot number is no serial": (
        """
# OMEGON
PROGRAMMABLE CONTROLLER
CP1L-M40DR-A
LOT No. 15603  1704
100-240VAC
OMEGON Corporation  MADE IN CHINA
""",
        "CP1L-M40DR-A",
        "",
    ),
    "servo, SER. No.": (
        """
# KITANO
AC SERVO
MODEL HG-KR43J
INPUT 3AC 111V 2.6A
OUTPUT 400W IP65
SER. No. A1Z12345 001
DATE 2015-03
""",
        "HG-KR43J",
        "A1Z12345 001",
    ),
    "battery supply": (
        """
# APX
Back-UPS 700
Model: BX700UI
SN: 4B1845P12345
MFG Date: 2018/11/05
""",
        "BX700UI",
        "4B1845P12345",
    ),
    "gas meter, Nr.": (
        """
# alster
BK-G4 MT
Qmax 6 m³/h
Qmin 0,04 m³/h
pmax 0,5 bar
Nr. 32104567   2017
""",
        "BK-G4 MT",
        "32104567",
    ),
    "water meter, no key at all": (
        """
# Zander
ETK-N AM
Q3 2,5   R80
6 ZRI 17 1234 5678
""",
        "",
        "",
    ),
    "electricity meter, No": (
        """
# Landau+Gut
E350
Type ZCF110ABtFs2
No 84 021 133
230V 5(60)A 50Hz
""",
        "ZCF110ABtFs2",
        "84 021 133",
    ),
    "Chinese valve drive, spaced keys": (
        """
电动执行器
型    号  DKJ-2100
出厂编号  2019-0347
电    源  220V 50Hz
日    期  2019.06
北方自动化仪表厂
""",
        "DKJ-2100",
        "2019-0347",
    ),
    "Korean router": (
        """
기자재의 명칭(모델명) : 무선공유기 (A3004NS-M)
제조연월 : 2018.04
인증번호 : MSIP-CMM-EFM-A3004NSM
S/N : 18042A3004NS-00234
""",
        "",
        "18042A3004NS-00234",
    ),
    "Japanese adapter": (
        """
品名  ACアダプター
型番  STD-12020T
入力  AC100-240V 50/60Hz
製造番号 1234-A09B
""",
        "STD-12020T",
        "1234-A09B",
    ),
    "Russian pump, colons": (
        """
НАСОС ЦЕНТРОБЕЖНЫЙ
Модель: К 45/30
Заводской номер: 00457
Год выпуска: 2015
""",
        "К 45/30",
        "00457",
    ),
    "telephone, IMEI is no serial": (
        """
Model: SM-G960F
IMEI: 354651091234567
S/N: RF8K20ABCDE
FCC ID: A3LSMG960F
""",
        "SM-G960F",
        "RF8K20ABCDE",
    ),
    "inverter, code without a key": (
        """
DALTON ELECTRONICS, INC.
MODEL: VFD022E43A
INPUT: 3PH 380-480V 50/60Hz 7.1A
OUTPUT: 3PH 0-480V 5.5A
FREQUENCY RANGE: 0.1-599Hz
022E43A0T4140056
""",
        "VFD022E43A",
        "",
    ),
    "pump, P-Nr. is no serial": (
        """
KLB Aktiengesellschaft
Etanorm G 050-032-160
P-Nr. 9971234567/000100/01
Q 12 m3/h  H 32 m  n 2900 1/min
2014
""",
        "",
        "",
    ),
    "heating pump, article number": (
        """
WALO SE  Dortmund
Stratos 25/1-6 PN10
Art.-Nr. 2095492/14w12
S/N 4021555
230 V ~50 Hz
""",
        "",
        "4021555",
    ),
    "switch": (
        """
CORVO SYSTEMS
Model: WS-C2960X-24TS-L
PID VID: WS-C2960X-24TS-L V05
SN: FOC1932X0AB
CLEI: CMMPH00ARC
MAC ADDR: 00:1E:8C:7D:37:DE
""",
        "WS-C2960X-24TS-L",
        "FOC1932X0AB",
    ),
    "Swedish, abbreviations": (
        """
Typ: KX-3
Tillv.nr: 4501
År: 1998
""",
        "KX-3",
        "4501",
    ),
}
