//! What the program tells about itself: logs and metrics. No label and no line holds a token, a code, a
//! body, an e-mail address or a name; labels hold no ids either, so that their number is bounded.

mod logs;
mod metrics;
pub mod names;
mod per_name;

pub use logs::init;
pub use metrics::{Called, Figures, Metrics, Renewed};
