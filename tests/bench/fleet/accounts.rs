//! Accounts that were never linked: their rows are written directly, as a link would have stored them.

use anyhow::Context as _;
use switchboard::domain::clock::SystemClock;
use switchboard::domain::entropy::SystemEntropy;
use switchboard::domain::ids::{AccountTokenId, IntegratedAccountId, ProviderAppId};
use switchboard::domain::provider::Provider;
use switchboard::domain::sealed::Digest;
use switchboard::vault::{Destination, Grant, IssuedSecret, issue};

use super::deployment::{Deployment, vault};

impl Deployment {
    /// Inserts accounts with the provider's `token`, each with an account token.
    pub(crate) async fn accounts(
        &self,
        count: usize,
        token: &str,
    ) -> anyhow::Result<Vec<(IntegratedAccountId, IssuedSecret)>> {
        let (clock, entropy) = (&SystemClock, &SystemEntropy);
        let pool = self.pool();
        let environment_id = self.environment().await?;
        let environment = environment_id.to_string();
        let vault = vault()?;
        let app = ProviderAppId::generate(clock, entropy).to_string();
        sqlx::query("insert into provider_apps values ($1, $2, 'slack_enterprise', $2, 'bench', '\\x01', '\\x02', '{}', now(), now())")
            .bind(&environment)
            .bind(&app)
            .execute(pool)
            .await?;
        let mut created = Vec::with_capacity(count);
        while created.len() < count {
            let now = created.len();
            let part: Vec<_> = (now..count.min(now + 1_000))
                .map(|_| {
                    (IntegratedAccountId::generate(clock, entropy), issue("sb_acct_", entropy))
                })
                .collect();
            let ids: Vec<String> = part.iter().map(|(id, _)| id.to_string()).collect();
            let (mut wrapped, mut sealed) = (Vec::new(), Vec::new());
            let to = Destination { provider: Provider::SlackEnterprise, base_url: None };
            for (id, _) in &part {
                let grant = Grant {
                    access_token: token.to_owned().into(),
                    renewal: None,
                    expires_at: None,
                };
                let row = vault.seal_grant(environment_id, *id, to, &grant)?;
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
            created.extend(part);
        }
        Ok(created)
    }

    /// Returns the accounts after `last` in order, with the digests of their tokens.
    pub(crate) async fn digests(
        &self,
        last: &str,
        most: i64,
    ) -> anyhow::Result<Vec<(IntegratedAccountId, Digest)>> {
        let rows: Vec<(String, Vec<u8>)> = sqlx::query_as(
            "select integrated_account_id, digest from account_tokens
             where integrated_account_id > $1 order by integrated_account_id limit $2",
        )
        .bind(last)
        .bind(most)
        .fetch_all(self.pool())
        .await?;
        let read = |(id, digest): (String, Vec<u8>)| {
            let digest = digest.try_into().ok().context("no digest")?;
            anyhow::Ok((id.parse()?, Digest(digest)))
        };
        rows.into_iter().map(read).collect()
    }
}
