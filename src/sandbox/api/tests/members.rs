//! Workspace memberships.

use super::{Client, is_plain};
use crate::sandbox::org::{OrgChange, OrgLevel, PersonStatus, WorkspaceLevel};

#[tokio::test]
async fn adds_and_removes_a_member() {
    let client = Client::unlimited(200);
    let user = client.person(is_plain);
    let team = client.team(&user, false);
    let at = format!("user_id={user}&team_id={team}");
    assert_eq!(client.code("admin.users.assign", &at).await, "");
    let row = client.row(&user, "").await.unwrap();
    assert!(row["workspaces"].as_array().unwrap().contains(&team.clone().into()));
    assert_eq!(client.code("admin.users.assign", &at).await, "user_already_team_member");
    assert_eq!(client.code("admin.users.remove", &at).await, "");
    assert_eq!(client.code("admin.users.remove", &at).await, "user_not_found");
    assert!(client.row(&user, &format!("team_id={team}")).await.is_none());
    let changes = client.sandbox.changes();
    let kinds: Vec<_> = changes.iter().map(|one| std::mem::discriminant(&one.change)).collect();
    let joined = std::mem::discriminant(&OrgChange::Joined { person: 0, workspace: 0 });
    let left = std::mem::discriminant(&OrgChange::Left { person: 0, workspace: 0 });
    assert_eq!(kinds, [joined, left]);
}

#[tokio::test]
async fn rejects_invalid_assignments() {
    let client = Client::unlimited(200);
    let code = async |user: &str, more: &str| {
        let team = client.team(user, false);
        client.code("admin.users.assign", &format!("user_id={user}&team_id={team}{more}")).await
    };
    let guest = client.person(|one| one.guest_level().is_some() && one.is_active());
    assert_eq!(code(&guest, "").await, "invalid_role_for_user");
    let member = client.person(is_plain);
    let channel = client.channel(&client.team(&member, false));
    let as_guest = format!("&is_restricted=true&channel_ids={channel}");
    assert_eq!(code(&member, &as_guest).await, "invalid_role_for_user");
    let elsewhere = client.channel(&client.team(&member, true));
    let refused = code(&member, &format!("&channel_ids={elsewhere}")).await;
    assert_eq!(refused, "invitor_cannot_see_channel");
    let bot = client.sandbox.with_org(|org| {
        org.people().iter().find(|one| one.is_bot()).map(|one| one.id.clone()).unwrap()
    });
    assert_eq!(code(&bot, "").await, "user_is_bot");
    let unknown = client.code("admin.users.assign", "user_id=U0&team_id=T0").await;
    assert_eq!(unknown, "team_not_found");
}

#[tokio::test]
async fn assignment_reactivates_deactivated_account() {
    let client = Client::unlimited(200);
    let user = client.person(|one| !one.is_active() && one.guest_level().is_none());
    let team = client.team(&user, true);
    let at = format!("user_id={user}&team_id={team}");
    assert_eq!(client.code("admin.users.remove", &at).await, "user_already_deleted");
    assert_eq!(client.code("admin.users.assign", &at).await, "");
    assert!(client.row(&user, "is_active=true").await.is_some());
}

#[tokio::test]
async fn invited_guest_is_pending() {
    let client = Client::unlimited(50);
    let team = client.sandbox.with_org(|org| org.workspaces[0].id.clone());
    let channel = client.channel(&team);
    let asked = format!(
        "team_id={team}&email=new.person@partner.example&channel_ids={channel}\
         &is_ultra_restricted=true&guest_expiration_ts=1900000000.000000\
         &real_name=%7B%22full_name%22:%22New%20Person%22%7D"
    );
    assert_eq!(client.code("admin.users.invite", &asked).await, "");
    let (person, level) = client.sandbox.with_org(|org| {
        let (_, person) = org.find_by_email("new.person@partner.example").unwrap();
        (person.clone(), person.memberships[0].level)
    });
    assert_eq!((person.status, level), (PersonStatus::Invited, WorkspaceLevel::SingleChannelGuest));
    assert_eq!((person.full_name(), person.expires()), ("New Person".to_owned(), 1_900_000_000));
    let again = client.code("admin.users.invite", &asked).await;
    assert_eq!(again, "already_in_team_invited_user");
    assert_eq!(client.code("admin.users.invite", &format!("{asked}&resend=true")).await, "");
    let wrong = [
        ("email=nobody", "invalid_email"),
        ("email=a@b.example&channel_ids=C0", "failed_to_validate_channels"),
        ("email=a@b.example&guest_expiration_ts=12", "failed_to_validate_expiration"),
    ];
    for (more, code) in wrong {
        let asked = format!("team_id={team}&channel_ids={channel}&{more}");
        assert_eq!(client.code("admin.users.invite", &asked).await, code, "{more}");
    }
}

#[tokio::test]
async fn rejects_invitation_of_existing_or_deactivated_account() {
    let client = Client::unlimited(200);
    let ask = async |user: &str| {
        let team = client.team(user, true);
        let channel = client.channel(&team);
        let email = client.sandbox.with_org(|org| org.find(user).unwrap().1.email.clone());
        let asked = format!("team_id={team}&channel_ids={channel}&email={email}");
        client.code("admin.users.invite", &asked).await
    };
    assert_eq!(ask(&client.person(is_plain)).await, "already_in_team");
    assert_eq!(ask(&client.person(|one| !one.is_active())).await, "user_disabled");
}

#[tokio::test]
async fn rejects_removal_of_primary_owner() {
    let client = Client::unlimited(200);
    let owner = client.person(|one| one.org_level == OrgLevel::PrimaryOwner);
    let team = client.team(&owner, true);
    let code = client.code("admin.users.remove", &format!("user_id={owner}&team_id={team}")).await;
    assert_eq!(code, "cannot_modify_primary_owner");
}

#[tokio::test]
async fn removal_from_last_workspace_deactivates_guest() {
    let client = Client::unlimited(200);
    let guest = client.person(|one| one.guest_level().is_some() && one.is_active());
    let team = client.team(&guest, true);
    let at = format!("user_id={guest}&team_id={team}");
    assert_eq!(client.code("admin.users.remove", &at).await, "");
    assert_eq!(client.code("admin.users.remove", &at).await, "user_already_deleted");
    let row = client.row(&guest, "is_active=false").await.unwrap();
    assert_eq!(
        (&row["is_restricted"], &row["workspaces"]),
        (&true.into(), &Vec::<i32>::new().into())
    );
    let channel = client.channel(&team);
    let back = format!("{at}&is_restricted=true&channel_ids={channel}");
    assert_eq!(client.code("admin.users.assign", &back).await, "");
    let row = client.row(&guest, "is_active=true").await.unwrap();
    assert_eq!((&row["is_restricted"], &row["is_ultra_restricted"]), (&true.into(), &false.into()));
}

#[tokio::test]
async fn guest_can_leave_one_of_several_workspaces() {
    let client = Client::unlimited(200);
    let guest = client.person(|one| {
        one.guest_level() == Some(WorkspaceLevel::MultiChannelGuest) && one.is_active()
    });
    let (home, other) = (client.team(&guest, true), client.team(&guest, false));
    let channel = client.channel(&other);
    let at = format!("user_id={guest}&team_id={other}&is_restricted=true");
    assert_eq!(client.code("admin.users.assign", &at).await, "invitor_cannot_see_channel");
    let entry = format!("{at}&channel_ids={channel}");
    assert_eq!(client.code("admin.users.assign", &entry).await, "");
    assert_eq!(
        client.code("admin.users.remove", &format!("user_id={guest}&team_id={home}")).await,
        ""
    );
    let row = client.row(&guest, "only_guests=true").await.unwrap();
    assert_eq!(row["workspaces"], serde_json::json!([other]));
}

#[tokio::test]
async fn rejects_changes_of_bots() {
    let client = Client::unlimited(200);
    let bot = client.sandbox.with_org(|org| {
        org.people().iter().find(|one| one.is_bot()).map(|one| one.id.clone()).unwrap()
    });
    let at = format!("user_id={bot}&team_id={}", client.team(&bot, true));
    let refused = client.code("admin.users.remove", &at).await;
    assert_eq!(refused, "failed_to_remove_user_from_workspace");
}

#[tokio::test]
async fn unassigned_member_loses_roles_as_guest() {
    let client = Client::unlimited(200);
    let user = client.person(is_plain);
    let home = client.team(&user, true);
    let org = client.sandbox.with_org(|org| org.id.clone());
    let role = format!("role_id=Rl0J&user_ids={user}&entity_ids={org}");
    assert_eq!(client.code("admin.roles.addAssignments", &role).await, "");
    while client.sandbox.with_org(|org| !org.find(&user).unwrap().1.memberships.is_empty()) {
        let at = format!("user_id={user}&team_id={}", client.team(&user, true));
        assert_eq!(client.code("admin.users.remove", &at).await, "");
    }
    assert_eq!(client.row(&user, "").await.unwrap()["workspaces"], serde_json::json!([]));
    let channel = client.channel(&home);
    let back = format!("user_id={user}&team_id={home}&is_ultra_restricted=1&channel_ids={channel}");
    assert_eq!(client.code("admin.users.assign", &back).await, "");
    let row = client.row(&user, "only_guests=true").await.unwrap();
    assert_eq!(row["roles"], serde_json::json!([]));
}
