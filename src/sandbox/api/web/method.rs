//! Definition of a Web API method: a table entry with a handler function.

use super::args::{Arg, Args};
use super::error::WebApiError;
use crate::sandbox::cursor::{self, CursorScope};
use crate::sandbox::grants::{InstallTarget, SlackTokenType, TokenIdentity, TokenRejection};
use crate::sandbox::org::Edit;
use crate::sandbox::{Sandbox, Tier};

/// A method of the Web API.
pub(super) struct Method {
    /// Name, as in the URL.
    pub(super) name: &'static str,
    /// Rate limit tier.
    pub(super) tier: Tier,
    /// Required token and scope.
    pub(super) access: MethodAccess,
    /// Arguments.
    pub(super) args: &'static [Arg],
    /// Handler.
    pub(super) run: fn(&MethodCall<'_>) -> Result<Vec<u8>, WebApiError>,
}

/// Token and scope that a method requires.
#[derive(Debug, Clone, Copy)]
pub(super) enum MethodAccess {
    /// No token.
    Public,
    /// Any token.
    AnyToken,
    /// A user or bot token with this scope.
    Scope(&'static str),
    /// A user or bot token with one of these scopes.
    AnyScope(&'static [&'static str]),
    /// A user token of an installation on the organization, with this scope.
    Admin(&'static str),
}

impl MethodAccess {
    /// Returns the scopes of which one is required.
    pub(super) fn scopes(&'static self) -> &'static [&'static str] {
        match self {
            Self::Public | Self::AnyToken => &[],
            Self::Scope(scope) | Self::Admin(scope) => std::slice::from_ref(scope),
            Self::AnyScope(scopes) => scopes,
        }
    }

    /// Checks the token and its scopes.
    pub(super) fn check(
        &'static self,
        caller: Result<&TokenIdentity, TokenRejection>,
    ) -> Result<(), WebApiError> {
        let scopes = match self {
            Self::Public => return Ok(()),
            Self::AnyToken => return caller.map(|_| ()).map_err(WebApiError::from),
            Self::Scope(_) | Self::AnyScope(_) | Self::Admin(_) => self.scopes(),
        };
        let caller = caller?;
        let admin = matches!(self, Self::Admin(_));
        if admin && caller.kind == SlackTokenType::Bot {
            return Err(WebApiError::new("not_allowed_token_type"));
        }
        if !caller.scopes.iter().any(|held| scopes.contains(&held.as_str())) {
            return Err(WebApiError::missing_scope(&scopes.join(","), &caller.scopes));
        }
        // The scope alone is not enough: it takes effect only in an installation on the
        // organization.
        if admin && caller.install != InstallTarget::Org {
            return Err(WebApiError::new("feature_not_enabled"));
        }
        Ok(())
    }
}

/// A call of a Web API method.
pub(super) struct MethodCall<'a> {
    /// The sandbox.
    pub(super) sandbox: &'a Sandbox,
    /// Name of the method.
    pub(super) method: &'static str,
    /// Validated arguments.
    pub(super) args: &'a Args,
    /// Identity behind the token, or the reason why the token is rejected.
    pub(super) caller: Result<&'a TokenIdentity, TokenRejection>,
    /// The token itself, for methods that revoke it.
    pub(super) token: Option<&'a str>,
    /// User name and password of HTTP Basic, for OAuth clients.
    pub(super) basic: Option<&'a (String, String)>,
}

/// Start and size of a page.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageWindow {
    /// Position of the first candidate.
    pub(super) start: u64,
    /// Maximum number of rows.
    pub(super) limit: usize,
}

/// Page sizes of a method.
#[derive(Debug, Clone, Copy)]
pub(super) struct PageSizes {
    /// Default size.
    pub(super) default: usize,
    /// Maximum size.
    pub(super) max: usize,
    /// Error code for a limit out of range; with `None` a large limit is reduced to the maximum.
    pub(super) out_of_range_error: Option<&'static str>,
}

impl MethodCall<'_> {
    /// Applies a change to the organization on behalf of the caller.
    pub(super) fn change<T>(
        &self,
        change: impl FnOnce(&mut Edit<'_>) -> Result<T, WebApiError>,
    ) -> Result<T, WebApiError> {
        self.sandbox.change_org_on_behalf_of(self.caller?, change)
    }

    /// Returns the requested page window.
    pub(super) fn window(&self, sizes: PageSizes) -> Result<PageWindow, WebApiError> {
        let asked = self.args.count("limit");
        let size = asked.map_or(Some(sizes.default), |limit| usize::try_from(limit).ok());
        let limit = match (size.filter(|size| *size > 0), sizes.out_of_range_error) {
            (Some(size), Some(refuse)) if size > sizes.max => return Err(WebApiError::new(refuse)),
            (Some(size), _) => size.min(sizes.max),
            (None, Some(refuse)) => return Err(WebApiError::new(refuse)),
            (None, None) => {
                let line = "[ERROR] must be greater than 0 [json-pointer:/limit]";
                return Err(WebApiError::invalid_arguments(vec![line.to_owned()]));
            }
        };
        let start = match self.args.text("cursor") {
            None => 0,
            Some(cursor) => cursor::decode(&cursor, &self.cursor_scope(), self.sandbox.now())
                .ok_or_else(|| WebApiError::new("invalid_cursor"))?,
        };
        Ok(PageWindow { start, limit })
    }

    /// Returns the cursor of the page that starts at `next`; empty for `None`.
    pub(super) fn next_cursor(&self, next: Option<u64>) -> String {
        let life = time::Duration::seconds(self.sandbox.options().cursor_lifetime_s);
        let encode = |next| cursor::encode(&self.cursor_scope(), next, self.sandbox.now(), life);
        next.map(encode).unwrap_or_default()
    }

    fn cursor_scope(&self) -> CursorScope {
        CursorScope::new(self.sandbox.generation(), self.method, &self.args.filters())
    }
}

/// Takes one page from candidates in ascending order of position. Returns it with the start of the
/// next page.
pub(super) fn take_page<T>(
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

/// Serializes a response body.
pub(super) fn json_body(value: &impl serde::Serialize) -> Result<Vec<u8>, WebApiError> {
    serde_json::to_vec(value).map_err(|_| WebApiError::new("fatal_error"))
}
