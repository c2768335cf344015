//! The page `/docs`: what holds for every operation, and the list of all operations.

use maud::{Markup, html};

use super::code;
use super::document::{TagGroup, slug};
use super::operation::method;
use crate::http::html_page::prose;

/// The request that a new caller sends first.
const FIRST_REQUEST: &str = "export BASE=https://switchboard.example.com\n\
    export KEY=sb_live_v1_…\n\
    export ACCOUNT=acc_…\n\n\
    curl \"$BASE/users?limit=10\" \\\n  -H \"Authorization: Bearer $KEY\" \\\n  -H \"X-Integrated-Account-Id: $ACCOUNT\"";

/// The shape of a list.
const LIST: &str = "{\n  \"result\": [],\n  \"next_cursor\": null,\n  \"prev_cursor\": null,\n  \"limit\": 100,\n  \"result_count\": 0\n}";

/// Renders the content of the page.
pub(super) fn content(groups: &[TagGroup<'_>]) -> Markup {
    html! {
        div.head {
            h1 { "API reference" }
            p.lead { "One API for every customer's workforce directory. Generated from the " a href="/openapi.json" { "OpenAPI 3.1 document" } " of this server." }
        }
        section.topic.columns {
            div.about {
                h2 #authentication { "Authentication" }
                p { "Send " code { "Authorization: Bearer KEY" } ", with an API key (" code { "sb_live_…" } ") of one environment or an account token (" code { "sb_acct_…" } ") of one account. Each operation names the scope that it requires: " code { "read" } ", " code { "write" } " or " code { "admin" } "." }
                h2 #account { "Account" }
                p { "Specify the customer's account with the header " code { "X-Integrated-Account-Id" } ", with " code { "integrated_account_id" } " in the query, or with " code { "tenant_id" } " and " code { "provider" } ". An account token implies its account." }
                h2 #samples { "Code samples" }
                p { "The samples read the address of the server, the key and the account from the environment variables " code { "BASE" } ", " code { "KEY" } " and " code { "ACCOUNT" } "." }
            }
            div.example { (code::block(FIRST_REQUEST)) }
        }
        section.topic.columns {
            div.about {
                h2 #lists { "Lists" }
                p { "Request the next page with " code { "next_cursor" } " until it is " code { "null" } "; a page can be short or empty before that. Single resources and writes return " code { "{result}" } "." }
                h2 #idempotency { "Idempotency" }
                p { "Send an " code { "Idempotency-Key" } " with a change to repeat the request safely: for 24 hours, the same key returns the stored response." }
                h2 #errors { "Errors" }
                p { "Errors are RFC 9457 problem details. " code { "type" } " is the address of a page about the " a href="/problems" { "problem" } ", " code { "request_id" } " identifies the request in the log; it is also in the header " code { "X-Request-Id" } "." }
                h2 #rate-limits { "Rate limits" }
                p { "A request waits for the provider's rate limit, by default up to 15 seconds; above that it returns 429 with " code { "Retry-After" } ". The headers " code { "RateLimit" } " and " code { "RateLimit-Policy" } " have the remaining quota." }
            }
            div.example { (code::block(LIST)) }
        }
        section.operations aria-labelledby="operations" {
            h2 #operations { "Operations" }
            @for TagGroup { tag, description, operations } in groups {
                h3 { a href={ "/docs/" (slug(tag)) } { (tag) } }
                p { (prose(description)) }
                ul.index {
                    @for one in operations {
                        // The anchors that operations had when all were on one page.
                        li id=(one.anchor()) {
                            a href=(one.href()) { (method(one)) " " code { (one.path) } } " " span { (one.summary()) }
                        }
                    }
                }
            }
        }
    }
}
