//! Deliveries of one process to an endpoint on this machine, alone and beside endpoints that are dead.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::fleet::Fleet;
use super::machine::cpu_s;
use super::progress::note;
use super::reading::as_f64;
use super::stored_events::{EVENT_TYPE, StoredEvents};
use super::table::Section;
use super::webhook_sink::{SilentEndpoint, Sink};

/// Number of events of a run.
const EVENTS: usize = 50_000;
/// Number of events before the first run, which open connections and prepare statements.
const WARM_UP_EVENTS: usize = 2_000;
/// Timeout of a run.
const MAX_RUN_TIME: Duration = Duration::from_mins(3);
/// An endpoint that refuses connections: nothing listens there.
const REFUSING_URL: &str = "http://127.0.0.1:9/";
/// Budgets: deliveries per second, and the share of them that is left beside dead endpoints.
const MIN_RATE: f64 = 2_000.0;
const MIN_RATIO: f64 = 0.9;

/// A run: all events were delivered.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Number of requests, with those for an event that was delivered before.
    requests: usize,
    /// Time from the commit of the events until the last one was there.
    seconds: f64,
    /// Processor time of the gateway.
    cpu_s: f64,
}

impl Run {
    /// Returns the events per second.
    fn rate(self) -> f64 {
        as_f64(EVENTS) / self.seconds
    }
}

/// All runs, in their order.
#[derive(Debug)]
struct Comparison {
    before: Run,
    beside: Run,
    after: Run,
    object_bytes: usize,
}

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let Comparison { before, beside, after, object_bytes } = runtime.block_on(measure())?;
    let mut section = Section::new(
        "Webhook deliveries",
        format!(
            "{EVENTS} events `{EVENT_TYPE}`, each with a user of {object_bytes} bytes, are added to the feed in one \
             transaction and delivered by one process to an endpoint on this machine that responds immediately, from \
             the commit until the last event has arrived. The second run is beside two other endpoints for the same \
             events: one that accepts connections and never responds, and one that refuses them; it is compared with \
             the mean of the runs before and after it. Gateway, database and endpoint share the machine; processor \
             time is the gateway's."
        ),
        &["run", "events", "requests", "events/s", "CPU µs/event", "budget"],
    );
    let alone = f64::midpoint(before.rate(), after.rate());
    let rows = [
        ("alone", before, false),
        ("beside dead endpoints", beside, true),
        ("alone, again", after, false),
    ];
    for (what, run, is_beside) in rows {
        let rate = run.rate();
        let verdict = if is_beside {
            let ratio = rate / alone;
            let word = section.check(&format!("{ratio:.2} of the rate alone"), ratio >= MIN_RATIO);
            format!("≥ {MIN_RATIO} of the rate alone: {ratio:.2}, {word}")
        } else {
            let word = section.check(&format!("{what}: {rate:.0} a second"), rate >= MIN_RATE);
            format!("≥ {MIN_RATE:.0} a second: {word}")
        };
        section.rows.push(vec![
            what.to_owned(),
            EVENTS.to_string(),
            run.requests.to_string(),
            format!("{rate:.0}"),
            format!("{:.0}", run.cpu_s * 1e6 / as_f64(EVENTS)),
            verdict,
        ]);
    }
    Ok(section)
}

async fn measure() -> anyhow::Result<Comparison> {
    Fleet::measure(200, 5, compare).await
}

async fn compare(fleet: &Fleet) -> anyhow::Result<Comparison> {
    let (mut events, sink) = (StoredEvents::new(fleet).await?, Sink::start().await?);
    fleet.create_webhook(sink.url(), &[EVENT_TYPE]).await?;
    note(&format!("webhooks: {WARM_UP_EVENTS} events first"));
    deliver(fleet, &mut events, &sink, WARM_UP_EVENTS).await?;
    events.analyze().await?;
    note(&format!("webhooks: {EVENTS} events"));
    let before = deliver(fleet, &mut events, &sink, EVENTS).await?;
    note(&format!("webhooks: {:.0} a second; the same beside dead endpoints", before.rate()));
    let silent = SilentEndpoint::start().await?;
    let mut dead = Vec::new();
    for url in [silent.url(), REFUSING_URL] {
        dead.push(fleet.create_webhook(url, &[EVENT_TYPE]).await?);
    }
    let beside = deliver(fleet, &mut events, &sink, EVENTS).await?;
    note(&format!("webhooks: {:.0} a second; the same alone", beside.rate()));
    for id in dead {
        fleet.delete_webhook(&id).await?;
    }
    drop(silent);
    let after = deliver(fleet, &mut events, &sink, EVENTS).await?;
    Ok(Comparison { before, beside, after, object_bytes: events.object_bytes() })
}

/// Adds events to the feed and waits until all have arrived.
async fn deliver(
    fleet: &Fleet,
    events: &mut StoredEvents,
    sink: &Sink,
    count: usize,
) -> anyhow::Result<Run> {
    let pid = fleet.gateways.first().context("no gateway")?.pid();
    drop(sink.take());
    events.append(count).await?;
    let (began, before) = (Instant::now(), cpu_s(pid)?);
    let is_complete = sink.wait_for(count, began + MAX_RUN_TIME).await;
    let used = cpu_s(pid)? - before;
    let received = sink.take();
    anyhow::ensure!(is_complete, "{} of {count} events arrived in time", received.events.len());
    let last = received.events.values().max().context("no events")?;
    let seconds = last.saturating_duration_since(began).as_secs_f64();
    Ok(Run { requests: received.requests, seconds, cpu_s: used })
}
