//! What a page is made from: the API in the name of the session, the selected account, and the query of the URL.

use axum::http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;
use time::OffsetDateTime;
use url::form_urlencoded;

use super::format::Now;
use crate::domain::ids::IntegratedAccountId;
use crate::http::internal_api::{ApiFailure, InternalApi};
use crate::http::problem::Problem;
use crate::store::{StoreError, TenantDb};

/// What the session may do. The API enforces the scopes of its caller as well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::http) struct Permissions {
    /// Acknowledge violations.
    pub(in crate::http) acknowledge: bool,
    /// Fix violations, and request and decide runs of the sync.
    pub(in crate::http) apply: bool,
    /// Administer the environment.
    pub(in crate::http) administer: bool,
}

/// The account that pages show.
#[derive(Debug, Clone)]
pub(in crate::http) struct SelectedAccount {
    /// Its id.
    pub(in crate::http) id: IntegratedAccountId,
    /// The account, as in the API.
    pub(in crate::http) value: Value,
}

/// The decoded query of a URL; empty values count as absent.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct UrlQuery(Vec<(String, String)>);

impl UrlQuery {
    /// Parses a query.
    pub(in crate::http) fn parse(query: Option<&str>) -> Self {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
        Self(pairs.filter(|(_, value)| !value.trim().is_empty()).collect())
    }

    /// Returns the first value of a parameter.
    pub(in crate::http) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Returns the parameters of these names that are present.
    pub(in crate::http) fn only<'a>(&'a self, names: &[&'a str]) -> Vec<(&'a str, &'a str)> {
        names.iter().filter_map(|name| Some((*name, self.get(name)?))).collect()
    }
}

/// What a page needs.
#[derive(Debug, Clone)]
pub(in crate::http) struct View {
    /// The API.
    pub(in crate::http) api: InternalApi,
    /// The rows of the environment, for what the API does not count.
    pub(in crate::http) db: TenantDb,
    /// The path before that of each page.
    pub(in crate::http) base: &'static str,
    /// The selected account; `None` if the environment has none.
    pub(in crate::http) account: Option<SelectedAccount>,
    /// What the session may do.
    pub(in crate::http) may: Permissions,
    /// The CSRF token of the session.
    pub(in crate::http) csrf: String,
    /// The current time.
    pub(in crate::http) now: Now,
    /// The query of the URL.
    pub(in crate::http) query: UrlQuery,
}

/// Why a page cannot be shown.
#[derive(Debug)]
pub(in crate::http) enum PageError {
    /// The API returned a problem.
    Failure(ApiFailure),
    /// No account is selected.
    NoAccount,
    /// The API refused a form, which is shown again with the reasons.
    Refused(StatusCode, Box<Page>),
}

impl From<ApiFailure> for PageError {
    fn from(failure: ApiFailure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Problem> for PageError {
    fn from(problem: Problem) -> Self {
        Self::Failure(problem.into())
    }
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Self::Failure(error.into())
    }
}

/// A page without its frame.
#[derive(Debug, Default)]
pub(in crate::http) struct Page {
    /// The title.
    pub(in crate::http) title: String,
    /// The first line: how fresh the data is, and what it counts.
    pub(in crate::http) lead: Markup,
    /// The buttons beside the title.
    pub(in crate::http) actions: Markup,
    /// The content.
    pub(in crate::http) body: Markup,
}

/// A page, or why it cannot be shown.
pub(in crate::http) type PageResult = Result<Page, PageError>;

impl View {
    /// Returns the selected account.
    ///
    /// # Errors
    ///
    /// `NoAccount`.
    pub(in crate::http) fn selected(&self) -> Result<&SelectedAccount, PageError> {
        self.account.as_ref().ok_or(PageError::NoAccount)
    }

    /// Returns the id of the selected account.
    ///
    /// # Errors
    ///
    /// `NoAccount`.
    pub(in crate::http) fn account_id(&self) -> Result<String, PageError> {
        Ok(self.selected()?.id.text())
    }

    /// Returns the current time.
    pub(in crate::http) fn time(&self) -> OffsetDateTime {
        self.now.0
    }

    /// Returns the URL of a page with parameters. In the console it names the selected account.
    pub(in crate::http) fn href(&self, path: &str, query: &[(&str, &str)]) -> String {
        let mut text = form_urlencoded::Serializer::new(String::new());
        if let (Some(account), "/console") = (&self.account, self.base) {
            text.append_pair("account", &account.id.text());
        }
        text.extend_pairs(query.iter().filter(|(_, value)| !value.is_empty()));
        let text = text.finish();
        let mark = if text.is_empty() { "" } else { "?" };
        format!("{}{path}{mark}{text}", self.base)
    }

    /// Returns the URL of a page with these parameters of this page, and others.
    pub(in crate::http) fn href_with(
        &self,
        path: &str,
        retained: &[&str],
        others: &[(&str, &str)],
    ) -> String {
        let mut query = self.query.only(retained);
        query.retain(|(name, _)| others.iter().all(|(other, _)| other != name));
        query.extend(others);
        self.href(path, &query)
    }

    /// Renders the hidden fields of a form that changes something.
    pub(in crate::http) fn csrf_field(&self) -> Markup {
        html! { input type="hidden" name="csrf" value=(self.csrf); }
    }

    /// Renders the hidden field with the account, for a form that is sent with GET.
    pub(in crate::http) fn account_field(&self) -> Markup {
        html! {
            @if let (Some(account), "/console") = (&self.account, self.base) {
                input type="hidden" name="account" value=(account.id.text());
            }
        }
    }
}
