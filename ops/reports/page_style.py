"""How a report's page looks: on a screen light or dark, on a phone, and on paper."""

from typing import Final

STYLE: Final = """
:root{--ink:#1b2330;--paper:#fff;--soft:#5b6675;--line:#d8dde5;--strong:#c3cad5;--s0:#2f63a8;--s1:#d9822b;--s2:#9aa4b2}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem}
body{color:var(--ink);background:var(--paper)}
h1{margin:0;font-size:1.6rem}h2{margin:2rem 0 .6rem;font-size:1.1rem}.made{color:var(--soft);margin:.2rem 0 1.2rem}
.facts{display:flex;flex-wrap:wrap;gap:.8rem}.facts div{border:1px solid var(--line);border-radius:8px}
.facts div{padding:.6rem .9rem}.facts b{display:block;font-size:1.15rem}
.facts span{color:var(--soft);font-size:.85rem}.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.88rem}th,td{text-align:left;padding:.35rem .6rem}
td{vertical-align:top}th{border-bottom:2px solid var(--strong)}td{border-bottom:1px solid var(--line)}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
figure{margin:0 0 1rem}figcaption{color:var(--soft);font-size:.85rem}
figcaption span{margin-left:.9rem;white-space:nowrap}
.chart th,.chart td{border:0;padding:.15rem .5rem .15rem 0;vertical-align:middle}
.chart{table-layout:fixed}.chart th{font-weight:400;width:11rem;overflow-wrap:anywhere}
.chart .n{width:17rem;white-space:normal}
.bars svg{display:block}
.s0{fill:var(--s0)}.s1{fill:var(--s1)}.s2{fill:var(--s2)}
@media(max-width:40rem){body{margin:1rem auto}.chart th{width:30%}.chart .n{width:32%}
.facts{gap:.5rem}}
@media screen and (prefers-color-scheme:dark){
:root{--ink:#dde3ec;--paper:#12161c;--soft:#93a0b1;--line:#2b333f;--strong:#46505e}
:root{--s0:#6f9fe0;--s1:#e8a355;--s2:#667385}}
@page{margin:12mm}
@media print{
body{margin:0;max-width:none;padding:0;font-size:10pt}.wide{overflow:visible}.facts div,tr,figure{break-inside:avoid}
thead{display:table-header-group}h2,figcaption{break-after:avoid}
.chart th{width:24%}.chart .n{width:30%}.wide table{font-size:7.5pt}
.wide th,.wide td{padding:.2rem .3rem;overflow-wrap:anywhere}
.wide th{overflow-wrap:normal}.wide .n{white-space:normal;overflow-wrap:normal}}
"""
