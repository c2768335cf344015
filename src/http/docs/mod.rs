//! `/docs`: the HTML API reference, rendered from the OpenAPI document. The page `/docs` has an overview, `/docs/{tag}` the
//! operations of a tag.

mod assets;
mod code;
mod document;
mod frame;
mod operation;
mod overview;
mod pages;
mod samples;
mod schema;
mod tag_page;
mod try_it;

pub(super) use self::document::paths;
pub(super) use self::pages::routes;
