//! Layout and styles of all pages. No external resources are loaded.

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// The icon of every page, so that browsers do not request `/favicon.ico`.
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect width='16' height='16' \
    rx='4' fill='%234f2d83'/%3E%3Ccircle cx='8' cy='8' r='3' fill='white'/%3E%3C/svg%3E";

const CSS: &str = "
:root { color-scheme: light dark; --ink:#1d1a26; --soft:#625e70; --line:#e3e0ea; --card:#fff;
  --ground:#f3f1f7; --sunk:#f8f7fb; --accent:#4f2d83; --accent-ink:#fff; --tint:#efe9f9;
  --bad:#a3213a; --bad-tint:#fbe9ec; --good:#1d6b45; --good-tint:#e5f4ec;
  --odd:#8a5a00; --odd-tint:#fbf1dd; --shade:0 1px 2px rgb(29 26 38/.05),0 8px 28px rgb(29 26 38/.07); }
@media (prefers-color-scheme: dark) { :root { --ink:#efedf5; --soft:#a9a5b8; --line:#363241;
  --card:#211f29; --ground:#15141a; --sunk:#1b1922; --accent:#b99ff0; --accent-ink:#1d1233;
  --tint:#2e2740; --bad:#ff93a6; --bad-tint:#3d2129; --good:#7fd6a6; --good-tint:#1d3429;
  --odd:#f0c46c; --odd-tint:#3a2f1a; --shade:0 1px 2px rgb(0 0 0/.3),0 10px 30px rgb(0 0 0/.25); } }
* { box-sizing:border-box; }
body { margin:0; background:var(--ground); color:var(--ink);
  font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif; }
main { max-width:35rem; margin:0 auto; padding:2.5rem 1.25rem; }
main.wide { max-width:76rem; }
.card { background:var(--card); border:1px solid var(--line); border-radius:16px; padding:1.6rem;
  margin-bottom:1.25rem; box-shadow:var(--shade); min-width:0; }
h1 { font-size:1.5rem; line-height:1.25; margin:0 0 .5rem; letter-spacing:-.015em; text-wrap:balance; }
h2 { font-size:1rem; margin:0 0 .75rem; } h3 { font-size:.9rem; margin:1.25rem 0 .25rem; }
p { margin:.25rem 0 .75rem; } p:last-child { margin-bottom:0; }
.soft { color:var(--soft); font-size:.92rem; } .center { text-align:center; }
a { color:var(--accent); }
code { font:.82em ui-monospace,'SF Mono',Menlo,Consolas,monospace; color:var(--soft);
  overflow-wrap:anywhere; }
.scroll code { white-space:nowrap; overflow-wrap:normal; }
.brand { display:flex; gap:.6rem; align-items:center; color:var(--soft); font-size:.9rem;
  margin-bottom:1rem; }
.brand .link { margin-left:auto; }
.tile { display:grid; place-items:center; font-weight:700; border-radius:26%; width:1.7rem;
  height:1.7rem; font-size:.85rem; background:var(--accent); color:var(--accent-ink); flex:none; }
.tile.large { width:4rem; height:4rem; font-size:1.6rem; }
.tile.org { background:var(--tint); color:var(--accent); border:1px solid var(--line); }
.meeting { display:flex; gap:1rem; justify-content:center; align-items:center; margin:.25rem 0 1.25rem; }
.meeting i { width:2.5rem; border-top:3px dotted var(--line); }
.field { margin:1.25rem 0 0; } label { display:block; font-weight:600; font-size:.9rem; margin:0 0 .3rem; }
select, input { width:100%; padding:.6rem .7rem; font:inherit; color:inherit; background:var(--card);
  border:1px solid var(--line); border-radius:10px; min-width:0; }
details { border:1px solid var(--line); border-radius:12px; background:var(--sunk); margin-top:.75rem; }
.field + details { margin-top:1.25rem; }
summary { padding:.8rem 1rem; font-weight:600; cursor:pointer; font-size:.95rem; }
summary small { font-weight:400; color:var(--soft); font-size:.85rem; margin-left:.4rem; }
ul.scopes { list-style:none; padding:0 1rem; margin:0; }
ul.scopes li { padding:.6rem 0; border-top:1px solid var(--line); line-height:1.35; }
ul.scopes code { display:block; margin-top:.15rem; }
.sticky { position:sticky; bottom:0; margin:1.25rem -1.6rem 0; padding:.9rem 1.6rem; background:var(--card);
  border-top:1px solid var(--line); }
.buttons { display:flex; gap:.75rem; justify-content:flex-end; flex-wrap:wrap; margin-top:1rem; }
.card.consent { padding-bottom:0; }
.card.consent .sticky { border-radius:0 0 16px 16px; }
.sticky .buttons { margin-top:0; }
button { font:inherit; font-weight:600; padding:.6rem 1.3rem; border-radius:10px; cursor:pointer;
  border:1px solid var(--line); background:transparent; color:inherit; }
button:hover { background:var(--sunk); }
button.main { background:var(--accent); border-color:var(--accent); color:var(--accent-ink); }
button.main:hover { filter:brightness(1.08); }
:focus-visible { outline:3px solid var(--accent); outline-offset:2px; }
.figures { display:grid; grid-template-columns:repeat(auto-fit,minmax(7.5rem,1fr)); gap:.75rem;
  margin-top:1.25rem; }
.figures div { background:var(--sunk); border-radius:12px; padding:.7rem .9rem; font-size:.85rem;
  color:var(--soft); }
.figures b { display:block; font-size:1.4rem; color:var(--ink); font-variant-numeric:tabular-nums; }
.columns { display:grid; grid-template-columns:3fr 2fr; gap:1.25rem; align-items:start; }
.columns > div { min-width:0; }
.scroll { overflow:auto; max-height:26rem; }
table { border-collapse:collapse; width:100%; font-size:.88rem; }
th,td { text-align:left; padding:.42rem .75rem .42rem 0; border-top:1px solid var(--line);
  vertical-align:top; }
th { position:sticky; top:0; background:var(--card); border-top:0; color:var(--soft); font-weight:600;
  white-space:nowrap; }
td.n,th.n { text-align:right; font-variant-numeric:tabular-nums; padding-right:.25rem; }
td.t { white-space:nowrap; color:var(--soft); font-variant-numeric:tabular-nums; }
.pill { display:inline-block; border-radius:99px; padding:0 .55rem; font-size:.8rem; font-weight:600;
  white-space:nowrap; background:var(--good-tint); color:var(--good); }
.pill.bad { background:var(--bad-tint); color:var(--bad); }
.pill.odd { background:var(--odd-tint); color:var(--odd); }
.row { display:flex; gap:.6rem; align-items:end; flex-wrap:wrap; margin-top:1rem; }
.row > div { flex:1 1 7rem; }
.row select,.row input,.row button { padding:.3rem .6rem; font-size:.9rem; height:2.4rem; }
.hero { display:flex; gap:1.1rem; align-items:center; }
.fault { display:flex; justify-content:space-between; gap:1rem; padding:.5rem 0;
  border-top:1px solid var(--line); font-size:.9rem; }
@media (max-width:60rem) { .columns { grid-template-columns:minmax(0,1fr); gap:0; } }
@media (max-width:32rem) { main { padding:1.25rem .75rem; } .card { padding:1.15rem; }
  .sticky { margin:1.15rem -1.15rem 0; padding:.8rem 1.15rem; } .sticky button { flex:1; } }
";

/// Renders a page with this title.
pub(super) fn layout(title: &str, class: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                link rel="icon" href=(ICON);
                title { (title) }
                style { (PreEscaped(CSS)) }
            }
            body { main class=(class) { (body) } }
        }
    }
}

/// Renders the header line of a page.
pub(super) fn header_line(text: &str, link: Option<(&str, &str)>) -> Markup {
    html! {
        div class="brand" {
            (tile("S", ""))
            span { (text) }
            @if let Some((address, label)) = link { a class="link" href=(address) { (label) } }
        }
    }
}

/// Renders the icon of an app or an organization: its first letter.
pub(super) fn tile(name: &str, class: &str) -> Markup {
    let letter = name.chars().next().unwrap_or('?').to_uppercase();
    html! { span class={"tile " (class)} aria-hidden="true" { (letter.to_string()) } }
}
