//! HTML pages: the consent page, its error page and the home page.

mod consent;
mod home;
mod scopes;
mod style;

pub(super) use consent::{ConsentView, consent_page, error_page};
pub(super) use home::{show_page, submit_fault_form};
