//! Code samples of an operation: the same request with curl, in Python and in TypeScript.

use std::fmt::Write as _;

use serde_json::Value;
use url::form_urlencoded;

use super::document::Operation;

/// A request in one language.
pub(super) struct Sample {
    /// Name of the language, in lower case.
    pub(super) language: &'static str,
    /// Name of the language, for display.
    pub(super) label: &'static str,
    pub(super) code: String,
}

/// The request of an operation with the examples of the document.
struct ExampleRequest<'d> {
    /// In upper case.
    method: String,
    /// With values in place of the parameters.
    path: String,
    query: Vec<(&'d str, String)>,
    headers: Vec<(&'d str, String)>,
    is_authenticated: bool,
    has_account: bool,
    body: Option<&'d Value>,
    /// Whether the response is JSON.
    returns_json: bool,
}

/// Returns the samples of an operation, in the order of display.
pub(super) fn samples(document: &Value, operation: &Operation<'_>) -> [Sample; 3] {
    let request = ExampleRequest::of(document, operation);
    [
        Sample { language: "curl", label: "curl", code: request.in_curl() },
        Sample { language: "python", label: "Python", code: request.in_python() },
        Sample { language: "typescript", label: "TypeScript", code: request.in_typescript() },
    ]
}

impl<'d> ExampleRequest<'d> {
    /// Fills in required parameters, the page size, and the body.
    fn of(document: &Value, operation: &Operation<'d>) -> Self {
        let mut request = Self {
            method: operation.method.to_uppercase(),
            path: operation.path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            is_authenticated: !operation.is_public(),
            has_account: operation.has_account(),
            body: operation.json_body().and_then(|content| content.example),
            returns_json: operation
                .successes()
                .first()
                .and_then(|success| success.contents.first())
                .is_some_and(|content| content.media_type == "application/json"),
        };
        for parameter in operation.parameters() {
            let example = parameter.example(document);
            match parameter.place {
                "path" => {
                    let place = format!("{{{}}}", parameter.name);
                    request.path = request.path.replace(&place, &example);
                }
                "query" if parameter.is_required || parameter.name == "limit" => {
                    request.query.push((parameter.name, example));
                }
                "header" if parameter.is_required => {
                    request.headers.push((parameter.name, example));
                }
                _ => {}
            }
        }
        request
    }

    /// Returns the path with the query.
    fn target(&self) -> String {
        if self.query.is_empty() {
            return self.path.clone();
        }
        let query =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.query).finish();
        format!("{}?{query}", self.path)
    }

    fn in_curl(&self) -> String {
        let method =
            if self.method == "GET" { String::new() } else { format!("-X {} ", self.method) };
        let mut arguments = vec![format!("curl {method}\"$BASE{}\"", self.target())];
        if self.is_authenticated {
            arguments.push("-H \"Authorization: Bearer $KEY\"".to_owned());
        }
        if self.has_account {
            arguments.push("-H \"X-Integrated-Account-Id: $ACCOUNT\"".to_owned());
        }
        for (name, value) in &self.headers {
            arguments.push(format!("-H '{name}: {}'", value.replace('\'', "'\\''")));
        }
        if let Some(body) = self.body {
            let body = pretty(body).replace('\'', "'\\''");
            arguments.push("-H \"Content-Type: application/json\"".to_owned());
            arguments.push(format!("-d '{body}'"));
        }
        arguments.join(" \\\n  ")
    }

    fn in_python(&self) -> String {
        let mut code = "import os\nimport requests\n\nresponse = requests.".to_owned();
        // Writing into a text can't fail.
        let _ = writeln!(code, "{}(", self.method.to_lowercase());
        let _ = writeln!(code, "    f\"{{os.environ['BASE']}}{}\",", self.path);
        let mut headers = Vec::new();
        if self.is_authenticated {
            headers.push("\"Authorization\": f\"Bearer {os.environ['KEY']}\"".to_owned());
        }
        if self.has_account {
            headers.push("\"X-Integrated-Account-Id\": os.environ[\"ACCOUNT\"]".to_owned());
        }
        headers.extend(self.headers.iter().map(|(name, value)| pair(name, value)));
        if !headers.is_empty() {
            let _ =
                writeln!(code, "    headers={{\n        {},\n    }},", headers.join(",\n        "));
        }
        if !self.query.is_empty() {
            let query: Vec<_> = self.query.iter().map(|(name, value)| pair(name, value)).collect();
            let _ = writeln!(code, "    params={{{}}},", query.join(", "));
        }
        if let Some(body) = self.body {
            let mut text = String::new();
            write_python(&mut text, body, 4);
            let _ = writeln!(code, "    json={text},");
        }
        let result = if self.returns_json { "response.json()" } else { "response.text" };
        let _ = write!(code, "    timeout=60,\n)\nresponse.raise_for_status()\nprint({result})");
        code
    }

    fn in_typescript(&self) -> String {
        let mut code =
            format!("const response = await fetch(`${{process.env.BASE}}{}`, {{\n", self.target());
        if self.method != "GET" {
            // Writing into a text can't fail.
            let _ = writeln!(code, "  method: \"{}\",", self.method);
        }
        let mut headers = Vec::new();
        if self.is_authenticated {
            headers.push("Authorization: `Bearer ${process.env.KEY}`".to_owned());
        }
        if self.has_account {
            headers.push("\"X-Integrated-Account-Id\": `${process.env.ACCOUNT}`".to_owned());
        }
        headers.extend(self.headers.iter().map(|(name, value)| pair(name, value)));
        if self.body.is_some() {
            headers.push("\"Content-Type\": \"application/json\"".to_owned());
        }
        if !headers.is_empty() {
            let _ = writeln!(code, "  headers: {{\n    {},\n  }},", headers.join(",\n    "));
        }
        if let Some(body) = self.body {
            let body = pretty(body).replace('\n', "\n  ");
            let _ = writeln!(code, "  body: JSON.stringify({body}),");
        }
        let read = if self.returns_json { "json" } else { "text" };
        let _ = write!(
            code,
            "}});\nif (!response.ok) {{\n  throw new Error(`${{response.status}}: ${{await response.text()}}`);\n}}\n\
             console.log(await response.{read}());"
        );
        code
    }
}

/// Returns a JSON value over several lines.
pub(super) fn pretty(value: &Value) -> String {
    // Values of the document can always be written.
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// Returns a field with a text, as in JSON, Python and TypeScript.
fn pair(name: &str, value: &str) -> String {
    format!("{}: {}", Value::from(name), Value::from(value))
}

/// Writes a JSON value as a Python expression; its lines after the first are indented.
fn write_python(code: &mut String, value: &Value, indent: usize) {
    let inner = indent + 4;
    // Writing into a text can't fail.
    match value {
        Value::Null => code.push_str("None"),
        Value::Bool(true) => code.push_str("True"),
        Value::Bool(false) => code.push_str("False"),
        Value::Number(_) | Value::String(_) => {
            let _ = write!(code, "{value}");
        }
        Value::Array(items) if items.is_empty() => code.push_str("[]"),
        Value::Array(items) => {
            code.push_str("[\n");
            for item in items {
                let _ = write!(code, "{:inner$}", "");
                write_python(code, item, inner);
                code.push_str(",\n");
            }
            let _ = write!(code, "{:indent$}]", "");
        }
        Value::Object(fields) if fields.is_empty() => code.push_str("{}"),
        Value::Object(fields) => {
            code.push_str("{\n");
            for (name, field) in fields {
                let _ = write!(code, "{:inner$}{}: ", "", Value::from(name.as_str()));
                write_python(code, field, inner);
                code.push_str(",\n");
            }
            let _ = write!(code, "{:indent$}}}", "");
        }
    }
}
