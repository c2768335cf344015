//! Policies: rules that directories must comply with, evaluated over the synced copies.
//!
//! `kinds` has the rules, `evaluation` applies them to people, `worker` evaluates the accounts with changes and stores
//! what it found as violations. `fix` ends violations that still exist when a `violation_recheck` has read the people,
//! as far as the `removal_guards` allow it. `access_review` lists who may do what where.

mod access_review;
mod background_changes;
mod evaluation;
mod evaluation_error;
mod fix;
mod fix_support;
mod kinds;
mod operation_effect;
mod parameters;
mod people_expressions;
mod removal_guards;
mod services;
mod starter;
mod violation_recheck;
mod worker;

pub use access_review::{AccessReview, AccessReviewRow};
pub(crate) use background_changes::BackgroundChanges;
pub use evaluation::EvaluatedPolicy;
pub use evaluation_error::{EvaluationError, NotEvaluated};
pub use fix::{Fixer, RequestedFix};
pub use kinds::{KINDS, PolicyKind, Reference, ReferenceKind};
pub(crate) use operation_effect::{after, takes_access};
pub use parameters::{ValidParameters, pointer_to, validate};
pub use people_expressions::{EXPRESSION_PAGE, PeopleResults, evaluate_on_people};
pub(crate) use removal_guards::{Guards, RequiredHolders};
pub use services::PolicyServices;
pub use starter::starter_policies;
pub use worker::PolicyWorker;
