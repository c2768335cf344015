//! No sequence of operations leaves the organization in an invalid state.

use proptest::collection::vec;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::call::Caller;
use super::operations::{Operation, operation, perform};
use super::views::{check_state, check_views};

const SCOPES: &[&str] =
    &["admin", "admin.users:read", "admin.users:write", "admin.teams:write", "admin.roles:write"];

#[test]
fn no_sequence_of_operations_breaks_the_organization() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let reported = TestRunner::new(config).run(&vec(operation(), 1..40), |operations| {
        let ran = runtime.block_on(run(&operations));
        ran.map_err(|error| TestCaseError::fail(format!("{error:#}")))
    });
    reported.map_err(|error| anyhow::anyhow!("{error}"))
}

async fn run(operations: &[Operation]) -> anyhow::Result<()> {
    let caller = Caller::new(40)?;
    let token = caller.token(SCOPES)?;
    for operation in operations {
        perform(&caller, &token, operation).await?;
        check_state(&caller.sandbox.snapshot())
            .map_err(|broken| broken.context(format!("{operation:?}")))?;
    }
    check_views(&caller, &token).await
}
