//! Reconciliation: plans that bring a directory to a desired state, and their application.
//!
//! `desired_rows` reads people from uploads, `rules` derives what people get from their attributes. `plan` makes a plan
//! in a job: the desired state is compared with the copy (`domain::reconciliation`), checked against what the provider
//! can do (`step_checks`) and the guards (`plan_guards`). `apply` carries out the steps in a job, subject by subject
//! (`subject`). `auto` applies rule sets to the people of events.

mod apply;
mod apply_lanes;
mod apply_stopped;
mod auto;
mod created_objects;
mod desired_pages;
mod desired_resolver;
mod desired_rows;
mod inverse;
mod plan;
mod plan_desired;
mod plan_guards;
mod plan_options;
mod plan_rules;
mod plan_stopped;
mod plan_writer;
mod present_state;
mod rules;
mod services;
mod step_checks;
mod step_guards;
mod step_run;
mod subject;
mod subject_error;
mod subject_reads;

pub use auto::RuleSetWorker;
pub use desired_resolver::Objects as NamedObjects;
pub use desired_rows::{DesiredRows, RowFormat, RowReport};
pub use rules::{RuleEvaluator, RuleMatch, RuleVerdict};
pub use services::ReconcileServices;
