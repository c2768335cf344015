//! The frame and the looks that all pages share. Nothing is loaded from anywhere.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const CSS: &str = "
:root { color-scheme: light dark; --ink:#1c1b22; --soft:#5d5b69; --line:#dddbe3; --card:#fff;
  --ground:#f4f2f7; --accent:#4a2c7a; --accent-ink:#fff; --bad:#a3213a; }
@media (prefers-color-scheme: dark) { :root { --ink:#f0eef5; --soft:#aaa7b8; --line:#3a3745;
  --card:#23212c; --ground:#16151c; --accent:#b79bea; --accent-ink:#1c1230; --bad:#ff8fa3; } }
* { box-sizing: border-box; }
body { margin:0; background:var(--ground); color:var(--ink);
  font:16px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif; }
main { max-width:34rem; margin:0 auto; padding:3rem 1.25rem; }
main.wide { max-width:60rem; }
.card { background:var(--card); border:1px solid var(--line); border-radius:14px;
  padding:1.75rem; margin-bottom:1.25rem; box-shadow:0 6px 24px rgb(0 0 0 / .06); }
h1 { font-size:1.45rem; line-height:1.25; margin:0 0 .5rem; letter-spacing:-.01em; }
h2 { font-size:1rem; margin:1.5rem 0 .5rem; }
.card > h2:first-child { margin-top:0; }
p { margin:.25rem 0 .75rem; } .soft { color:var(--soft); font-size:.92rem; }
.brand { display:flex; gap:.6rem; align-items:center; color:var(--soft); font-size:.9rem;
  margin-bottom:1rem; }
.mark { width:1.6rem; height:1.6rem; border-radius:7px; background:var(--accent);
  color:var(--accent-ink); display:grid; place-items:center; font-weight:700; font-size:.9rem; }
ul.scopes { list-style:none; padding:0; margin:.5rem 0; }
ul.scopes li { padding:.5rem 0; border-top:1px solid var(--line); }
ul.scopes li:first-child { border-top:0; }
code { font:.82em ui-monospace,Menlo,Consolas,monospace; color:var(--soft); }
label { display:block; font-weight:600; font-size:.9rem; margin:1rem 0 .3rem; }
select { width:100%; padding:.6rem .7rem; font:inherit; color:inherit; background:var(--card);
  border:1px solid var(--line); border-radius:9px; }
.choice { display:flex; gap:.5rem; align-items:center; font-weight:400; margin:.4rem 0; }
.buttons { display:flex; gap:.75rem; justify-content:flex-end; margin-top:1.5rem; }
button { font:inherit; font-weight:600; padding:.65rem 1.3rem; border-radius:9px; cursor:pointer;
  border:1px solid var(--line); background:transparent; color:inherit; }
button.main { background:var(--accent); border-color:var(--accent); color:var(--accent-ink); }
button:focus-visible, select:focus-visible { outline:3px solid var(--accent); outline-offset:2px; }
.figures { display:grid; grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr)); gap:1rem; }
.figures b { display:block; font-size:1.5rem; font-variant-numeric:tabular-nums; }
.scroll { overflow-x:auto; } table { border-collapse:collapse; width:100%; font-size:.92rem; }
th,td { text-align:left; padding:.45rem .75rem .45rem 0; border-top:1px solid var(--line); }
th { border-top:0; color:var(--soft); font-weight:600; }
td.n,th.n { text-align:right; font-variant-numeric:tabular-nums; } .bad { color:var(--bad); }
";

/// A page with a title.
pub(super) fn frame(title: &str, class: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                style { (PreEscaped(CSS)) }
            }
            body { main class=(class) { (body) } }
        }
    }
}

/// The line above a page.
pub(super) fn brand(text: &str) -> Markup {
    html! { div class="brand" { span class="mark" aria-hidden="true" { "S" } span { (text) } } }
}
