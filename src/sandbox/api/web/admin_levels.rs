//! `admin.users.setAdmin`, `.setOwner`, `.setRegular`: ranks of a workspace or, when `team_id` names
//! it, of the organization.

use serde_json::json;

use super::admin_users::{WRITE, person, workspace};
use super::args::{Arg, Form, required};
use super::method::{Call, Method, json_body};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::org::{Rank, Rule, Scope};

const ARGS: &[Arg] = &[required("team_id", Form::Text), required("user_id", Form::Text)];

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.users.setAdmin",
        tier: Tier::Two,
        access: WRITE,
        args: ARGS,
        run: |call| rank(call, Rank::Admin),
    },
    Method {
        name: "admin.users.setOwner",
        tier: Tier::Two,
        access: WRITE,
        args: ARGS,
        run: |call| rank(call, Rank::Owner),
    },
    Method {
        name: "admin.users.setRegular",
        tier: Tier::Two,
        access: WRITE,
        args: ARGS,
        run: |call| rank(call, Rank::Regular),
    },
];

fn rank(call: &Call<'_>, rank: Rank) -> Result<Vec<u8>, Refusal> {
    call.change(|edit| {
        let whole = call.args.text("team_id").is_some_and(|id| id == edit.id);
        let at = if whole { Scope::Organization } else { Scope::Workspace(workspace(call, edit)?) };
        let index = person(call, edit)?;
        edit.rank_as(index, at, rank).map_err(|rule| refusal(rule, rank))
    })?;
    json_body(&json!({"ok": true}))
}

/// The method's own code for a rule.
fn refusal(rule: Rule, rank: Rank) -> Refusal {
    let first = (Rule::PrimaryOwner, "cannot_modify_primary_owner");
    let gone = (Rule::Deactivated, "user_not_found");
    let unfit = |rule| (rule, "invalid_role_for_user");
    match rank {
        Rank::Admin => {
            let outside = (Rule::NotMember, "user_not_found");
            let lower = (Rule::ActorIsNoOwner, "invalid_permissions");
            let codes = [first, gone, outside, lower, unfit(Rule::Guest), unfit(Rule::Bot)];
            Refusal::of(rule, &codes, "failed_to_set_user_to_admin")
        }
        Rank::Owner => {
            let outside = (Rule::NotMember, "user_must_be_in_workspace");
            let lower = (Rule::ActorIsNoOwner, "not_an_owner");
            let codes = [first, gone, outside, lower, unfit(Rule::Guest), unfit(Rule::Bot)];
            Refusal::of(rule, &codes, "failed_to_set_user_to_owner")
        }
        Rank::Regular => {
            let outside = (Rule::NotMember, "user_not_found");
            let guest = (Rule::Guest, "cannot_set_this_guest_to_regular_at_team_level");
            let ranked = "cannot_set_org_admin_to_regular_at_workspace_level";
            let codes = [first, gone, outside, guest, (Rule::RanksInOrganization, ranked)];
            Refusal::of(rule, &codes, "failed_to_set_user_to_regular")
        }
    }
}
