//! Reconciliations in the browser: the upload of a file, its plan, the approval, the steps, and the inverse.

use anyhow::Context as _;
use http::Method;
use serde_json::json;
use sqlx::PgPool;
use switchboard::domain::access::Scope;

use super::{SignedIn, csrf, signed_in};
use crate::reconcile::planned::Organization;
use crate::support::ApiResponse;
use crate::sync::SyncedApp;

/// Returns a multipart form: the fields, then the file.
fn multipart(fields: &[(&str, &str)], file: Option<(&str, &str)>) -> String {
    let disposition = "content-disposition: form-data";
    let field = |(name, value): &(&str, &str)| {
        format!("--B\r\n{disposition}; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let mut parts: Vec<String> = fields.iter().map(field).collect();
    parts.extend(file.map(|(name, content)| {
        let kind = "content-type: text/csv";
        format!(
            "--B\r\n{disposition}; name=\"file\"; filename=\"{name}\"\r\n{kind}\r\n\r\n{content}\r\n"
        )
    }));
    parts.concat() + "--B--\r\n"
}

/// Returns a CSV file with a row for each of these addresses.
fn csv_of<'e>(head: &str, emails: impl Iterator<Item = &'e String>, rest: &str) -> String {
    let rows: Vec<String> = emails.map(|email| format!("{email},{rest}\n")).collect();
    format!("{head}\n{}", rows.concat())
}

impl SignedIn {
    /// Uploads a file with the session's token.
    async fn upload(&self, fields: &[(&str, &str)], csv: &str) -> anyhow::Result<ApiResponse> {
        let token = csrf(&self.client.get("console").await?)?;
        let fields = [&[("csrf", token.as_str())], fields].concat();
        self.send_parts(&multipart(&fields, Some(("hr-export.csv", csv)))).await
    }

    async fn send_parts(&self, body: &str) -> anyhow::Result<ApiResponse> {
        let kind = "multipart/form-data; boundary=B";
        self.client.send(Method::POST, "console/reconciliations", Some((kind, body))).await
    }
}

/// Returns the id of the object that a response redirects to.
pub(super) fn redirected(response: &ApiResponse) -> anyhow::Result<String> {
    anyhow::ensure!(response.status == 303, "{}: {}", response.status, response.text);
    let path = response.header("location").split('?').next().unwrap_or_default();
    Ok(path.rsplit('/').next().context("no id")?.to_owned())
}

/// Returns the value of a hidden field of a page.
fn hidden<'p>(page: &'p ApiResponse, name: &str) -> &'p str {
    let (_, rest) = page.text.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_default();
    rest.split('"').next().unwrap_or_default()
}

/// Returns an organization that was synced.
pub(super) async fn organization(pool: PgPool) -> anyhow::Result<Organization> {
    Organization::of(SyncedApp::new(pool, json!({})).await?).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_file_is_uploaded_planned_approved_and_undone(pool: PgPool) -> anyhow::Result<()> {
    let organization = organization(pool).await?;
    let synced = &organization.synced;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let members = organization.members().await?;
    let emails: Vec<&String> = members.keys().collect();
    let [mover, leaver, ..] = &emails[..] else { anyhow::bail!("no members") };
    let form = session.page("console/reconciliations/new").await?;
    assert!(form.text.contains("enctype=\"multipart/form-data\""), "{}", form.text);
    let place = &organization.workspaces[0];
    let csv = format!(
        "email,name,department,status,workspaces\n{mover},,Field Sales,active,\n{leaver},,,inactive,\n\
         jo.iner@example.com,Jo Iner,Labs,active,{place}\n"
    );
    let fields = [("match_by", "email"), ("mode", "additive"), ("max_removals", "20")];
    let id = redirected(&session.upload(&fields, &csv).await?)?;
    let path = format!("console/reconciliations/{id}");
    let page = session.page(&path).await?;
    assert!(page.text.contains("The plan is being made"), "{}", page.text);
    synced.work().await?;
    let page = session.page(&path).await?;
    let places = [
        "hr-export.csv",
        "Removals first",
        "is <span class=\"lost\">deactivated</span>",
        "<ins>created</ins>",
    ];
    for text in places.into_iter().chain(["Field Sales", "removals (limit 20)", "matched by email"])
    {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let removals = page.text.find("Removals first").unwrap_or_default();
    assert!(removals < page.text.find("<h2 id=\"changes\"").unwrap_or_default(), "removals first");
    let overview = session.page("console").await?;
    assert!(overview.text.contains("1 plan to approve"), "{}", overview.text);

    // The form names the plan that was shown.
    let hash = hidden(&page, "hash");
    assert!(hash.len() == 64 && page.text.contains(&hash[..12]), "{}", page.text);
    assert!(page.text.contains("1 removal"), "{}", page.text);
    let other = session.send(&format!("{path}/apply"), &[("hash", &"0".repeat(64))]).await?;
    assert_eq!(other.status, 409, "{}", other.text);
    let applied = session.send(&format!("{path}/apply"), &[("hash", hash)]).await?;
    assert_eq!(redirected(&applied)?, id);
    let page = session.page(&path).await?;
    for text in ["applying", "Pause", "Cancel…", "data-live="] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    synced.work().await?;
    let page = session.page(&path).await?;
    for text in ["applied", "Undo…", "Removed", "Changed"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert!(!page.text.contains("data-live="), "nothing changes any more");

    let inverse = redirected(&session.send(&format!("{path}/inverse"), &[]).await?)?;
    assert_ne!(inverse, id);
    synced.work().await?;
    let page = session.page(&format!("console/reconciliations/{inverse}")).await?;
    assert!(page.text.contains("Inverse of hr-export.csv"), "{}", page.text);
    let discarded = session.send(&format!("console/reconciliations/{inverse}/cancel"), &[]).await?;
    assert_eq!(redirected(&discarded)?, inverse);
    let list = session.page("console/reconciliations?status=cancelled").await?;
    assert!(list.text.contains(&inverse) && !list.text.contains(&id), "{}", list.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_application_is_paused_resumed_and_cancelled(pool: PgPool) -> anyhow::Result<()> {
    let organization = organization(pool).await?;
    let synced = &organization.synced;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let members = organization.members().await?;
    let csv = csv_of("email,status,title", members.keys().take(12), "active,Clerk");
    let id = redirected(&session.upload(&[], &csv).await?)?;
    synced.work().await?;
    let path = format!("console/reconciliations/{id}");
    let hash = hidden(&session.page(&path).await?, "hash").to_owned();
    session.send(&format!("{path}/apply"), &[("hash", &hash)]).await?;
    assert_eq!(redirected(&session.send(&format!("{path}/pause"), &[]).await?)?, id);
    synced.work().await?;
    let page = session.page(&path).await?;
    for text in ["paused", "Resume", " of 12 steps"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    assert_eq!(redirected(&session.send(&format!("{path}/resume"), &[]).await?)?, id);
    assert_eq!(redirected(&session.send(&format!("{path}/cancel"), &[]).await?)?, id);
    synced.work().await?;
    assert_eq!(organization.read(&id).await?["status"], "cancelled");
    session.page(&path).await?;
    let unknown = session.send(&format!("{path}/explode"), &[]).await?;
    assert_eq!(unknown.status, 404, "{}", unknown.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn more_removals_than_allowed_need_their_exact_number(pool: PgPool) -> anyhow::Result<()> {
    let organization = organization(pool).await?;
    let synced = &organization.synced;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let members = organization.members().await?;
    let csv = csv_of("email,status", members.keys().take(25), "inactive");
    let fields = [("max_removals", "3"), ("max_removals_percent", "0")];
    let id = redirected(&session.upload(&fields, &csv).await?)?;
    synced.work().await?;
    let path = format!("console/reconciliations/{id}");
    let page = session.page(&path).await?;
    for text in
        ["removals (limit 3)", "name=\"override_removals\"", "min=\"25\" max=\"25\"", "All 25"]
    {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let all = session.page(&format!("{path}?show=removals")).await?;
    assert_eq!(all.text.matches("<li><span class=\"sign bad\"").count(), 25, "{}", all.text);
    let hash = hidden(&page, "hash");
    let apply = format!("{path}/apply");
    for entered in ["", "24", "26", "all"] {
        let sent = session.send(&apply, &[("hash", hash), ("override_removals", entered)]).await?;
        assert!(matches!(sent.status, 409 | 422), "{entered}: {}", sent.text);
    }
    let sent = session.send(&apply, &[("hash", hash), ("override_removals", "25")]).await?;
    assert_eq!(redirected(&sent)?, id);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rows_that_cannot_be_used_are_shown_by_line_and_column(pool: PgPool) -> anyhow::Result<()> {
    let organization = organization(pool).await?;
    let synced = &organization.synced;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let csv = "email,user_type\nada@example.com,member\nbob@example.com,<b>employee</b>\n,member\n";
    let fields =
        [("match_by", "email"), ("mode", "authoritative"), ("protected", "ceo@example.com")];
    let refused = session.upload(&fields, csv).await?;
    assert_eq!(refused.status, 422, "{}", refused.text);
    for text in [
        "<th scope=\"row\">3</th><td><code>user_type</code></td>",
        "<th scope=\"row\">4</th><td><code>email</code></td>",
        "2 of 3 rows",
        // The form is as it was sent.
        "value=\"authoritative\" selected",
        "ceo@example.com",
    ] {
        assert!(refused.text.contains(text), "{text}: {}", refused.text);
    }
    assert!(!refused.text.contains("<b>employee"), "{}", refused.text);
    let skipped = session.upload(&[("skip_bad_rows", "true")], csv).await?;
    let id = redirected(&skipped)?;
    let page = session.page(&format!("console/reconciliations/{id}")).await?;
    assert!(page.text.contains("Rows that were left out"), "{}", page.text);

    let wrong = session.upload(&[("scope", "{")], csv).await?;
    assert_eq!(wrong.status, 400, "{}", wrong.text);
    assert!(wrong.text.contains("<code>scope</code>"), "{}", wrong.text);
    let empty = session.upload(&[], "").await?;
    assert_eq!(empty.status, 422, "{}", empty.text);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_upload_needs_its_token_its_session_and_its_key(pool: PgPool) -> anyhow::Result<()> {
    let organization = organization(pool).await?;
    let synced = &organization.synced;
    let app = &synced.app;
    let session = signed_in(app, &app.home, Scope::ALL).await?;
    let file = Some(("a.csv", "email,title\nada@example.com,Clerk\n"));
    let token = csrf(&session.page("console").await?)?;
    let other = signed_in(app, &app.home, Scope::ALL).await?;
    let foreign = csrf(&other.page("console").await?)?;
    let with_token = multipart(&[("csrf", &token)], file);
    for (body, status) in [
        (multipart(&[], file), 403),
        (multipart(&[("csrf", &foreign)], file), 403),
        // What is behind the file is not read.
        (multipart(&[], file).replace("--B--", "") + &multipart(&[("csrf", &token)], None), 403),
        (multipart(&[("csrf", &token)], None), 422),
        ("no form".to_owned(), 422),
        (multipart(&[("csrf", &token), ("scope", &"x".repeat(200_000))], file), 413),
    ] {
        let sent = session.send_parts(&body).await?;
        assert_eq!(sent.status, status, "{}", sent.text);
    }
    let plain = session.send("console/reconciliations", &[("mode", "additive")]).await?;
    assert_eq!(plain.status, 415, "{}", plain.text);
    let evil = SignedIn {
        client: session.client.clone().with("origin", "https://evil.example")?,
        secret: session.secret.clone(),
    };
    assert_eq!(evil.send_parts(&with_token).await?.status, 403);

    let reader = signed_in(app, &app.home, &[Scope::Read, Scope::Write]).await?;
    let sent = reader.upload(&[], "email,title\nada@example.com,Clerk\n").await?;
    assert_eq!(sent.status, 403, "{}", sent.text);
    assert_eq!(reader.client.get("console/reconciliations/new").await?.status, 403);
    let list = synced.api.get("reconciliations").await?.success()?;
    assert_eq!(list["result"], json!([]), "nothing was planned");
    assert_eq!(session.send_parts(&with_token).await?.status, 303);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn plans_are_read_only_without_admin_and_hidden_from_others(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = organization(pool).await?;
    let synced = &organization.synced;
    let app = &synced.app;
    let email = organization.members().await?.into_keys().next().context("no member")?;
    let desired = json!({"users": [{"email": email, "status": "active", "title": "Clerk"}]});
    let plan = organization.plan(&desired, &json!({})).await?;
    let id = plan["id"].as_str().context("no id")?;
    let rules = json!({"integrated_account_id": synced.account, "name": "Sales", "rules": [{
        "when": {"field": "department", "op": "eq", "value": "Sales"},
        "then": {"workspaces": [organization.workspaces[0]]}}]});
    let set = app.home.admin.post("rule-sets", &rules).await?.created()?;
    let set = set["result"]["id"].as_str().context("no id")?;
    let pages = [
        "console/reconciliations".to_owned(),
        format!("console/reconciliations/{id}"),
        "console/rule-sets".to_owned(),
        format!("console/rule-sets/{set}"),
    ];
    let actions = [
        format!("console/reconciliations/{id}/apply"),
        format!("console/reconciliations/{id}/cancel"),
        format!("console/rule-sets/{set}/plan"),
        format!("console/rule-sets/{set}/auto"),
        format!("console/rule-sets/{set}/delete"),
        format!("console/rule-sets/{set}"),
    ];
    let hash = plan["hash"].as_str().context("no hash")?;
    let fields = [("hash", hash), ("name", "x"), ("rules", "[]")];
    let reader = signed_in(app, &app.home, &[Scope::Read]).await?;
    for path in &pages {
        let page = reader.page(path).await?;
        assert_eq!(page.text.matches("method=\"post\"").count(), 1, "only the sign-out: {path}");
    }
    for path in &actions {
        let sent = reader.send(path, &fields).await?;
        assert_eq!(sent.status, 403, "{path}: {}", sent.text);
    }
    let foreign = app.tenant("elsewhere").await?;
    let stranger = signed_in(app, &foreign, Scope::ALL).await?;
    for path in [&pages[1], &pages[3], &format!("{}/live", pages[1])] {
        assert_eq!(stranger.client.get(path).await?.status, 404, "{path}");
    }
    for path in &actions {
        let sent = stranger.send(path, &fields).await?;
        assert_eq!(sent.status, 404, "{path}: {}", sent.text);
    }
    assert_eq!(organization.read(id).await?["status"], "planned");
    app.home.admin.get(&format!("rule-sets/{set}")).await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn conflicts_come_first_and_need_attention(pool: PgPool) -> anyhow::Result<()> {
    let organization = organization(pool).await?;
    let synced = &organization.synced;
    let session = signed_in(&synced.app, &synced.app.home, Scope::ALL).await?;
    let members = organization.members().await?;
    let (email, user) = members.iter().next().context("no member")?;
    let csv = format!("email,status,title\n{email},active,Clerk\n");
    let id = redirected(&session.upload(&[], &csv).await?)?;
    synced.work().await?;
    let path = format!("console/reconciliations/{id}");
    let hash = hidden(&session.page(&path).await?, "hash").to_owned();
    let user = user["id"].as_str().unwrap_or_default();
    synced.api.patch(&format!("users/{user}"), &json!({"title": "Chief"})).await?.success()?;
    session.send(&format!("{path}/apply"), &[("hash", &hash)]).await?;
    synced.work().await?;
    let page = session.page(&path).await?;
    for text in ["Conflicts", "1 conflict", "plan again with the same desired state"] {
        assert!(page.text.contains(text), "{text}: {}", page.text);
    }
    let overview = session.page("console").await?;
    assert!(overview.text.contains("1 failed reconciliation"), "{}", overview.text);
    let list = session.page("console/reconciliations").await?;
    assert!(list.text.contains("1 conflict"), "{}", list.text);
    // A later plan that is applied ends that.
    let id = redirected(&session.upload(&[], &csv).await?)?;
    synced.work().await?;
    let path = format!("console/reconciliations/{id}");
    let hash = hidden(&session.page(&path).await?, "hash").to_owned();
    session.send(&format!("{path}/apply"), &[("hash", &hash)]).await?;
    synced.work().await?;
    assert_eq!(organization.read(&id).await?["status"], "applied");
    let overview = session.page("console").await?;
    assert!(!overview.text.contains("failed reconciliation"), "{}", overview.text);
    Ok(())
}
