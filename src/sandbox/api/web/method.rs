//! What a method of the Web API is: one entry in a table, and a function.

use super::args::{Arg, Args};
use super::refusal::Refusal;
use crate::sandbox::cursor::{self, Binding};
use crate::sandbox::grants::{Identity, Install, TokenError, TokenKind};
use crate::sandbox::org::Edit;
use crate::sandbox::{Sandbox, Tier};

/// A method of the Web API.
pub(super) struct Method {
    /// Its name, as in the address.
    pub(super) name: &'static str,
    /// How often it may be called.
    pub(super) tier: Tier,
    /// Who may call it.
    pub(super) access: Access,
    /// What it wants to know.
    pub(super) args: &'static [Arg],
    /// What it does.
    pub(super) run: fn(&Call<'_>) -> Result<Vec<u8>, Refusal>,
}

/// Who may call a method.
#[derive(Debug, Clone, Copy)]
pub(super) enum Access {
    /// Anybody.
    Open,
    /// Whoever has a token, whatever it may do.
    AnyToken,
    /// User and bot tokens with a scope.
    Scope(&'static str),
    /// User and bot tokens with one of these scopes.
    AnyOf(&'static [&'static str]),
    /// User tokens of an installation on the organization, with a scope.
    Admin(&'static str),
}

impl Access {
    /// The scopes of which it takes one.
    pub(super) fn scopes(&'static self) -> &'static [&'static str] {
        match self {
            Self::Open | Self::AnyToken => &[],
            Self::Scope(scope) | Self::Admin(scope) => std::slice::from_ref(scope),
            Self::AnyOf(scopes) => scopes,
        }
    }

    /// Whether this caller may call it.
    pub(super) fn check(
        &'static self,
        caller: Result<&Identity, TokenError>,
    ) -> Result<(), Refusal> {
        let scopes = match self {
            Self::Open => return Ok(()),
            Self::AnyToken => return caller.map(|_| ()).map_err(Refusal::from),
            Self::Scope(_) | Self::AnyOf(_) | Self::Admin(_) => self.scopes(),
        };
        let caller = caller?;
        let admin = matches!(self, Self::Admin(_));
        if admin && caller.kind == TokenKind::Bot {
            return Err(Refusal::new("not_allowed_token_type"));
        }
        if !caller.scopes.iter().any(|held| scopes.contains(&held.as_str())) {
            return Err(Refusal::missing_scope(&scopes.join(","), &caller.scopes));
        }
        // The scope was granted by name; the power comes with an installation on the organization.
        if admin && caller.install != Install::Org {
            return Err(Refusal::new("feature_not_enabled"));
        }
        Ok(())
    }
}

/// A call of a method.
pub(super) struct Call<'a> {
    /// The sandbox.
    pub(super) sandbox: &'a Sandbox,
    /// The method.
    pub(super) method: &'static str,
    /// The arguments, checked against the table.
    pub(super) args: &'a Args,
    /// Whose token it carries.
    pub(super) caller: Result<&'a Identity, TokenError>,
    /// The token itself, for the methods that end its life.
    pub(super) token: Option<&'a str>,
    /// User and password of HTTP Basic, for OAuth clients.
    pub(super) basic: Option<&'a (String, String)>,
}

/// Where a page starts and how much it may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Position of its first candidate.
    pub(super) start: u64,
    /// At most so many rows.
    pub(super) limit: usize,
}

/// The size of a method's pages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// When the caller does not say.
    pub(super) default: usize,
    /// No more than that.
    pub(super) most: usize,
    /// The code for a limit that is too small or too large; without one a large limit is cut.
    pub(super) refuse: Option<&'static str>,
}

impl Call<'_> {
    /// Changes the organization in the name of the caller.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Edit<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.sandbox.change_org_as(self.caller?, change)
    }

    /// The part of the list that is asked for.
    pub(super) fn window(&self, sizes: Sizes) -> Result<Window, Refusal> {
        let asked = self.args.count("limit");
        let size = asked.map_or(Some(sizes.default), |limit| usize::try_from(limit).ok());
        let limit = match (size.filter(|size| *size > 0), sizes.refuse) {
            (Some(size), Some(refuse)) if size > sizes.most => return Err(Refusal::new(refuse)),
            (Some(size), _) => size.min(sizes.most),
            (None, Some(refuse)) => return Err(Refusal::new(refuse)),
            (None, None) => {
                let line = "[ERROR] must be greater than 0 [json-pointer:/limit]";
                return Err(Refusal::arguments(vec![line.to_owned()]));
            }
        };
        let start = match self.args.text("cursor") {
            None => 0,
            Some(cursor) => cursor::decode(&cursor, &self.binding(), self.sandbox.now())
                .ok_or_else(|| Refusal::new("invalid_cursor"))?,
        };
        Ok(Window { start, limit })
    }

    /// The cursor of the page that starts at `next`; empty when there is none.
    pub(super) fn next_cursor(&self, next: Option<u64>) -> String {
        let life = time::Duration::seconds(self.sandbox.options().cursor_life_s);
        let encode = |next| cursor::encode(&self.binding(), next, self.sandbox.now(), life);
        next.map(encode).unwrap_or_default()
    }

    fn binding(&self) -> Binding {
        Binding::new(self.sandbox.generation(), self.method, &self.args.filters())
    }
}

/// Takes one page from candidates in ascending order of position, and where the next one starts.
pub(super) fn page<T>(
    candidates: impl Iterator<Item = (u64, T)>,
    limit: usize,
) -> (Vec<T>, Option<u64>) {
    let mut rows = Vec::with_capacity(limit.min(1_000));
    for (position, row) in candidates {
        if rows.len() == limit {
            return (rows, Some(position));
        }
        rows.push(row);
    }
    (rows, None)
}

/// A body, from anything that can be written as JSON.
pub(super) fn json_body(value: &impl serde::Serialize) -> Result<Vec<u8>, Refusal> {
    serde_json::to_vec(value).map_err(|_| Refusal::new("fatal_error"))
}
