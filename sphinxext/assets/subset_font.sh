#!/bin/sh
# Makes STIXTwoMath-subset.woff2 from STIXTwoMath-Regular.ttf (version 2.11, github.com/stipub/stixfonts).
# Needs: pip install fonttools brotli. Run beside the .ttf file; the subset was made with fonttools 4.68.
#
# Kept: Latin, Greek, the bold, italic, script and double-struck letters, the usual operators, arrows
# and delimiters, and (by the MATH table) every size of them.
pyftsubset STIXTwoMath-Regular.ttf --output-file=STIXTwoMath-subset.woff2 --flavor=woff2 \
  --layout-features=ssty,flac,dtls,ccmp --no-hinting --desubroutinize --unicodes="\
U+20-7E,U+A0,U+A8,U+AF,U+B1,U+B4,U+B7,U+D7,U+F7,U+131,U+237,U+2C6,U+2C7,U+2D8-2DD,U+300-30C,U+33\
8,U+391-3A1,U+3A3-3A9,U+3B1-3C9,U+3D1,U+3D5,U+3F5,U+2002-200B,U+2013,U+2014,U+2016,U+2018-201D,U\
+2022,U+2026,U+2032-2034,U+2061-2064,U+20D6,U+20D7,U+2102,U+210B,U+210E-2113,U+2115,U+2118-211D,\
U+2124,U+212C,U+2130,U+2131,U+2133,U+2190-2194,U+21A6,U+21D0-21D4,U+2200,U+2202-220B,U+220F-2213\
,U+2216-221E,U+2223-222C,U+2234-2236,U+223C,U+2243,U+2245,U+2248,U+2254,U+225C,U+2260-2262,U+226\
4-226B,U+2272,U+2273,U+227A,U+227B,U+2282-2287,U+228A,U+228B,U+2295-2299,U+22A4,U+22A5,U+22C4-22\
C6,U+22EE-22F1,U+2308-230B,U+23B4,U+23B5,U+23DC-23DF,U+25A0,U+25A1,U+25B2,U+25CB,U+25CF,U+27C2,U\
+27E8,U+27E9,U+27F5-27FC,U+2A7D,U+2A7E,U+1D400-1D433,U+1D434-1D49B,U+1D49C-1D4B5,U+1D538-1D551,U\
+1D6A4,U+1D6A5,U+1D6A8-1D6C1,U+1D6C2-1D6DA,U+1D6DB-1D714,U+1D715-1D74E,U+1D7CE-1D7D9"
