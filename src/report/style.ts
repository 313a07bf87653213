/** Style sheet of the report. The colours are those of the drawings (src/draw/theme.ts). */
export const STYLE = `
:root{--page:#f5f7fa;--card:#fff;--ink:#1c2430;--muted:#5b6675;--rule:#d5dbe3;--grid:#e6eaf0;
--train:#2f6fd0;--validation:#c9541a;--rate:#1f8f8a;--right:47 111 208;--wrong:201 84 26;--on-full:#fff}
@media (prefers-color-scheme:dark){:root{--page:#0a0e13;--card:#0f141b;--ink:#e8edf3;--muted:#9aa7b6;--rule:#303b4a;--grid:#1f2833;
--train:#6ea3f2;--validation:#f0935a;--rate:#4cc3be;--right:78 136 224;--wrong:214 104 48;--on-full:#fff}}
*,*::before{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 16px 48px}
h1{margin:0;font-size:1.75rem;line-height:1.2;letter-spacing:-.01em;overflow-wrap:anywhere}
header p{margin:6px 0 0;color:var(--muted)}
h2{margin:0 0 12px;font-size:1.05rem}
p{margin:0 0 12px;color:var(--muted)}
section{margin-top:16px;padding:18px 20px;background:var(--card);border:1px solid var(--rule);border-radius:12px;min-width:0}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,420px),1fr));gap:0 16px}
.scroll{overflow-x:auto}
.note{border-left:4px solid var(--validation)}
.note p{margin:0;overflow-wrap:anywhere}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(max(140px,22%),1fr));gap:12px;margin:20px 0 0}
.cards div{padding:12px 16px;min-width:0;background:var(--card);border:1px solid var(--rule);border-radius:12px}
.cards div:first-child{border-color:var(--validation)}
dt{color:var(--muted);font-size:.8rem}
dd{margin:0;font-size:1.5rem;line-height:1.3;font-variant-numeric:tabular-nums;white-space:nowrap}
dd small{display:block;white-space:normal;font-size:.8rem;color:var(--muted)}
.chart{margin:0}
.chart figcaption{font-weight:600}
.legend{display:flex;flex-wrap:wrap;gap:2px 16px;min-height:1.5em;font-size:.8rem;color:var(--muted)}
.legend span::before{content:"";display:inline-block;width:16px;height:3px;margin-right:6px;border-radius:2px;vertical-align:middle;background:currentColor}
.legend .train::before{background:var(--train)}.legend .validation::before{background:var(--validation)}.legend .rate::before{background:var(--rate)}
.legend .faint::before{opacity:.4;height:2px}
.plot{position:relative;height:230px;margin:10px 12px 26px 52px}
.low .plot{height:120px}
.plot svg{position:absolute;inset:0;width:100%;height:100%;overflow:visible}
.plot path{fill:none;vector-effect:non-scaling-stroke}
.plot .grid{stroke:var(--grid);stroke-width:1}
.plot .line{stroke-width:2;stroke-linejoin:round}.plot .line.faint{stroke-width:1;opacity:.4}
.plot .dots{stroke-width:6;stroke-linecap:round}
path.train{stroke:var(--train)}path.validation{stroke:var(--validation)}path.rate{stroke:var(--rate)}
.plot .x,.plot .y{position:absolute;font-size:.75rem;line-height:1;color:var(--muted);font-variant-numeric:tabular-nums;white-space:nowrap}
.plot .y{right:100%;margin-right:8px;transform:translateY(-50%)}
.plot .x{top:100%;margin-top:8px;transform:translateX(-50%)}
.x-title{margin:-4px 12px 0 52px;text-align:center;font-size:.75rem;color:var(--muted)}
.mark{position:absolute;width:0;height:0}
.mark::before{content:"";position:absolute;left:-7px;top:-7px;width:14px;height:14px;border:2px solid var(--validation);border-radius:50%}
.mark b{position:absolute;bottom:9px;padding:0 4px;font-size:.8rem;white-space:nowrap;color:var(--validation)}
.mark.below b{bottom:auto;top:9px}.mark.left b{right:-11px}.mark.right b{left:-11px}
.column{position:absolute;top:0;bottom:0}
.column .guide,.column .point,.values{display:none;position:absolute;pointer-events:none}
.column:hover>*{display:block}
.guide{top:0;bottom:0;border-left:1px dashed var(--muted)}
.point{width:10px;height:10px;margin:-5px 0 0 -5px;border-radius:50%;border:2px solid var(--card)}
.point.train{background:var(--train)}.point.validation{background:var(--validation)}.point.rate{background:var(--rate)}
.values{z-index:1;top:8px;padding:6px 10px;font-size:.8rem;line-height:1.4;white-space:nowrap;background:var(--card);border:1px solid var(--rule);border-radius:8px;box-shadow:0 4px 14px #0003}
.values.right{left:calc(50% + 10px)}.values.left{right:calc(50% + 10px)}
.values span{display:block}.values .train{color:var(--train)}.values .validation{color:var(--validation)}.values .rate{color:var(--rate)}
.values span b{color:var(--ink)}
table{border-collapse:collapse;font-size:.875rem;font-variant-numeric:tabular-nums}
th,td{padding:4px 12px;text-align:right;border-bottom:1px solid var(--grid);white-space:nowrap}
th:first-child,td:first-child{padding-left:0}
.names :is(th,td):nth-child(-n+2){text-align:left}
th{font-weight:500;color:var(--muted)}
tr.best td{color:var(--validation);font-weight:600}
.matrix{border-collapse:separate;border-spacing:2px;font-size:.8rem}
.matrix th,.matrix td{padding:0 8px;border:0}
.matrix tbody td{min-width:34px;height:30px;padding:0 2px;text-align:center;border-radius:4px}
.matrix thead th{padding:4px 0;vertical-align:bottom;text-align:center}
.matrix thead span{writing-mode:vertical-rl;transform:rotate(180deg)}
.matrix tbody th{position:sticky;left:0;text-align:right;background:var(--card)}
.matrix .right{background:rgb(var(--right)/calc(.06 + .94*var(--strength)))}
.matrix .wrong{background:rgb(var(--wrong)/calc(.06 + .84*var(--strength)))}
.matrix td.full{color:var(--on-full)}
.bar{display:grid;grid-template-columns:minmax(0,9em) 1fr 4.2em;align-items:center;gap:10px;padding:3px 0;font-size:.875rem}
.bar span{overflow:hidden;text-overflow:ellipsis;white-space:nowrap;text-align:right}
.bar b{font-weight:500;text-align:right;font-variant-numeric:tabular-nums}
.bar i{height:10px;border-radius:5px;background:var(--grid);overflow:hidden}
.bar i::before{content:"";display:block;width:var(--share);height:100%;background:var(--train)}
.pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(96px,1fr));gap:16px 12px}
.pictures figure{margin:0;min-width:0}
.pictures img{display:block;width:100%;aspect-ratio:1;object-fit:contain;background:var(--page);border-radius:8px}
.pictures img.small{image-rendering:pixelated}
.pictures figcaption{margin-top:5px;font-size:.8rem;line-height:1.35;overflow-wrap:anywhere}
.pictures b{color:var(--validation)}.pictures b,.pictures span{display:block}
.pictures small{display:block;font-size:.8rem;color:var(--muted)}
details{margin-top:12px}
summary{cursor:pointer;color:var(--muted)}
pre{margin:10px 0 0;overflow-x:auto;font:12px/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
.drawing{overflow-x:auto;text-align:center}
.facts{margin:0;columns:2 380px;column-gap:32px;font-size:.875rem}
.facts div{display:grid;grid-template-columns:minmax(0,12em) minmax(0,1fr);gap:12px;padding:4px 0;border-bottom:1px solid var(--grid);break-inside:avoid}
.facts dd{font-size:inherit;line-height:inherit;white-space:normal;overflow-wrap:anywhere}
.facts dt{font-size:inherit;overflow-wrap:anywhere}
footer{margin-top:24px;font-size:.8rem;color:var(--muted)}
code{font:12px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (max-width:700px){.drawing{text-align:left}.drawing svg{max-width:none!important}.facts div{grid-template-columns:minmax(0,9.5em) minmax(0,1fr)}}
@media (max-width:480px){main{padding:18px 10px 32px}section{padding:14px 12px}h1{font-size:1.4rem}dd{font-size:1.25rem}.plot{margin-left:44px}}
@media print{section{break-inside:avoid}.column{display:none}}
`;
