//! Pages of a provider's list through the proxy, as one JSON row per line.

use http::Method;

use super::{Directory, PassthroughError};
use crate::connectors::paging::PageHistory;
use crate::connectors::{ConnectorError, ErrorKind, PageFailure};
use crate::domain::allowed_methods::AllowedMethods;

/// A page of a list to read.
#[derive(Debug)]
pub struct PageCall<'a> {
    /// The provider's path, such as `api/admin.users.list`.
    pub path: &'a str,
    /// The raw query of the page.
    pub query: Option<&'a str>,
    /// The provider methods that the caller's key may call; `None` for all.
    pub allowed: Option<&'a AllowedMethods>,
    /// The page history of the list.
    pub history: &'a mut PageHistory,
}

/// The rows of one page.
#[derive(Debug)]
pub struct PageLines {
    /// One row per line, as sent by the provider.
    pub lines: Vec<u8>,
    /// The query of the next page.
    pub next: Option<String>,
}

impl Directory<'_> {
    /// Reads one page of a provider's list.
    ///
    /// # Errors
    ///
    /// `UnknownPath`, `NotAList`, `Forbidden`, or `Connector` when the provider rejects the call or there is no
    /// response.
    pub async fn raw_page(&self, call: PageCall<'_>) -> Result<PageLines, PassthroughError> {
        let passthrough = self.connector.passthrough();
        let query = passthrough.page_query(call.path, call.query);
        let query = query.as_deref().or(call.query);
        let request = self.route(&Method::GET, call.path, query, call.allowed)?;
        let (provider, method) = (self.connector.provider(), request.name.clone());
        let response = self.cx.fetch(request, self.connector.response_classifier()).await?;
        let (status, body) = (response.status, response.into_body());
        let page = passthrough.read_page(call.path, query, status, &body);
        let page = page.map_err(|failure| match failure {
            PageFailure::NotAList => PassthroughError::NotAList(method.clone()),
            PageFailure::Defect(odd) => {
                ConnectorError::new(provider, method.clone(), ErrorKind::ProviderError)
                    .with_defect(odd)
                    .into()
            }
            PageFailure::Rejected { kind, code } => {
                ConnectorError::new(provider, method.clone(), kind).with_code(code).into()
            }
        })?;
        if let Some(next) = &page.next {
            let rows = call.history.check_rows(page.rows.iter().map(|row| row.get()));
            rows.and_then(|()| call.history.visit(next)).map_err(|endless| {
                let error = ConnectorError::new(provider, method.clone(), ErrorKind::ProviderError);
                error.with_defect(endless.reason())
            })?;
        }
        let mut lines = Vec::with_capacity(body.len());
        for row in page.rows {
            // Only between tokens: inside a JSON string a line break is escaped as `\n`.
            lines.extend(row.get().bytes().map(|byte| match byte {
                b'\n' | b'\r' => b' ',
                other => other,
            }));
            lines.push(b'\n');
        }
        Ok(PageLines { lines, next: page.next })
    }
}
