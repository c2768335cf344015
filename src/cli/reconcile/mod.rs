//! `switchboard plan` and `switchboard apply`: plans from files, and their application, through a running gateway.

mod apply;
mod plan;
mod progress;
mod text;
mod view;

pub(super) use self::apply::{ApplyArguments, run as apply};
pub(super) use self::plan::{PlanArguments, run as plan};
