//! Webhooks: delivers the events of the feed to the endpoints of customers, by the Standard Webhooks specification
//! (<https://www.standardwebhooks.com>).
//!
//! `sender` claims the endpoints with something to deliver, each for one process at a time. `round` takes a batch of
//! deliveries, sends it and writes the results. `attempt` is one signed request, `schedule` has the pauses between the
//! attempts, and `health` is what the results say about an endpoint.
//!
//! A delivery is made at least once: its result is written after it was sent, so a process that ends in between leaves
//! it to another. The order is not promised.

mod attempt;
mod batch;
mod error;
mod health;
mod round;
mod schedule;
mod sender;
mod services;
mod test_event;

pub use error::WebhookError;
pub use sender::{SenderOptions, WebhookSender};
pub use services::WebhookServices;
