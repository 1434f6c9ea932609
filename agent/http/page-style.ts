/** Style of the plain pages: the colours, sizes and spaces of dashboard.md §8. */
export const PAGE_STYLE = `
:root{--bg:#f6f7f9;--panel:#fff;--line:#e1e5ea;--text:#16202c;--muted:#566372;--accent:#0b6bcb;
--ok:#1a7f4b;--warn:#9a6700;--bad:#c22f2f}
@media (prefers-color-scheme:dark){:root{--bg:#0e1318;--panel:#161d25;--line:#263240;--text:#e6ebf1;--muted:#94a3b4;
--accent:#58a6ff;--ok:#3fbf7f;--warn:#e0a93a;--bad:#ff6b6b}}
*{box-sizing:border-box}
body{margin:0;padding:24px;background:var(--bg);color:var(--text);
font:14px/20px Inter,system-ui,sans-serif;font-variant-numeric:tabular-nums}
header,main{max-width:1400px;margin:0 auto}
h1{font-size:28px;line-height:32px;font-weight:600;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:18px;line-height:24px;font-weight:600;margin:24px 0 8px;overflow-wrap:anywhere}
p{margin:4px 0;color:var(--muted)}
.counts{color:var(--text)}
a{color:var(--accent)}
a:focus-visible,.scroll:focus-visible{outline:2px solid var(--accent);outline-offset:2px;border-radius:2px}
.scroll{overflow-x:auto;background:var(--panel);border:1px solid var(--line);border-radius:10px;margin:0 0 16px}
table{width:100%;border-collapse:separate;border-spacing:0}
time{white-space:nowrap}
th,td{padding:8px 12px;text-align:left;border-bottom:1px solid var(--line);vertical-align:top;width:1%}
th:nth-child(2),td:nth-child(2){width:auto}
th{font-size:12px;line-height:16px;color:var(--muted);font-weight:600;white-space:nowrap}
tr:last-child td{border-bottom:0}
.n{text-align:right;white-space:nowrap}
td a{white-space:nowrap;margin-right:12px}
.online{color:var(--ok)}.stale{color:var(--warn)}.offline{color:var(--bad)}.archived{color:var(--muted)}
.online,.stale,.offline,.archived{white-space:nowrap}
.hidden{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
@media (max-width:720px){body{padding:12px}}
@media (pointer:coarse){td a{display:inline-block;padding:10px 0}}
`;
