//! One refresh for all gateways, and none lost whenever the gateway that asks is killed.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::super::home::Home;
use super::super::program::Program;
use super::super::talk::{Answer, number};
use super::super::{GLANCE, START, note};
use super::{Fleet, serving};

/// Longer than a test waits for anything.
const LONG_S: u64 = 30;
const THIRTEEN_HOURS: u64 = 46_800;

impl Fleet {
    /// The provider's clock goes past the end of the token.
    async fn age(&self) -> anyhow::Result<()> {
        self.tell_sandbox("advance-clock", &json!({"seconds": THIRTEEN_HOURS})).await
    }

    async fn refreshes(&self) -> anyhow::Result<u64> {
        number(&self.ask_sandbox("state").await?, "/refreshes")
    }

    /// Waits until the database or the sandbox shows that a moment has come.
    async fn until(
        &self,
        mut has_come: impl AsyncFnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + START;
        while !has_come().await? {
            anyhow::ensure!(Instant::now() < deadline, "the moment did not come");
            tokio::time::sleep(GLANCE).await;
        }
        Ok(())
    }

    /// Whether the provider has met the call that a fault waited for.
    async fn is_fault_spent(&self) -> anyhow::Result<bool> {
        let faults = self.ask_sandbox("faults").await?;
        Ok(faults.get("faults").and_then(Value::as_array).is_some_and(Vec::is_empty))
    }

    async fn status(&self, gateway: usize) -> anyhow::Result<Value> {
        let account =
            self.ask(gateway, &format!("/integrated-accounts/{}", self.caller.account)).await?;
        Ok(account.ok()?.pointer("/result/status").cloned().unwrap_or_default())
    }
}

fn failed(answers: &[Answer]) -> Vec<&Answer> {
    answers.iter().filter(|answer| answer.status != 200).collect()
}

/// Whether an attempt to refresh stands in the database without an end.
async fn is_intended(pool: &PgPool) -> anyhow::Result<bool> {
    let open = "select exists (select 1 from credential_refreshes where finished_at is null)";
    Ok(sqlx::query_scalar(open).fetch_one(pool).await?)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_thousand_calls_over_four_gateways_cost_one_refresh(pool: PgPool) -> anyhow::Result<()> {
    let home = Home::new()?;
    let fleet = Fleet::start(&home, &pool, 4, 60).await?;
    fleet.age().await?;
    let started = Instant::now();
    let answers = fleet.calls(&[0, 1, 2, 3], 250).await?;
    let took = started.elapsed();
    let failed = failed(&answers);
    assert!(
        failed.is_empty(),
        "{} of {}, such as {:?}",
        failed.len(),
        answers.len(),
        failed.first()
    );
    assert_eq!(fleet.refreshes().await?, 1);
    note(format_args!("1,000 calls over 4 gateways and one refresh took {took:?}"))
}

/// When a gateway that refreshes is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The provider has not done anything.
    Before,
    /// The provider has done it and the answer is on its way.
    Answering,
    /// The answer is there and is not stored yet.
    Storing,
}

/// Kills the gateway that refreshes in that moment.
async fn kill_at(fleet: &mut Fleet, pool: &PgPool, moment: Moment) -> anyhow::Result<()> {
    let (kind, seconds) = match moment {
        Moment::Before => ("timeout", LONG_S),
        Moment::Answering => ("latency", LONG_S),
        Moment::Storing => ("latency", 1),
    };
    let fault = json!({"method": "oauth.v2.access", "kind": kind, "count": 1, "seconds": seconds});
    fleet.tell_sandbox("faults", &fault).await?;
    fleet.age().await?;
    let refreshes = fleet.refreshes().await?;
    let cut_off = fleet.call(0);
    let watch = async {
        fleet.until(async || is_intended(pool).await).await?;
        // Killed earlier, it would leave the fault to the gateway that goes on.
        fleet.until(async || fleet.is_fault_spent().await).await?;
        if moment == Moment::Storing {
            // What the gateway writes after the answer waits for this.
            let mut tx = pool.begin().await?;
            sqlx::query("lock table credential_refreshes in access exclusive mode")
                .execute(&mut *tx)
                .await?;
            let waiting = "select exists (select 1 from pg_locks where not granted
                 and relation = 'credential_refreshes'::regclass)";
            fleet.until(async || Ok(sqlx::query_scalar(waiting).fetch_one(pool).await?)).await?;
            return anyhow::Ok(Some(tx));
        }
        if moment == Moment::Answering {
            fleet.until(async || Ok(fleet.refreshes().await? > refreshes)).await?;
        }
        anyhow::Ok(None)
    };
    // The call is dropped with the gateway that it was sent to.
    let lock = tokio::select! {
        answer = cut_off => anyhow::bail!("it was not held: {answer:?}"),
        held = watch => held?,
    };
    fleet.kill(0)?;
    drop(lock);
    Ok(())
}

/// Within the provider's grace the gateways that live go on with the grant.
async fn loses_no_grant(pool: &PgPool, moment: Moment) -> anyhow::Result<()> {
    let home = Home::new()?;
    let mut fleet = Fleet::start(&home, pool, 4, 60).await?;
    kill_at(&mut fleet, pool, moment).await?;
    let answers = fleet.calls(&[1, 2, 3], 20).await?;
    let failed = failed(&answers);
    assert!(failed.is_empty(), "{} such as {:?}", failed.len(), failed.first());
    assert_eq!(fleet.status(1).await?, "active");
    // The one that was cut off, if the provider has done it, and the one that was kept.
    let done = if moment == Moment::Before { 1 } else { 2 };
    assert_eq!(fleet.refreshes().await?, done);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_gateway_killed_before_the_provider_acts_loses_no_grant(
    pool: PgPool,
) -> anyhow::Result<()> {
    loses_no_grant(&pool, Moment::Before).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_gateway_killed_before_the_answer_comes_loses_no_grant(
    pool: PgPool,
) -> anyhow::Result<()> {
    loses_no_grant(&pool, Moment::Answering).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_gateway_killed_before_it_stores_the_answer_loses_no_grant(
    pool: PgPool,
) -> anyhow::Result<()> {
    loses_no_grant(&pool, Moment::Storing).await
}

/// Without a grace the grant is gone with the gateway: the account says so, and is linked again.
async fn is_linked_again(pool: &PgPool, moment: Moment) -> anyhow::Result<()> {
    let home = Home::new()?;
    let mut fleet = Fleet::start(&home, pool, 3, 0).await?;
    kill_at(&mut fleet, pool, moment).await?;
    for answer in fleet.calls(&[1, 2], 10).await? {
        // A raw call is refused in the provider's shape.
        assert_eq!((answer.status, answer.body.get("error")), (409, Some(&json!("token_revoked"))));
    }
    assert_eq!(fleet.status(1).await?, "needs_reauth");
    let account = fleet.caller.account.clone();
    assert_eq!(fleet.link(1).await?, account, "the same account, with its history");
    assert!(failed(&fleet.calls(&[1, 2], 10).await?).is_empty());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_grant_that_nobody_has_spent_lives_without_a_grace(pool: PgPool) -> anyhow::Result<()> {
    let home = Home::new()?;
    let mut fleet = Fleet::start(&home, &pool, 3, 0).await?;
    kill_at(&mut fleet, &pool, Moment::Before).await?;
    let answers = fleet.calls(&[1, 2], 10).await?;
    assert!(failed(&answers).is_empty(), "{answers:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn without_a_grace_an_account_whose_answer_was_lost_is_linked_again(
    pool: PgPool,
) -> anyhow::Result<()> {
    is_linked_again(&pool, Moment::Answering).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn without_a_grace_an_account_whose_answer_was_not_stored_is_linked_again(
    pool: PgPool,
) -> anyhow::Result<()> {
    is_linked_again(&pool, Moment::Storing).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_stop_says_whose_refresh_it_cut_off(pool: PgPool) -> anyhow::Result<()> {
    let home = Home::new()?;
    let mut fleet = Fleet::start(&home, &pool, 1, 60).await?;
    let impatient = [("SWITCHBOARD__SERVER__SHUTDOWN_TIMEOUT_S", "1")];
    let mut gateway = Program::start(&home, &["serve", "--config", &fleet.config], &impatient)?;
    let address = gateway.says(|_, err| serving(err), START).await?;
    fleet.gateways.push((gateway, address));
    let fault =
        json!({"method": "oauth.v2.access", "kind": "timeout", "count": 1, "seconds": LONG_S});
    fleet.tell_sandbox("faults", &fault).await?;
    fleet.age().await?;
    tokio::select! {
        answer = fleet.call(1) => anyhow::bail!("it was not held: {answer:?}"),
        held = fleet.until(async || fleet.is_fault_spent().await) => held?,
    }
    let account = fleet.caller.account.clone();
    let (gateway, _) = fleet.gateways.last_mut().context("no gateway")?;
    gateway.stop().await?;
    let log = gateway.stderr()?;
    let said = log.lines().find(|line| line.contains("in doubt"));
    anyhow::ensure!(said.is_some_and(|line| line.contains(&account)), "{log}");
    // The others go on with the grant.
    anyhow::ensure!(fleet.call(0).await?.status == 200);
    Ok(())
}
