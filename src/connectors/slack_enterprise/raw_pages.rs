//! Pages of Slack's lists through the proxy: finds the rows and the query of the next page.

use std::collections::HashMap;

use http::StatusCode;
use serde::Deserialize;
use serde_json::value::RawValue;
use url::form_urlencoded;

use super::api::scim_error_kind;
use super::wire::{ResponseMetadata, ScimFailure};
use super::{SlackConnector, error};
use crate::connectors::paging::ScimPage;
use crate::connectors::parse::{ParseError, parse, parse_text};
use crate::connectors::{ErrorKind, PageFailure, RawPage};

#[derive(Debug, Deserialize)]
struct RawScimList<'b> {
    #[serde(rename = "Resources", borrow)]
    resources: Option<Vec<&'b RawValue>>,
    #[serde(rename = "totalResults")]
    total_results: Option<u64>,
    #[serde(rename = "startIndex")]
    start_index: Option<u64>,
}

impl SlackConnector {
    /// Returns the query of the first page with the maximum page size; `None` when the caller set one.
    pub(super) fn page_size_query(&self, path: &str, query: Option<&str>) -> Option<String> {
        let (parameter, most) = match path.split_once('/') {
            Some(("api", method)) => ("limit", self.methods.max_limit(method)?),
            Some(("scim", _)) => ("count", 1_000),
            Some(("audit", _)) => ("limit", 1_000),
            Some(_) | None => return None,
        };
        let has = |name: &str| {
            query.unwrap_or_default().split('&').any(|pair| parameter_name(pair) == name)
        };
        (!has(parameter)).then(|| with_parameter(query, parameter, &most.to_string()))
    }

    /// Parses a page.
    pub(super) fn read_raw_page<'b>(
        &self,
        path: &str,
        query: Option<&str>,
        status: StatusCode,
        body: &'b [u8],
    ) -> Result<RawPage<'b>, PageFailure> {
        match path.split_once('/') {
            Some(("scim", _)) => scim_page(query, status, body),
            Some(("api", method)) => web_page(self.methods.items(method), query, status, body),
            Some(_) | None => web_page(Some("entries"), query, status, body),
        }
    }
}

fn web_page<'b>(
    items: Option<&str>,
    query: Option<&str>,
    status: StatusCode,
    body: &'b [u8],
) -> Result<RawPage<'b>, PageFailure> {
    let fields: HashMap<String, &'b RawValue> = match parse(body) {
        Ok(fields) => fields,
        Err(odd) if status.is_success() => return Err(PageFailure::Defect(odd.to_string())),
        Err(_) => {
            return Err(rejected(ErrorKind::ProviderError, format!("http_{}", status.as_u16())));
        }
    };
    let field = |name: &str| fields.get(name).map_or("null", |raw| raw.get());
    let is_okay =
        parse_text::<Option<bool>>(field("ok")).map_err(|odd| field_defect("ok", &odd))?;
    if is_okay == Some(false) || !status.is_success() {
        let code = parse_text::<Option<String>>(field("error")).ok().flatten();
        let code = code.unwrap_or_else(|| format!("http_{}", status.as_u16()));
        return Err(rejected(error::kind(&code), code));
    }
    let rows = if let Some(name) = items {
        fields.get(name)
    } else {
        // Not in the table: a single list must be the rows.
        let mut lists = fields.values().filter(|raw| raw.get().starts_with('['));
        lists.next().filter(|_| lists.next().is_none())
    };
    let rows = rows.and_then(|rows| serde_json::from_str::<Vec<&RawValue>>(rows.get()).ok());
    let rows = rows.ok_or(PageFailure::NotAList)?;
    let metadata = parse_text::<ResponseMetadata>(field("response_metadata"));
    let metadata = metadata.map_err(|odd| field_defect("response_metadata", &odd))?;
    let beside = parse_text::<Option<String>>(field("next_cursor"));
    let beside = beside.map_err(|odd| field_defect("next_cursor", &odd))?;
    let next = metadata.next_cursor.or(beside).filter(|cursor| !cursor.trim().is_empty());
    Ok(RawPage { rows, next: next.map(|cursor| with_parameter(query, "cursor", &cursor)) })
}

fn scim_page<'b>(
    query: Option<&str>,
    status: StatusCode,
    body: &'b [u8],
) -> Result<RawPage<'b>, PageFailure> {
    if !status.is_success() {
        let failure = parse::<ScimFailure>(body).ok();
        let code = failure.and_then(ScimFailure::code);
        let code = code.unwrap_or_else(|| format!("http_{}", status.as_u16()));
        return Err(rejected(scim_error_kind(status, &code), code));
    }
    let list: RawScimList<'b> = parse(body).map_err(|odd| PageFailure::Defect(odd.to_string()))?;
    if list.resources.is_none() && list.total_results.is_none() {
        return Err(PageFailure::NotAList);
    }
    let asked =
        query.unwrap_or_default().split('&').find(|pair| parameter_name(pair) == "startIndex");
    let asked = asked.and_then(|pair| pair.split_once('=')?.1.parse().ok());
    let start = asked.or(list.start_index).unwrap_or(1).max(1);
    let rows = list.resources.as_ref().map(Vec::len);
    let next = ScimPage { start, rows, total: list.total_results }.next();
    let next = next.map_err(PageFailure::Defect)?;
    let next = next.map(|next| with_parameter(query, "startIndex", &next.to_string()));
    Ok(RawPage { rows: list.resources.unwrap_or_default(), next })
}

/// Returns the defect of a field.
fn field_defect(field: &str, odd: &ParseError) -> PageFailure {
    let below = if odd.field.is_empty() { String::new() } else { format!(".{}", odd.field) };
    PageFailure::Defect(format!("`{field}{below}` {}", odd.reason))
}

fn rejected(kind: ErrorKind, code: String) -> PageFailure {
    PageFailure::Rejected { kind, code }
}

fn parameter_name(pair: &str) -> &str {
    pair.split('=').next().unwrap_or_default()
}

/// Returns the query with a parameter set.
fn with_parameter(query: Option<&str>, name: &str, value: &str) -> String {
    let others = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    let mut query: String =
        others.filter(|pair| parameter_name(pair) != name).fold(String::new(), |mut all, pair| {
            all.push_str(pair);
            all.push('&');
            all
        });
    query.push_str(name);
    query.push('=');
    query.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    query
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(page: &RawPage<'_>) -> Vec<String> {
        page.rows.iter().map(|row| row.get().to_owned()).collect()
    }

    #[test]
    fn finds_rows_in_the_field_of_the_method_or_in_the_only_list() {
        let body = br#"{"ok":true,"users":[{"id":"U1"},{"id":"U2"}],"more":["x"],
            "response_metadata":{"next_cursor":"a=="}}"#;
        let page =
            web_page(Some("users"), Some("cursor=old&limit=2"), StatusCode::OK, body).unwrap();
        assert_eq!(rows(&page), [r#"{"id":"U1"}"#, r#"{"id":"U2"}"#]);
        assert_eq!(page.next.as_deref(), Some("limit=2&cursor=a%3D%3D"));
        let two = web_page(None, None, StatusCode::OK, body);
        assert_eq!(two.unwrap_err(), PageFailure::NotAList, "which of the two is it?");
        let only = br#"{"ok":true,"things":[1],"response_metadata":{"next_cursor":""}}"#;
        let page = web_page(None, None, StatusCode::OK, only).unwrap();
        assert_eq!((rows(&page), page.next), (vec!["1".to_owned()], None));
        let none = web_page(None, None, StatusCode::OK, br#"{"ok":true,"user":{}}"#);
        assert_eq!(none.unwrap_err(), PageFailure::NotAList);
    }

    #[test]
    fn an_error_response_is_not_a_page() {
        let body = br#"{"ok":false,"error":"invalid_cursor"}"#;
        let refusal = web_page(Some("users"), None, StatusCode::OK, body).unwrap_err();
        assert_eq!(refusal, rejected(ErrorKind::InvalidCursor, "invalid_cursor".to_owned()));
        let html = web_page(Some("users"), None, StatusCode::BAD_GATEWAY, b"<html>").unwrap_err();
        assert_eq!(html, rejected(ErrorKind::ProviderError, "http_502".to_owned()));
    }

    #[test]
    fn scim_pages_end_after_the_last_row() {
        let page = |start: usize, rows: &str| {
            let body = format!(
                r#"{{"totalResults":5,"startIndex":{start},"itemsPerPage":2,"Resources":[{rows}]}}"#
            );
            let query = format!("count=2&startIndex={start}");
            scim_page(Some(&query), StatusCode::OK, body.as_bytes()).unwrap().next
        };
        assert_eq!(page(1, "1,2").as_deref(), Some("count=2&startIndex=3"));
        assert_eq!(page(3, "3,4").as_deref(), Some("count=2&startIndex=5"));
        assert_eq!(page(5, "5"), None);
        let empty = br#"{"totalResults":5,"startIndex":3,"Resources":[]}"#;
        assert!(matches!(scim_page(None, StatusCode::OK, empty), Err(PageFailure::Defect(_))));
        let gone = br#"{"schemas":[],"detail":"no_such_user","status":404}"#;
        let refusal = scim_page(None, StatusCode::NOT_FOUND, gone).unwrap_err();
        assert_eq!(refusal, rejected(ErrorKind::NotFound, "no_such_user".to_owned()));
    }
}
