//! Pages of a list: the request and the result.

/// The default number of rows of a page.
pub const DEFAULT_LIMIT: u16 = 100;
/// The maximum number of rows of a page.
pub const MAX_LIMIT: u16 = 1000;

/// A request for one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<C> {
    /// The start of the page; `None` for the first one.
    pub token: Option<C>,
    /// The maximum number of rows, 1 to [`MAX_LIMIT`].
    pub limit: u16,
}

/// One page, in the provider's order. A short or empty page may have a successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The rows.
    pub items: Vec<T>,
    /// The start of the next page; `None` at the end.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// Maps every row by `f`.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U, C> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}
