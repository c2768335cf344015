//! A provider's list, followed over all its pages, one row a line.

use http::Method;

use super::{Directory, PassthroughError};
use crate::connectors::paging::Trail;
use crate::connectors::{ConnectorError, Kind, PageFailure};
use crate::domain::allowed_methods::AllowedMethods;

/// A list to be followed from its first page on.
#[derive(Debug)]
pub struct PagedCall<'a> {
    /// The provider's path, such as `api/admin.users.list`.
    pub path: &'a str,
    /// The raw query of the page.
    pub query: Option<&'a str>,
    /// The provider's methods that the caller's key is bound to.
    pub allowed: Option<&'a AllowedMethods>,
    /// Where the list has been.
    pub trail: &'a mut Trail,
}

/// The rows of one page.
#[derive(Debug)]
pub struct Rows {
    /// A row a line, each as the provider wrote it.
    pub lines: Vec<u8>,
    /// The query of the next page.
    pub next: Option<String>,
}

impl Directory<'_> {
    /// The rows of one page of a provider's list.
    ///
    /// # Errors
    ///
    /// When the path is none of the provider's or no list, the key may not, the provider says no, or
    /// there is no answer.
    pub async fn raw_page(&self, call: PagedCall<'_>) -> Result<Rows, PassthroughError> {
        let passthrough = self.connector.passthrough();
        let query = passthrough.page_query(call.path, call.query);
        let query = query.as_deref().or(call.query);
        let request = self.route(&Method::GET, call.path, query, call.allowed)?;
        let (provider, method) = (self.connector.provider(), request.name.clone());
        let answer = self.cx.fetch(request, self.connector.dialect()).await?;
        let (status, body) = (answer.status, answer.into_body());
        let page = passthrough.read_page(call.path, query, status, &body);
        let page = page.map_err(|failure| match failure {
            PageFailure::NotAList => PassthroughError::NotAList(method.clone()),
            PageFailure::Odd(odd) => {
                ConnectorError::new(provider, method.clone(), Kind::Trouble).with_odd(odd).into()
            }
            PageFailure::Refused { kind, code } => {
                ConnectorError::new(provider, method.clone(), kind).with_code(code).into()
            }
        })?;
        if let Some(next) = &page.next {
            let rows = call.trail.rows(page.rows.iter().map(|row| row.get()));
            rows.and_then(|()| call.trail.step(next)).map_err(|endless| {
                let error = ConnectorError::new(provider, method.clone(), Kind::Trouble);
                error.with_odd(endless.reason())
            })?;
        }
        let mut lines = Vec::with_capacity(body.len());
        for row in page.rows {
            // Between tokens only: inside of a JSON text a line break is written as `\n`.
            lines.extend(row.get().bytes().map(|byte| match byte {
                b'\n' | b'\r' => b' ',
                other => other,
            }));
            lines.push(b'\n');
        }
        Ok(Rows { lines, next: page.next })
    }
}
