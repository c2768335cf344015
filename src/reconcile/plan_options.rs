//! The options of a plan as they are when it is made.

use super::plan_stopped::{PlanStopped, failed};
use crate::domain::reconciliation::{Approval, ReconciliationOptions};
use crate::store::{ClaimedPlan, TenantDb};

/// Returns the options of a plan: of one that an automatic rule set requested, those of the rule set as it is now. It may
/// have been changed while the plan waited for another one.
pub(super) async fn current_options(
    db: &TenantDb,
    claimed: &ClaimedPlan,
) -> Result<ReconciliationOptions, PlanStopped> {
    let options = claimed.options.clone();
    let (Some(id), Some(Approval::WithinGuards)) = (claimed.rule_set_id, options.approve) else {
        return Ok(options);
    };
    match db.rule_set(id).await? {
        Some(now) if now.auto => {
            Ok(ReconciliationOptions { mode: now.mode, guards: now.guards, ..options })
        }
        Some(_) | None => {
            let detail = format!("The rule set {id} is no longer applied automatically.");
            Err(failed("rule_set_not_automatic", detail))
        }
    }
}
