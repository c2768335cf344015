//! `/unified/user-directory/…`: the directory at the other API's paths.

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::Response;
use bytes::Bytes;
use serde_json::Value;

use super::answer::{bad_request, bare, failed, not_found, page, refused};
use super::ask::{Along, Asker, Said};
use super::collected::Collected;
use super::sent::Sent;
use super::theirs::{told, wished};
use super::wishes::Wishes;

/// How their paths begin.
const PREFIX: &str = "/unified/user-directory/";
/// The directory's resources in their words and in ours. No other route of ours is behind their paths: what an ingress
/// permits there is the directory alone.
const RESOURCES: [(&str, &str); 7] = [
    ("users", "users"),
    ("roles", "roles"),
    ("role_assignments", "role-assignments"),
    ("role-assignments", "role-assignments"),
    ("workspaces", "workspaces"),
    ("groups", "groups"),
    ("me", "me"),
];
/// The most pages that one request collects.
const MOST_PAGES: usize = 1_000;

/// Answers any request for the directory.
pub(super) async fn serve(
    State(router): State<Router>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    along: Along,
    Sent(body): Sent,
) -> Response {
    let asker = Asker::new(router, &along);
    let wishes = match Wishes::read(query.as_deref()) {
        Ok(wishes) => wishes,
        Err(problem) => return refused(&problem),
    };
    // As it came: what is decoded here and put together again could mean another path.
    let rest = uri.path().strip_prefix(PREFIX).unwrap_or_default().trim_matches('/');
    let (resource, below) =
        rest.split_once('/').map_or((rest, None), |(name, id)| (name, Some(id)));
    let known = RESOURCES.iter().find(|(theirs, _)| *theirs == resource);
    let Some(name) = known.map(|(_, ours)| *ours) else { return not_found() };
    let path = match below {
        None => format!("/{name}"),
        Some(below) => format!("/{name}/{below}"),
    };
    if method == Method::GET && below.is_none() && name != "me" {
        return list(&asker, name, &path, wishes).await;
    }
    let body = match read_body(&body) {
        Ok(body) => body.map(|body| wished(name, body)),
        Err(why) => return bad_request(&why),
    };
    // Only what has an answer of that thing can be asked for its form.
    let takes_form = method != Method::DELETE;
    let query = if takes_form { wishes.query } else { account_only(wishes.query) };
    let said = asker.ask(method, &path, &query, body.as_ref()).await;
    single(said, name, wishes.is_raw)
}

fn single(mut said: Said, resource: &str, is_raw: bool) -> Response {
    if !said.status.is_success() {
        return failed(&said);
    }
    let result = said.result();
    let mut thing = if is_raw { result } else { told(resource, result) };
    if said.status == StatusCode::MULTI_STATUS
        && let (Some(thing), Some(parts)) = (thing.as_object_mut(), said.body.get_mut("parts"))
    {
        // They have no word for it; a caller who looks finds it.
        thing.insert("parts".to_owned(), parts.take());
    }
    bare(&said, &thing)
}

/// A page, which is never empty while there is another one: their client takes an empty one for the end.
async fn list(asker: &Asker, resource: &str, path: &str, wishes: Wishes) -> Response {
    let Wishes { is_raw, key_by, ignore_limit, mut next_cursor, query } = wishes;
    let mut collected = Collected::new(key_by);
    let collects = collected.is_keyed() && ignore_limit;
    let mut pages = 0;
    loop {
        let mut question = query.clone();
        question.extend(next_cursor.take().map(|cursor| ("next_cursor".to_owned(), cursor)));
        let mut said = asker.get(path, &question).await;
        if !said.status.is_success() {
            return failed(&said);
        }
        pages += 1;
        if let Value::Array(more) = said.result() {
            for row in more {
                let row = if is_raw { row } else { told(resource, row) };
                if let Err(why) = collected.add(&row) {
                    return bad_request(&why);
                }
            }
        }
        let next = said.body.get("next_cursor").cloned().unwrap_or_default();
        let wants_more = collected.count == 0 || (collects && !collected.is_full());
        if let (Some(cursor), true) = (next.as_str(), wants_more && pages < MOST_PAGES) {
            next_cursor = Some(cursor.to_owned());
            continue;
        }
        let limit = said.body.get("limit").cloned().unwrap_or_default();
        let count = collected.count;
        return page(&said.headers, (&collected.finish(), count), &next, &limit);
    }
}

fn account_only(query: Vec<(String, String)>) -> Vec<(String, String)> {
    let kept = ["integrated_account_id", "tenant_id", "provider", "sign_out"];
    query.into_iter().filter(|(name, _)| kept.contains(&name.as_str())).collect()
}

/// The body as JSON; none when there is none.
pub(super) fn read_body(body: &Bytes) -> Result<Option<Value>, String> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    // Their client sends `null` where it has nothing to say.
    let body: Value =
        serde_json::from_slice(body).map_err(|error| format!("The body is no JSON: {error}"))?;
    Ok(Some(body).filter(|body| !body.is_null()))
}
