//! Keys that are none: an address that only guesses is held up, and nobody else is.

use sqlx::PgPool;

use crate::support::{TestApp, bearer};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_address_that_guesses_keys_is_held_up(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.server.failed_auth_per_minute = 5;
        "127.0.0.1".clone_into(&mut setup.config.server.trusted_proxies);
    })
    .await?;
    let from = |address: &str, key: &str| {
        let client = app.nobody()?.with("x-forwarded-for", address)?;
        client.with("authorization", &bearer(key))
    };
    let good = app.home.api.clone().with("x-forwarded-for", "192.0.2.1")?;
    good.get("integrated-accounts").await?.okay()?;
    for guess in 0..5 {
        let guess = from("192.0.2.1", &format!("sb_live_{guess}"))?;
        guess.get("integrated-accounts").await?.problem(401, "unauthorized");
    }
    for key in ["sb_live_5", "sb_acct_6"] {
        let refused = from("192.0.2.1", key)?.get("integrated-accounts").await?;
        refused.problem(429, "too_many_wrong_keys");
        let pause: u64 = refused.header("retry-after").parse()?;
        assert!((1..=12).contains(&pause), "{pause}");
    }
    // Who is known works on from there, and nobody else is any slower.
    good.get("integrated-accounts").await?.okay()?;
    let neighbour = from("192.0.2.2", "sb_live_7")?;
    neighbour.get("integrated-accounts").await?.problem(401, "unauthorized");
    let admin = app.home.admin.clone().with("x-forwarded-for", "192.0.2.2")?;
    admin.get("api-keys").await?.okay()?;
    Ok(())
}
