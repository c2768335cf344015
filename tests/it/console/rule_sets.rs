//! Rule sets in the browser: form, preview for one person, plans for all users.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::access::Scope;

use super::plans::{organization, redirected};
use super::signed_in;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_rule_set_is_created_previewed_planned_and_deleted(pool: PgPool) -> anyhow::Result<()> {
    let organization = organization(pool).await?;
    let synced = &organization.synced;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let members = organization.members().await?;
    let (email, person) = members
        .iter()
        .find(|(_, one)| one["department"].is_string())
        .context("nobody has a department")?;
    let department = person["department"].as_str().unwrap_or_default();
    let place = organization.workspaces.last().context("no workspace")?;
    let rules = json!([{"name": "By department", "when": {"field": "department", "op": "eq", "value": department},
        "then": {"workspaces": [place]}}]);
    let form = session.page("console/rule-sets/new").await?;
    assert!(form.text.contains("name=\"rules\""), "{}", form.text);
    let rules = rules.to_string();
    let fields = |rules| {
        [
            ("name", "Departments"),
            ("mode", "additive"),
            ("rules", rules),
            ("max_removals", "20"),
            ("max_removals_percent", "10"),
        ]
    };
    for (wrong, reason) in
        [("[{", "not valid JSON"), ("[]", "/rules"), ("[{\"when\": 1}]", "/rules/0")]
    {
        let refused = session.send("console/rule-sets", &fields(wrong)).await?;
        assert_eq!(refused.status, 422, "{wrong}: {}", refused.text);
        assert!(
            refused.text.contains(reason) && refused.text.contains("Departments"),
            "{}",
            refused.text
        );
    }
    let id = redirected(&session.send("console/rule-sets", &fields(&rules)).await?)?;
    let path = format!("console/rule-sets/{id}");
    let page = session.page(&path).await?;
    for text in [
        "By department",
        "<code>department</code> is",
        "Plan for all users",
        "Apply automatically…",
    ] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let person = url::form_urlencoded::byte_serialize(email.as_bytes()).collect::<String>();
    let preview = session.page(&format!("{path}?person={person}")).await?;
    assert!(preview.text.contains("<span class=\"badge good\">matches</span>"), "{}", preview.text);
    let nobody = session.page(&format!("{path}?person=nobody@example.com")).await?;
    assert!(nobody.text.contains("no user with this id"), "{}", nobody.text);

    let on = session.send(&format!("{path}/auto"), &[]).await?;
    assert_eq!(redirected(&on)?, id);
    assert!(session.page(&path).await?.text.contains("applied automatically"));
    assert_eq!(session.send(&format!("{path}/manual"), &[]).await?.status, 303);
    let wrong = session.send(&path, &fields("[]")).await?;
    assert_eq!(wrong.status, 422, "{}", wrong.text);
    let renamed = [&fields(&rules)[1..], &[("name", "Offices")]].concat();
    assert_eq!(redirected(&session.send(&path, &renamed).await?)?, id);

    let plan = redirected(&session.send(&format!("{path}/plan"), &[]).await?)?;
    synced.work().await?;
    let page = session.page(&format!("console/reconciliations/{plan}")).await?;
    assert!(page.text.contains("Rule set Offices"), "{}", page.text);
    let read = synced.api.get(&format!("reconciliations/{plan}")).await?.success()?;
    assert_eq!(read["result"]["rule_set_id"], Value::from(id));
    assert_eq!(session.send(&format!("{path}/delete"), &[]).await?.status, 303);
    assert_eq!(session.client.get(&path).await?.status, 404);
    session.page(&format!("console/reconciliations/{plan}")).await?;
    Ok(())
}
