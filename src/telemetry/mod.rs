//! What the program tells about itself: logs, metrics and traces. No label, line or span holds a token, a code, a
//! body, an e-mail address or a name; labels hold no ids either, so that their number is bounded.

mod logs;
mod metrics;
pub mod names;
mod per_name;
mod traces;

pub use logs::init;
pub use metrics::{CacheFigures, Called, Figures, Metrics, OpenConnection, Renewed, Standing};
pub use traces::{Collector, Span, Traces};
