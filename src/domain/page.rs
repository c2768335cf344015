//! Pages of a list: what is asked for and what comes back.

/// How many rows a page holds when nothing is asked.
pub const DEFAULT_LIMIT: u16 = 100;
/// The most rows a page may be asked to hold.
pub const MAX_LIMIT: u16 = 1000;

/// The wish for one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest<C> {
    /// Where the page begins; `None` for the first one.
    pub position: Option<C>,
    /// The most rows wanted, 1 to [`MAX_LIMIT`].
    pub limit: u16,
}

/// One page, in the provider's order. It may be short, or even empty, and still have a successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, C> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<C>,
}

impl<T, C> Page<T, C> {
    /// The same page with every row changed by `f`.
    pub fn map<U>(self, f: impl FnMut(T) -> U) -> Page<U, C> {
        Page { items: self.items.into_iter().map(f).collect(), next: self.next }
    }
}
