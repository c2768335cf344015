//! Webhooks: the endpoints, the deliveries to them, replays of the feed, and the queue of what is to be delivered.

mod deliveries;
mod feed;
mod queue;
mod replays;
mod rounds;
mod settings;
mod stats;

pub use self::deliveries::{DeliveryFilter, NotResendable};
pub(super) use self::deliveries::{erase_responses, purge};
pub use self::feed::EventSpan;
pub use self::queue::{ClaimLimits, ClaimedWebhook, ReplayInProgress, WebhookLease, WebhookTarget};
pub use self::replays::{MAX_REPLAYS, NewReplay, NotReplayable};
pub use self::rounds::RoundResults;
pub use self::settings::{WEBHOOK_ACCOUNT_CONSTRAINT, WebhookLock};
