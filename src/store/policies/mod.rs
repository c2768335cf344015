//! Policies: their settings, the people that they are evaluated on, what is evaluated next, and violations.

mod evaluations;
mod grants;
mod people;
mod people_pages;
mod queue;
mod reviewed_people;
mod settings;
mod violation_list;
mod violation_row;
mod violations;

pub use self::people::{PeopleFilter, PeoplePage, PeopleRows};
pub use self::people_pages::PeopleReader;
pub use self::queue::{EvaluationLease, EvaluationScope};
pub(super) use self::queue::{evaluate_again, request_full};
pub use self::settings::PolicyLock;
pub use self::violation_list::ViolationFilter;
pub(super) use self::violation_row::purge;
pub use self::violations::{EvaluatedSubjects, PolicyFindings};
