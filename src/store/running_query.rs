//! Queries that run while their caller does something else: the next page is read while this one is worked on.

use tokio_util::task::AbortOnDropHandle;

use super::StoreError;

/// A query in a task of its own. It is aborted when this is dropped.
#[derive(Debug)]
pub struct RunningQuery<T>(AbortOnDropHandle<Result<T, StoreError>>);

impl<T: Send + 'static> RunningQuery<T> {
    /// Starts a query. The caller, which may not wait again soon, lets it be sent first.
    #[expect(clippy::disallowed_methods, reason = "it ends with its caller, which is awaited")]
    pub async fn start(
        query: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Self {
        let task = AbortOnDropHandle::new(tokio::spawn(query));
        tokio::task::yield_now().await;
        Self(task)
    }

    /// Waits for the result.
    ///
    /// # Errors
    ///
    /// Those of the query; `Unavailable` when its task ended without a result.
    pub async fn result(self) -> Result<T, StoreError> {
        self.0.await.unwrap_or_else(|error| {
            tracing::error!(%error, "a query ended without a result");
            Err(StoreError::Unavailable(sqlx::Error::WorkerCrashed))
        })
    }
}
