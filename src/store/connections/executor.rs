//! Statements on connections and on the pool: `sqlx`'s [`Executor`] with time-outs.

use futures_util::{TryFutureExt as _, TryStreamExt as _, stream};
use sqlx::postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo, Postgres};
use sqlx::{Describe, Either, Error, Execute, Executor, SqlStr};

use super::{TimedConnection, TimedPool, within_timeout};

type BoxFuture<'e, T> = futures_util::future::BoxFuture<'e, Result<T, Error>>;
type BoxStream<'e, T> = futures_util::stream::BoxStream<'e, Result<T, Error>>;

impl<'c> Executor<'c> for &'c mut TimedConnection {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Either<PgQueryResult, PgRow>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let all = async move {
            let (limit, query) = (self.timeout, self.statement(query));
            let rows = self.inner()?.fetch_many(query).try_collect::<Vec<_>>();
            let rows = within_timeout(limit, rows).await;
            self.close_if_unusable(rows)
        };
        Box::pin(all.map_ok(|rows| stream::iter(rows.into_iter().map(Ok))).try_flatten_stream())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Option<PgRow>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let query = self.statement(query);
            let row = within_timeout(self.timeout, self.inner()?.fetch_optional(query)).await;
            self.close_if_unusable(row)
        })
    }

    fn prepare_with<'e>(self, sql: SqlStr, types: &'e [PgTypeInfo]) -> BoxFuture<'e, PgStatement>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let statement =
                within_timeout(self.timeout, self.inner()?.prepare_with(sql, types)).await;
            self.close_if_unusable(statement)
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Describe<Postgres>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let described = within_timeout(self.timeout, self.inner()?.describe(sql)).await;
            self.close_if_unusable(described)
        })
    }
}

impl<'p> Executor<'p> for &'p TimedPool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, Either<PgQueryResult, PgRow>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let all = async move {
            let mut connection = self.acquire_for_statement().await?;
            let rows = connection.fetch_many(query).try_collect::<Vec<_>>().await?;
            connection.commit().await?;
            Ok(rows)
        };
        Box::pin(all.map_ok(|rows| stream::iter(rows.into_iter().map(Ok))).try_flatten_stream())
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, Option<PgRow>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(async move {
            let mut connection = self.acquire_for_statement().await?;
            let row = connection.fetch_optional(query).await?;
            connection.commit().await?;
            Ok(row)
        })
    }

    fn prepare_with<'e>(self, sql: SqlStr, types: &'e [PgTypeInfo]) -> BoxFuture<'e, PgStatement>
    where
        'p: 'e,
    {
        Box::pin(async move { self.acquire(self.timeouts).await?.prepare_with(sql, types).await })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Describe<Postgres>>
    where
        'p: 'e,
    {
        Box::pin(async move { self.acquire(self.timeouts).await?.describe(sql).await })
    }
}
