//! The OpenAPI document as the pages read it: tags, operations, parameters, responses.

use std::collections::BTreeMap;

use serde_json::Value;

/// HTTP methods, in the order of display.
const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];
/// References are followed this many times.
const MAX_REFERENCES: usize = 8;

/// An operation of the document.
pub(in crate::http) struct Operation<'d> {
    /// The HTTP method, in lower case.
    pub(in crate::http) method: &'static str,
    /// The template of the path.
    pub(in crate::http) path: &'d str,
    object: &'d Value,
}

/// The operations of one tag.
pub(super) struct TagGroup<'d> {
    pub(super) tag: &'d str,
    pub(super) description: &'d str,
    pub(super) operations: Vec<Operation<'d>>,
}

/// A parameter of an operation.
pub(super) struct Parameter<'d> {
    pub(super) name: &'d str,
    /// `path`, `query` or `header`.
    pub(super) place: &'d str,
    pub(super) description: &'d str,
    pub(super) is_required: bool,
    pub(super) schema: &'d Value,
    /// Whether it is an object whose fields are parameters of their own.
    pub(super) is_object: bool,
    example: Option<&'d Value>,
}

/// A content of a request or a response.
pub(super) struct Content<'d> {
    pub(super) media_type: &'d str,
    pub(super) schema: Option<&'d Value>,
    pub(super) example: Option<&'d Value>,
}

/// A successful response of an operation.
pub(super) struct Success<'d> {
    pub(super) status: &'d str,
    pub(super) description: &'d str,
    pub(super) contents: Vec<Content<'d>>,
}

impl<'d> Operation<'d> {
    /// Returns the anchor of its section.
    pub(in crate::http) fn anchor(&self) -> String {
        let words = self.path.split(['/', '{', '}', '_']).filter(|word| !word.is_empty());
        words.fold(self.method.to_owned(), |anchor, word| format!("{anchor}-{word}"))
    }

    /// Returns the address of its section.
    pub(in crate::http) fn href(&self) -> String {
        format!("/docs/{}#{}", slug(self.tag()), self.anchor())
    }

    /// Returns the tag that it is listed under.
    fn tag(&self) -> &'d str {
        self.object.pointer("/tags/0").and_then(Value::as_str).unwrap_or_default()
    }

    pub(super) fn summary(&self) -> &'d str {
        text(self.object, "summary")
    }

    pub(super) fn description(&self) -> &'d str {
        text(self.object, "description")
    }

    /// Whether it changes something.
    pub(super) fn is_change(&self) -> bool {
        self.method != "get"
    }

    /// Whether it needs no key.
    pub(super) fn is_public(&self) -> bool {
        let own = self.object.get("security").and_then(Value::as_array);
        own.is_some_and(|all| all.iter().all(|one| one.get("key").is_none()))
    }

    /// Returns the scopes that the key needs.
    pub(super) fn scopes(&self) -> impl Iterator<Item = &'d str> {
        let scopes = self.object.pointer("/security/0/key").and_then(Value::as_array);
        scopes.into_iter().flatten().filter_map(Value::as_str)
    }

    /// Whether it is about an account, which the header `X-Integrated-Account-Id` may name.
    pub(super) fn has_account(&self) -> bool {
        let named = |name| self.parameters().any(|one| one.name == name);
        named("integrated_account_id") && named("tenant_id")
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = Parameter<'d>> {
        list(self.object, "parameters").map(|object| Parameter {
            name: text(object, "name"),
            place: text(object, "in"),
            description: text(object, "description"),
            is_required: is_true(object, "required"),
            schema: object.get("schema").unwrap_or(&Value::Null),
            is_object: text(object, "style") == "deepObject",
            example: object.get("example"),
        })
    }

    /// Returns the contents that the request body may have.
    pub(super) fn body(&self) -> Vec<Content<'d>> {
        self.object.get("requestBody").map(contents).unwrap_or_default()
    }

    /// Whether the request must have a body.
    pub(super) fn is_body_required(&self) -> bool {
        self.object.get("requestBody").is_some_and(|body| is_true(body, "required"))
    }

    /// Returns the JSON content of the request body.
    pub(super) fn json_body(&self) -> Option<Content<'d>> {
        self.body().into_iter().find(|content| content.media_type == "application/json")
    }

    /// Returns the responses with a status of 2xx.
    pub(super) fn successes(&self) -> Vec<Success<'d>> {
        let all = self.responses().filter(|(status, _)| status.starts_with('2'));
        let success = |(status, object)| {
            let description = text(object, "description");
            Success { status, description, contents: contents(object) }
        };
        all.map(success).collect()
    }

    /// Returns the statuses of the problems it may return.
    pub(super) fn problem_statuses(&self) -> impl Iterator<Item = &'d str> {
        self.responses().map(|(status, _)| status).filter(|status| !status.starts_with('2'))
    }

    fn responses(&self) -> impl Iterator<Item = (&'d str, &'d Value)> {
        let all = self.object.get("responses").and_then(Value::as_object).into_iter().flatten();
        all.map(|(status, response)| (status.as_str(), response))
    }
}

impl Parameter<'_> {
    /// Returns an example of its value, as it stands in a request.
    pub(super) fn example(&self, document: &Value) -> String {
        let schema = resolved(document, self.schema);
        let examples = [
            self.example,
            schema.get("example"),
            self.schema.get("default"),
            schema.get("default"),
            schema.pointer("/enum/0"),
            schema.get("minimum"),
        ];
        match examples.into_iter().flatten().next() {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => self.name.to_uppercase(),
        }
    }
}

/// Returns the operations by tag, in the order of the document's tags.
pub(super) fn groups(document: &Value) -> Vec<TagGroup<'_>> {
    let mut by_tag: BTreeMap<&str, Vec<Operation<'_>>> = BTreeMap::new();
    for operation in paths(document).flat_map(|(_, operations)| operations) {
        by_tag.entry(operation.tag()).or_default().push(operation);
    }
    let group = |object| {
        let (tag, description) = (text(object, "name"), text(object, "description"));
        Some(TagGroup { tag, description, operations: by_tag.remove(tag)? })
    };
    list(document, "tags").filter_map(group).collect()
}

/// Returns every path with its operations.
pub(in crate::http) fn paths(document: &Value) -> impl Iterator<Item = (&str, Vec<Operation<'_>>)> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    paths.map(|(path, item)| {
        let operations = METHODS
            .into_iter()
            .filter_map(|method| Some(Operation { method, path, object: item.get(method)? }));
        (path.as_str(), operations.collect())
    })
}

/// Returns the last segment of the address of a tag's page.
pub(super) fn slug(tag: &str) -> String {
    tag.to_lowercase().replace(' ', "-")
}

/// Resolves the `$ref` of a schema or a response; returns others unchanged.
pub(super) fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let next = |schema| document.pointer(text(schema, "$ref").strip_prefix('#')?);
    std::iter::successors(Some(schema), |schema| next(schema))
        .take(MAX_REFERENCES)
        .last()
        .unwrap_or(schema)
}

/// Returns the name of the component that a schema refers to.
pub(super) fn component(schema: &Value) -> Option<&str> {
    text(schema, "$ref").rsplit('/').next().filter(|name| !name.is_empty())
}

/// Returns a text of an object, empty if it has none.
pub(super) fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the items of a list of an object.
pub(super) fn list<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn is_true(value: &Value, field: &str) -> bool {
    value.get(field).and_then(Value::as_bool).unwrap_or_default()
}

fn contents(object: &Value) -> Vec<Content<'_>> {
    let all = object.get("content").and_then(Value::as_object).into_iter().flatten();
    all.map(|(media_type, content)| Content {
        media_type,
        schema: content.get("schema"),
        example: content.get("example"),
    })
    .collect()
}
