//! A property of users at SCIM servers: what is written is read back, and a server that is changed by PATCH ends as one
//! that is changed by PUT.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Map, Value, json};
use sqlx::PgPool;

use super::writes::{id, linked, stored};
use crate::support::scim_server::{ScimOptions, open_app};

/// Fields that are one line of text.
const LINES: [&str; 10] = [
    "first_name",
    "last_name",
    "title",
    "timezone",
    "locale",
    "department",
    "division",
    "organization",
    "cost_center",
    "employee_number",
];
/// Users, and changes of each.
const USERS: usize = 12;
const CHANGES: usize = 5;

/// The fields of a request.
type Fields = Map<String, Value>;

fn text() -> impl Strategy<Value = String> {
    "[A-Za-zäß字0-9\"'\\\\]([A-Za-z0-9 .,'&\"-]{0,12}[A-Za-z0-9\\]])?"
}

/// One to three addresses, of which one is primary.
fn emails() -> impl Strategy<Value = Value> {
    let kinds = vec(select(&["work", "home", "other"]), 1..4);
    (kinds, any::<prop::sample::Index>(), "[a-z]{1,6}").prop_map(|(kinds, primary, name)| {
        let primary = primary.index(kinds.len());
        let email = |(number, kind): (usize, &&str)| {
            json!({"email": format!("{name}{number}@example.com"), "type": kind,
                "is_primary": number == primary})
        };
        kinds.iter().enumerate().map(email).collect::<Value>()
    })
}

fn phones() -> impl Strategy<Value = Value> {
    let phone = ("[+0-9]{1,8}", option::of(select(&["work", "mobile"])));
    vec(phone, 1..3).prop_map(|all: Vec<(String, Option<&str>)>| {
        let phone = |(number, kind)| json!({"number": number, "type": kind});
        all.into_iter().map(phone).collect::<Value>()
    })
}

fn addresses() -> impl Strategy<Value = Value> {
    let parts = select(&["street", "city", "region", "postal_code", "country"]);
    let address = btree_map(parts, text(), 1..4);
    vec(address, 1..3).prop_map(|all| json!(all))
}

/// Fields to set; `null` clears one.
fn fields() -> impl Strategy<Value = Fields> {
    let lines = btree_map(select(&LINES), option::weighted(0.8, text()), 0..6);
    let lists = (
        option::of(emails()),
        option::of(option::of(phones())),
        option::of(option::of(addresses())),
    );
    let others = (
        option::of(option::of(select(&["boss-1", "boss-2"]))),
        option::of(select(&["active", "inactive"])),
    );
    (lines, lists, others).prop_map(|(lines, (emails, phones, addresses), (manager, status))| {
        let mut fields: Fields =
            lines.into_iter().map(|(name, line)| (name.to_owned(), json!(line))).collect();
        let manager = manager.map(|boss| boss.map_or(Value::Null, |boss| json!({ "id": boss })));
        let set = [
            ("emails", emails),
            ("phones", phones.map(Option::unwrap_or_default)),
            ("addresses", addresses.map(Option::unwrap_or_default)),
            ("manager", manager),
            ("status", status.map(Value::from)),
        ];
        let set = set.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        fields.extend(set);
        fields
    })
}

/// Returns the unified object that a requested value is read back as.
fn read_back(name: &str, value: &Value) -> Value {
    let complete = |object: &Value, names: &[&str]| -> Value {
        let parts = names.iter().map(|name| ((*name).to_owned(), object[*name].clone()));
        Value::Object(parts.collect())
    };
    let names: &[&str] = match name {
        "phones" => &["number", "extension", "type"],
        "addresses" => &["street", "city", "region", "postal_code", "country"],
        "manager" if !value.is_null() => return complete(value, &["id", "name"]),
        _ => return value.clone(),
    };
    let all = value.as_array().into_iter().flatten();
    all.map(|object| complete(object, names)).collect()
}

/// The state that the requests so far lead to.
#[derive(Debug)]
struct Expected(BTreeMap<String, Value>);

impl Expected {
    /// Returns the state of a user without any field.
    fn new() -> Self {
        let lines = LINES.map(|name| (name.to_owned(), Value::Null));
        let others = [
            ("phones", json!([])),
            ("addresses", json!([])),
            ("manager", Value::Null),
            ("status", json!("active")),
        ];
        let others = others.map(|(name, value)| (name.to_owned(), value));
        Self(lines.into_iter().chain(others).collect())
    }

    fn apply(&mut self, request: &Fields) {
        for (name, value) in request {
            self.0.insert(name.clone(), read_back(name, value));
        }
        let text = |name: &str| self.0.get(name).and_then(Value::as_str).unwrap_or_default();
        let names = ["first_name", "last_name"].map(text);
        let name = names.join(" ").trim().to_owned();
        self.0.insert("name".to_owned(), if name.is_empty() { Value::Null } else { name.into() });
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_is_written_is_read_back_whether_by_patch_or_by_put(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let by_put = ScimOptions { patch: false, etag: true, ..ScimOptions::default() };
    let (patched, patch_api) = linked(&app, "patch", ScimOptions::default()).await?;
    let (replaced, put_api) = linked(&app, "put", by_put).await?;
    for server in [&patched, &replaced] {
        for boss in ["boss-1", "boss-2"] {
            server.add_user(json!({"id": boss, "userName": boss}));
        }
    }
    let mut runner = TestRunner::deterministic();
    let mut generate = || {
        let tree = fields().new_tree(&mut runner).map_err(|why| anyhow::anyhow!("{why}"))?;
        anyhow::Ok(tree.current())
    };
    for number in 0..USERS {
        let mut new = generate()?;
        new.retain(|name, value| !value.is_null() && name != "status");
        let first = json!([{"email": "first@example.com", "type": "work", "is_primary": true}]);
        new.entry("emails").or_insert(first);
        new.insert("username".to_owned(), format!("user-{number}").into());
        new.insert("external_id".to_owned(), format!("ext-{number}").into());
        let mut expected = Expected::new();
        expected.apply(&new);
        let mut ids = Vec::new();
        for api in [&patch_api, &put_api] {
            ids.push(id(&api.post("users", &Value::Object(new.clone())).await?.created()?)?);
        }
        let mut history = vec![new];
        for _ in 0..=CHANGES {
            let mut users = Vec::new();
            for ((api, server), user) in
                [(&patch_api, &patched), (&put_api, &replaced)].into_iter().zip(&ids)
            {
                let read = api.get(&format!("users/{user}")).await?.success()?["result"].clone();
                for (name, value) in &expected.0 {
                    assert_eq!(read[name], *value, "{name} of {read} after {history:?}");
                }
                users.push(stored(server, user)?);
            }
            assert_eq!(users.first(), users.last(), "by PATCH and by PUT after {history:?}");
            let change = generate()?;
            for (api, user) in [&patch_api, &put_api].into_iter().zip(&ids) {
                let body = Value::Object(change.clone());
                api.patch(&format!("users/{user}"), &body).await?.success()?;
            }
            expected.apply(&change);
            history.push(change);
        }
    }
    assert_eq!((patched.calls("PUT", ""), replaced.calls("PATCH", "")), (0, 0));
    Ok(())
}
