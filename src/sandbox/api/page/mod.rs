//! The pages for people: the consent page, a page for trouble, and the sandbox's own.

mod consent;
mod home;
mod scopes;
mod style;

pub(super) use consent::{ConsentView, consent_page, trouble_page};
pub(super) use home::{obey, show_page};
