//! Levels, and expirations of guests.

use super::{Client, is_plain};
use crate::sandbox::DEFAULT_CLIENT_ID;
use crate::sandbox::org::{Actor, OrgLevel};

#[tokio::test]
async fn changes_levels_in_workspace_and_organization() {
    let client = Client::unlimited(200);
    let user = client.person(is_plain);
    let team = client.team(&user, true);
    let org = client.sandbox.with_org(|org| org.id.clone());
    for (place, query) in [(team.clone(), format!("team_id={team}")), (org, String::new())] {
        let at = format!("user_id={user}&team_id={place}");
        for (method, admin, owner) in
            [("setAdmin", true, false), ("setOwner", true, true), ("setRegular", false, false)]
        {
            let method = format!("admin.users.{method}");
            assert_eq!(client.code(&method, &at).await, "", "{method} {place}");
            assert_eq!(client.code(&method, &at).await, "", "once more: {method} {place}");
            let row = client.row(&user, &query).await.unwrap();
            assert_eq!((&row["is_admin"], &row["is_owner"]), (&admin.into(), &owner.into()));
        }
    }
}

#[tokio::test]
async fn rejects_invalid_level_changes() {
    let client = Client::unlimited(200);
    let org = client.sandbox.with_org(|org| org.id.clone());
    let code = async |method: &str, user: &str, team: &str| {
        client
            .code(&format!("admin.users.{method}"), &format!("user_id={user}&team_id={team}"))
            .await
    };
    let first = client.person(|one| one.org_level == OrgLevel::PrimaryOwner);
    assert_eq!(code("setRegular", &first, &org).await, "cannot_modify_primary_owner");
    let at_work = client.team(&first, true);
    for method in ["setAdmin", "setOwner", "setRegular"] {
        assert_eq!(code(method, &first, &at_work).await, "cannot_modify_primary_owner", "{method}");
    }
    let guest = client.person(|one| one.guest_level().is_some() && one.is_active());
    let there = client.team(&guest, true);
    let refused = code("setRegular", &guest, &there).await;
    assert_eq!(refused, "cannot_set_this_guest_to_regular_at_team_level");
    assert_eq!(code("setAdmin", &guest, &there).await, "invalid_role_for_user");
    assert_eq!(code("setRegular", &guest, &org).await, "");
    assert_eq!(client.row(&guest, "").await.unwrap()["is_restricted"], false);
    let member = client.person(is_plain);
    let outside = client.team(&member, false);
    assert_eq!(code("setOwner", &member, &outside).await, "user_must_be_in_workspace");
    let admin = client.person(|one| one.org_level == OrgLevel::Admin && one.is_active());
    let team = client.team(&admin, true);
    assert_eq!(code("setAdmin", &admin, &team).await, "");
    let refused = code("setRegular", &admin, &team).await;
    assert_eq!(refused, "cannot_set_org_admin_to_regular_at_workspace_level");
    assert_eq!(code("setAdmin", "U0", &team).await, "user_not_found");
    assert_eq!(code("setAdmin", &member, "T0").await, "team_not_found");
}

#[tokio::test]
async fn admin_token_requires_its_users_admin_level() {
    let client = Client::unlimited(200);
    let owner = client.sandbox.with_org(|org| org.primary_owner().unwrap().id.clone());
    let admin = client.person(|one| one.org_level == OrgLevel::Admin && one.is_active());
    let token = client.sandbox.install_as(DEFAULT_CLIENT_ID, &admin, super::SCOPES).unwrap();
    let lower = Client { sandbox: client.sandbox.clone(), token: token.access_token };
    let member = client.person(is_plain);
    let org = client.sandbox.with_org(|org| org.id.clone());
    let at = format!("user_id={member}&team_id={org}");
    assert_eq!(lower.code("admin.users.setOwner", &at).await, "not_an_owner");
    assert_eq!(lower.code("admin.users.setAdmin", &at).await, "");
    let down = format!("user_id={admin}&team_id={org}");
    assert_eq!(client.code("admin.users.setRegular", &down).await, "");
    for (method, args, refused) in [
        ("admin.users.setAdmin", at.as_str(), "not_an_admin"),
        ("admin.users.remove", &at, "invalid_permissions"),
        ("admin.users.list", "", "feature_not_enabled"),
        ("admin.users.getExpiration", "", "no_perms"),
        ("admin.roles.listAssignments", "", "invalid_actor"),
        ("admin.teams.list", "", "not_an_admin"),
    ] {
        assert_eq!(lower.code(method, args).await, refused, "{method}");
    }
    assert_eq!(client.sandbox.changes().last().map(|one| one.actor), {
        let index = client.sandbox.with_org(|org| org.find(&owner).unwrap().0);
        Some(Actor::Person(index))
    });
}

#[tokio::test]
async fn deactivates_guest_after_expiration() {
    let client = Client::unlimited(200);
    let guest = client.person(|one| one.guest_level().is_some() && one.is_active());
    let team = client.team(&guest, true);
    let soon = client.sandbox.now().unix_timestamp() + 3_600;
    let at = format!("user_id={guest}&team_id={team}");
    let set = format!("{at}&expiration_ts={soon}");
    assert_eq!(client.code("admin.users.setExpiration", &set).await, "");
    let again = client.code("admin.users.setExpiration", &set).await;
    assert_eq!(again, "failed_to_validate_expiration", "it ends then already");
    let past = client.code("admin.users.setExpiration", &format!("{at}&expiration_ts=12")).await;
    assert_eq!(past, "failed_to_validate_expiration");
    let response = client.call("admin.users.getExpiration", &format!("user_id={guest}")).await;
    assert_eq!(response["user"]["expiration_ts"], soon);
    assert_ne!(response["user"]["is_restricted"], response["user"]["is_ultra_restricted"]);
    client.sandbox.advance_clock(time::Duration::hours(2));
    assert!(client.row(&guest, "is_active=true").await.is_none());
    assert!(client.row(&guest, "is_active=false").await.is_some());
    assert_eq!(client.code("admin.users.setExpiration", &set).await, "user_is_deactivated");
    let member = client.person(is_plain);
    let code = client.code("admin.users.getExpiration", &format!("user_id={member}")).await;
    assert_eq!(code, "user_is_not_guest");
    let bare = format!("user_id={guest}&expiration_ts={soon}");
    let code = client.code("admin.users.setExpiration", &bare).await;
    assert_eq!(code, "team_id_required_for_enterprise");
}
