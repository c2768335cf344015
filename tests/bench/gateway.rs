//! A gateway in this process over an embedded database, with accounts that were never linked: their rows
//! are written directly, as a link would have left them.

use std::sync::Arc;

use anyhow::Context as _;
use base64::Engine as _;
use switchboard::app::{Database, Gateway, Parts, Sharing, environment};
use switchboard::config::Config;
use switchboard::domain::clock::SystemClock;
use switchboard::domain::entropy::SystemEntropy;
use switchboard::domain::ids::{AccountTokenId, EnvironmentId, IntegratedAccountId, ProviderAppId};
use switchboard::http::AppState;
use switchboard::store::Store;
use switchboard::vault::{Grant, IssuedSecret, issue};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// A gateway that serves.
pub(crate) struct Bench {
    pub(crate) state: AppState,
    pub(crate) base_url: String,
    pub(crate) environment_id: EnvironmentId,
    database: Database,
    server: JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// One whose provider is at `provider_url`.
    pub(crate) async fn start(provider_url: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut config = Config::load(None)?;
        config.database.embedded = true;
        config.database.data_dir = folder.path().join("data");
        let master_key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
        config.vault.keys = format!("bench:{master_key}");
        config.limits.time_scale = 1_000_000.0;
        provider_url.clone_into(&mut config.slack_enterprise.web_url);
        provider_url.clone_into(&mut config.slack_enterprise.api_url);
        let database = Database::open(&config.database, false, Sharing::Alone).await?;
        Store::new(database.pool.clone()).migrate().await?;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let gateway = Gateway::build(Parts {
            config: &config,
            pool: database.pool.clone(),
            public_url: Url::parse(&base_url)?,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        })?;
        let state = Arc::clone(&gateway.state);
        let environment_id =
            environment(&state.store, "bench", &SystemClock, &SystemEntropy).await?;
        #[expect(clippy::disallowed_methods, reason = "a measurement has no tracker of tasks")]
        let server =
            tokio::spawn(
                async move { drop(gateway.serve(listener, std::future::pending()).await) },
            );
        Ok(Self { state, base_url, environment_id, database, server, _folder: folder })
    }

    /// Accounts with the provider's `token`, each with an account token of its own.
    pub(crate) async fn accounts(
        &self,
        count: usize,
        token: &str,
    ) -> anyhow::Result<Vec<(IntegratedAccountId, IssuedSecret)>> {
        let (clock, entropy) = (&SystemClock, &SystemEntropy);
        let pool = &self.database.pool;
        let environment = self.environment_id.to_string();
        let app = ProviderAppId::generate(clock, entropy).to_string();
        sqlx::query("insert into provider_apps values ($1, $2, 'slack_enterprise', $2, 'bench', '\\x01', '\\x02', '{}', now(), now())")
            .bind(&environment)
            .bind(&app)
            .execute(pool)
            .await?;
        let mut made = Vec::with_capacity(count);
        while made.len() < count {
            let now = made.len();
            let part: Vec<_> = (now..count.min(now + 1_000))
                .map(|_| {
                    (IntegratedAccountId::generate(clock, entropy), issue("sb_acct_", entropy))
                })
                .collect();
            let ids: Vec<String> = part.iter().map(|(id, _)| id.to_string()).collect();
            let (mut wrapped, mut sealed) = (Vec::new(), Vec::new());
            for (id, _) in &part {
                let grant = Grant {
                    access_token: token.to_owned().into(),
                    refresh_token: None,
                    expires_at: None,
                };
                let row = self.state.vault.seal_grant(self.environment_id, *id, &grant)?;
                wrapped.push(row.data_key.bytes);
                sealed.push(row.access_token.0);
            }
            let keys: Vec<String> =
                part.iter().map(|_| AccountTokenId::generate(clock, entropy).to_string()).collect();
            let digests: Vec<Vec<u8>> =
                part.iter().map(|(_, key)| key.digest().0.to_vec()).collect();
            let scopes = "{admin,admin.users:read,admin.users:write,admin.teams:read,admin.teams:write,\
                admin.roles:read,admin.roles:write,admin.usergroups:read,admin.usergroups:write,\
                users:read,users:read.email,team:read,auditlogs:read}";
            sqlx::query(
                "insert into integrated_accounts
                 select $1, id, 'tenant of ' || id, 'slack_enterprise', $2, 'active', null, 'E' || right(id, 10),
                     'An organization', 'U' || right(id, 10), $4::text[], '{}', '{}', now(), now()
                 from unnest($3::text[]) id",
            )
            .bind(&environment)
            .bind(&app)
            .bind(&ids)
            .bind(scopes)
            .execute(pool)
            .await
            .context("accounts")?;
            sqlx::query(
                "insert into account_credentials
                 select $1, id, 1, 'bench', wrapped, sealed, null, null, now()
                 from unnest($2::text[], $3::bytea[], $4::bytea[]) as t(id, wrapped, sealed)",
            )
            .bind(&environment)
            .bind(&ids)
            .bind(&wrapped)
            .bind(&sealed)
            .execute(pool)
            .await
            .context("tokens")?;
            sqlx::query(
                "insert into account_tokens (environment_id, account_token_id, integrated_account_id, digest,
                     scopes, created_at)
                 select $1, key, id, digest, '{read,write,proxy}', now()
                 from unnest($2::text[], $3::text[], $4::bytea[]) as t(key, id, digest)",
            )
            .bind(&environment)
            .bind(&keys)
            .bind(&ids)
            .bind(&digests)
            .execute(pool)
            .await
            .context("account tokens")?;
            made.extend(part);
        }
        Ok(made)
    }

    /// Stops it and its database.
    pub(crate) async fn stop(self) {
        self.server.abort();
        self.database.close().await;
    }
}
