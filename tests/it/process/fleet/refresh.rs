//! Gateways share one refresh, and no grant is lost whenever the refreshing gateway is killed.

use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::super::http_client::{HttpResponse, number};
use super::super::program::Program;
use super::super::test_dir::TestDir;
use super::super::{START_TIMEOUT, note};
use super::{Fleet, LONG_S, serving};

const THIRTEEN_HOURS: u64 = 46_800;

impl Fleet {
    /// Advances the provider's clock past the token's expiry.
    async fn expire_token(&self) -> anyhow::Result<()> {
        self.sandbox_post("advance-clock", &json!({"seconds": THIRTEEN_HOURS})).await
    }

    async fn refreshes(&self) -> anyhow::Result<u64> {
        number(&self.sandbox_get("state").await?, "/refreshes")
    }

    async fn status(&self, gateway: usize) -> anyhow::Result<Value> {
        let account =
            self.get(gateway, &format!("/integrated-accounts/{}", self.caller.account)).await?;
        Ok(account.ok()?.pointer("/result/status").cloned().unwrap_or_default())
    }
}

fn failed(responses: &[HttpResponse]) -> Vec<&HttpResponse> {
    responses.iter().filter(|response| response.status != 200).collect()
}

/// Returns whether a refresh attempt is recorded without an end.
async fn is_attempt_recorded(pool: &PgPool) -> anyhow::Result<bool> {
    let open = "select exists (select 1 from credential_refreshes where finished_at is null)";
    Ok(sqlx::query_scalar(open).fetch_one(pool).await?)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_thousand_calls_over_four_gateways_cause_one_refresh(pool: PgPool) -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let fleet = Fleet::start(&home, &pool, 4, 60).await?;
    fleet.expire_token().await?;
    let started = Instant::now();
    let responses = fleet.calls(&[0, 1, 2, 3], 250).await?;
    let took = started.elapsed();
    let failed = failed(&responses);
    assert!(
        failed.is_empty(),
        "{} of {}, such as {:?}",
        failed.len(),
        responses.len(),
        failed.first()
    );
    assert_eq!(fleet.refreshes().await?, 1);
    note(format_args!("1,000 calls over 4 gateways and one refresh took {took:?}"))
}

/// Moment at which the refreshing gateway is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KillPoint {
    /// The provider has done nothing.
    Before,
    /// The provider has issued the tokens and the response is on its way.
    Responding,
    /// The response has arrived and is not stored yet.
    Storing,
}

/// Kills the refreshing gateway at that moment.
async fn kill_at(fleet: &mut Fleet, pool: &PgPool, moment: KillPoint) -> anyhow::Result<()> {
    let (kind, seconds) = match moment {
        KillPoint::Before => ("timeout", LONG_S),
        KillPoint::Responding => ("latency", LONG_S),
        KillPoint::Storing => ("latency", 1),
    };
    let fault = json!({"method": "oauth.v2.access", "kind": kind, "count": 1, "seconds": seconds});
    fleet.sandbox_post("faults", &fault).await?;
    fleet.expire_token().await?;
    let refreshes = fleet.refreshes().await?;
    let cut_off = fleet.call(0);
    let watch = async {
        fleet.wait_until(async || is_attempt_recorded(pool).await).await?;
        // Killed earlier, it would leave the fault to the next gateway.
        fleet.wait_until(async || fleet.is_fault_spent().await).await?;
        if moment == KillPoint::Storing {
            // The gateway's first write after the response waits for this lock.
            let mut tx = pool.begin().await?;
            sqlx::query("lock table credential_refreshes in access exclusive mode")
                .execute(&mut *tx)
                .await?;
            let waiting = "select exists (select 1 from pg_locks where not granted
                 and relation = 'credential_refreshes'::regclass)";
            fleet
                .wait_until(async || Ok(sqlx::query_scalar(waiting).fetch_one(pool).await?))
                .await?;
            return anyhow::Ok(Some(tx));
        }
        if moment == KillPoint::Responding {
            fleet.wait_until(async || Ok(fleet.refreshes().await? > refreshes)).await?;
        }
        anyhow::Ok(None)
    };
    // The call ends with the gateway that it was sent to.
    let lock = tokio::select! {
        response = cut_off => anyhow::bail!("the call was not delayed: {response:?}"),
        held = watch => held?,
    };
    fleet.kill(0)?;
    drop(lock);
    Ok(())
}

/// Checks that within the provider's grace period the other gateways keep the grant.
async fn loses_no_grant(pool: &PgPool, moment: KillPoint) -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut fleet = Fleet::start(&home, pool, 4, 60).await?;
    kill_at(&mut fleet, pool, moment).await?;
    let responses = fleet.calls(&[1, 2, 3], 20).await?;
    let failed = failed(&responses);
    assert!(failed.is_empty(), "{} such as {:?}", failed.len(), failed.first());
    assert_eq!(fleet.status(1).await?, "active");
    // The one that was cut off, if the provider received it, and the one that was stored.
    let done = if moment == KillPoint::Before { 1 } else { 2 };
    assert_eq!(fleet.refreshes().await?, done);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_gateway_killed_before_the_provider_acts_loses_no_grant(
    pool: PgPool,
) -> anyhow::Result<()> {
    loses_no_grant(&pool, KillPoint::Before).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_gateway_killed_before_the_response_arrives_loses_no_grant(
    pool: PgPool,
) -> anyhow::Result<()> {
    loses_no_grant(&pool, KillPoint::Responding).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_gateway_killed_before_it_stores_the_response_loses_no_grant(
    pool: PgPool,
) -> anyhow::Result<()> {
    loses_no_grant(&pool, KillPoint::Storing).await
}

/// Checks that without a grace period the grant is lost with the gateway, and the account needs a new link.
async fn requires_a_new_link(pool: &PgPool, moment: KillPoint) -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut fleet = Fleet::start(&home, pool, 3, 0).await?;
    kill_at(&mut fleet, pool, moment).await?;
    for response in fleet.calls(&[1, 2], 10).await? {
        // A raw call is rejected in the provider's error format.
        assert_eq!(
            (response.status, response.body.get("error")),
            (409, Some(&json!("token_revoked")))
        );
    }
    assert_eq!(fleet.status(1).await?, "needs_reauth");
    let account = fleet.caller.account.clone();
    assert_eq!(fleet.link(1).await?, account, "the same account, with its history");
    assert!(failed(&fleet.calls(&[1, 2], 10).await?).is_empty());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_unused_refresh_token_survives_without_a_grace_period(
    pool: PgPool,
) -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut fleet = Fleet::start(&home, &pool, 3, 0).await?;
    kill_at(&mut fleet, &pool, KillPoint::Before).await?;
    let responses = fleet.calls(&[1, 2], 10).await?;
    assert!(failed(&responses).is_empty(), "{responses:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn without_a_grace_period_a_lost_response_requires_a_new_link(
    pool: PgPool,
) -> anyhow::Result<()> {
    requires_a_new_link(&pool, KillPoint::Responding).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn without_a_grace_period_an_unstored_response_requires_a_new_link(
    pool: PgPool,
) -> anyhow::Result<()> {
    requires_a_new_link(&pool, KillPoint::Storing).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_shutdown_logs_the_account_of_an_interrupted_refresh(pool: PgPool) -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let mut fleet = Fleet::start(&home, &pool, 1, 60).await?;
    let impatient = [("SWITCHBOARD__SERVER__SHUTDOWN_TIMEOUT_S", "1")];
    let mut gateway = Program::start(&home, &["serve", "--config", &fleet.config], &impatient)?;
    let address = gateway.wait_for_output(|_, err| serving(err), START_TIMEOUT).await?;
    fleet.gateways.push((gateway, address));
    let fault =
        json!({"method": "oauth.v2.access", "kind": "timeout", "count": 1, "seconds": LONG_S});
    fleet.sandbox_post("faults", &fault).await?;
    fleet.expire_token().await?;
    tokio::select! {
        response = fleet.call(1) => anyhow::bail!("the call was not delayed: {response:?}"),
        held = fleet.wait_until(async || fleet.is_fault_spent().await) => held?,
    }
    let account = fleet.caller.account.clone();
    let (gateway, _) = fleet.gateways.last_mut().context("no gateway")?;
    gateway.stop().await?;
    let log = gateway.stderr()?;
    let output = log.lines().find(|line| line.contains("refresh outcome unknown"));
    anyhow::ensure!(output.is_some_and(|line| line.contains(&account)), "{log}");
    // The others keep the grant.
    anyhow::ensure!(fleet.call(0).await?.status == 200);
    Ok(())
}
