//! What a query of the log asks for: filters, and a page.

use std::collections::BTreeMap;

use time::Duration;

use super::trouble::Trouble;
use crate::sandbox::Sandbox;
use crate::sandbox::audit::{Wanted, is_action};
use crate::sandbox::cursor::{self, Binding};

/// A page holds no more, and so many when the query does not say.
const MOST: usize = 9_999;
/// A query names no more actions.
const ACTIONS: usize = 30;
/// The beginning of March 2018: there is nothing before.
const BEGINNING: i64 = 1_519_862_400;

/// A query, understood.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) wanted: Wanted,
    /// The number of the entry that the page starts with.
    pub(super) start: Option<u64>,
    pub(super) limit: usize,
    binding: Binding,
}

impl Question {
    /// Reads the parameters.
    pub(super) fn read(
        sandbox: &Sandbox,
        query: &BTreeMap<String, String>,
    ) -> Result<Self, Trouble> {
        let text =
            |name: &str| query.get(name).map(|text| text.trim()).filter(|one| !one.is_empty());
        let (oldest, latest) = range(sandbox, text("oldest"), text("latest"))?;
        let wanted = Wanted {
            oldest,
            latest,
            actions: actions(text("action"))?,
            actor: text("actor").map(str::to_owned),
            entity: text("entity").map(str::to_owned),
        };
        let limit = match text("limit") {
            None => MOST,
            Some(text) => text.parse().map_err(|_| Trouble::bad("invalid_range"))?,
        };
        let filters: Vec<(String, String)> = query
            .iter()
            .filter(|(name, _)| name.as_str() != "cursor" && name.as_str() != "limit")
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let binding = Binding::new(sandbox.generation(), "audit.logs", &filters);
        let start = match text("cursor") {
            None => None,
            Some(text) => Some(
                cursor::decode(text, &binding, sandbox.now())
                    .ok_or_else(|| Trouble::bad("invalid_cursor"))?,
            ),
        };
        Ok(Self { wanted, start, limit: limit.clamp(1, MOST), binding })
    }

    /// The cursor of the next page; empty when there is none.
    pub(super) fn next_cursor(&self, sandbox: &Sandbox, next: Option<u64>) -> String {
        let life = Duration::seconds(sandbox.options().cursor_life_s);
        let encode = |next| cursor::encode(&self.binding, next, sandbox.now(), life);
        next.map(encode).unwrap_or_default()
    }
}

/// Both ends belong to the range, which must lie in the time that the log knows of.
fn range(
    sandbox: &Sandbox,
    oldest: Option<&str>,
    latest: Option<&str>,
) -> Result<(Option<i64>, Option<i64>), Trouble> {
    let refused = || Trouble::bad("invalid_range");
    let read = |text: Option<&str>| text.map(str::parse::<i64>).transpose().map_err(|_| refused());
    let (oldest, latest) = (read(oldest)?, read(latest)?);
    let now = sandbox.now().unix_timestamp();
    let early = [oldest, latest].into_iter().flatten().any(|at| at < BEGINNING);
    let reversed = oldest.zip(latest).is_some_and(|(oldest, latest)| oldest > latest);
    if early || reversed || oldest.is_some_and(|oldest| oldest > now) {
        return Err(refused());
    }
    Ok((oldest, latest))
}

fn actions(text: Option<&str>) -> Result<Vec<String>, Trouble> {
    let names = text.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> = names.map(str::to_owned).collect();
    if names.len() > ACTIONS || !names.iter().all(|name| is_action(name)) {
        return Err(Trouble::bad("invalid_action"));
    }
    Ok(names)
}
