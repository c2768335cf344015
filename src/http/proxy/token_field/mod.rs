//! Removes the `token` field from the body of a raw call: SDKs that send their token there work with ours, and the
//! caller's token never reaches the provider.
//!
//! Only bodies for Slack's Web API are checked. The buffered prefix is bounded: the field of a large body must be
//! within its first mebibyte, and a later one aborts the call.

mod editor;
mod form;
mod json;
mod multipart;
mod stream;

use axum::http::{HeaderMap, header};
use bytes::Bytes;

pub(super) use self::editor::UnreadableFields;
use self::editor::{FieldEditor, TOKEN_FIELD};
use self::form::FormEditor;
pub(super) use self::form::has_token as form_has_token;
use self::json::JsonScanner;
use self::multipart::MultipartEditor;
pub(super) use self::stream::{CheckedBody, LateToken};
use crate::http::problem::{Problem, ProblemKind};

/// The path prefix of the Web API, after that of the proxy.
const WEB_API_PREFIX: &str = "api/";

/// The format of a body's fields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FieldFormat {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `multipart/form-data` with this boundary.
    Parts(String),
    /// `application/json`.
    Json,
}

/// A body without the field.
#[derive(Debug)]
pub(super) struct CleanedBody {
    pub(super) body: Bytes,
    /// The values of the field, in order.
    pub(super) tokens: Vec<String>,
}

impl FieldFormat {
    /// Returns the format of a call's body; `None` if it cannot have a `token` field.
    ///
    /// # Errors
    ///
    /// `unsupported_media_type` if parsers could read the body in different ways.
    pub(super) fn of(path: &str, headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        if !path.starts_with(WEB_API_PREFIX) {
            return Ok(None);
        }
        let mut types = headers.get_all(header::CONTENT_TYPE).iter();
        let Some(content_type) = types.next() else { return Ok(None) };
        if types.next().is_some() {
            return Err(ambiguous_body("The request has more than one `Content-Type`. Send one."));
        }
        let content_type = content_type.to_str().unwrap_or_default();
        let essence = content_type.split([';', ',']).next().unwrap_or_default().trim();
        let is = |name: &str| essence.eq_ignore_ascii_case(name);
        let format = if is("application/x-www-form-urlencoded") {
            Self::Form
        } else if is("application/json") {
            Self::Json
        } else if is("multipart/form-data") {
            let names = content_type.to_ascii_lowercase().matches("boundary").count();
            let boundary = multer::parse_boundary(content_type).ok().filter(|_| names == 1);
            let detail = "The `Content-Type` of a multipart body must name its boundary once.";
            Self::Parts(boundary.ok_or_else(|| ambiguous_body(detail))?)
        } else {
            return Ok(None);
        };
        let codings = headers.get_all(header::CONTENT_ENCODING).iter();
        if codings.into_iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            let detail =
                "The body of this API must not be compressed. Send it without `Content-Encoding`.";
            return Err(ambiguous_body(detail));
        }
        Ok(Some(format))
    }

    /// Whether Slack accepts a token in this format; not in JSON.
    pub(super) fn holds_credentials(&self) -> bool {
        match self {
            Self::Form | Self::Parts(_) => true,
            Self::Json => false,
        }
    }

    /// Removes the field from a complete body.
    pub(super) fn clean(&self, body: Bytes) -> Result<CleanedBody, UnreadableFields> {
        let has_token = match self {
            Self::Form => form::has_token(&body),
            Self::Parts(_) => has_word(&body),
            Self::Json => json::has_token(&body),
        };
        if !has_token {
            return Ok(CleanedBody { body, tokens: Vec::new() });
        }
        if *self == Self::Json {
            let (body, tokens) = json::take_token(&body)?;
            return Ok(CleanedBody { body: body.into(), tokens });
        }
        let (mut editor, mut out) = (self.editor(), Vec::with_capacity(body.len()));
        editor.push(&body, &mut out)?;
        editor.finish(&mut out)?;
        Ok(CleanedBody { body: out.into(), tokens: editor.found().to_vec() })
    }

    fn editor(&self) -> Box<dyn FieldEditor> {
        match self {
            Self::Form => Box::new(FormEditor::default()),
            Self::Parts(boundary) => Box::new(MultipartEditor::new(boundary)),
            Self::Json => Box::new(JsonScanner::default()),
        }
    }
}

/// Returns the problem of a body that parsers could read in different ways.
fn ambiguous_body(detail: &str) -> Problem {
    Problem::new(ProblemKind::UnsupportedMediaType, detail)
}

/// Whether a part of a form could have this name: it contains the name, or escapes.
fn has_word(body: &[u8]) -> bool {
    let is_word = |word: &[u8]| word.eq_ignore_ascii_case(TOKEN_FIELD.as_bytes());
    memchr::memchr2(b'\\', b'*', body).is_some() || body.windows(TOKEN_FIELD.len()).any(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDARY: &str = "b0";

    /// Returns the body without the field, and its values; checks that chunks of every size give the same.
    fn edited(format: &FieldFormat, body: &str) -> (String, Vec<String>) {
        let cleaned = format.clean(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let whole = (String::from_utf8(cleaned.body.to_vec()).unwrap(), cleaned.tokens);
        for size in [1, 2, 3, 7, 64, 4096] {
            let (mut editor, mut out) = (format.editor(), Vec::new());
            for piece in body.as_bytes().chunks(size) {
                editor.push(piece, &mut out).unwrap();
            }
            editor.finish(&mut out).unwrap();
            if *format == FieldFormat::Json {
                assert_eq!(editor.found().len(), whole.1.len(), "{body:?} by {size}");
            } else {
                assert_eq!(String::from_utf8(out).unwrap(), whole.0, "{body:?} by {size}");
                assert_eq!(editor.found(), whole.1, "{body:?} by {size}");
            }
        }
        whole
    }

    #[test]
    fn removes_the_token_of_a_form_in_every_spelling() {
        for (form, rest, tokens) in [
            ("token=x", "", vec!["x"]),
            ("a=1&token=x&b=%20+2", "a=1&b=%20+2", vec!["x"]),
            ("token=x&a=1", "a=1", vec!["x"]),
            ("a=1&token=x", "a=1", vec!["x"]),
            ("%74oke%6E=x&a=1", "a=1", vec!["x"]),
            ("+%20token=x&Token=y&token%5B%5D=z&token[0]=%2B&a", "a", vec!["x", "y", "z", "+"]),
            ("token&a=1&token=", "a=1", vec!["", ""]),
            ("token%00b=x", "", vec!["x"]),
            (
                "a=1&&b=&=c&tok=1&tokens=2&my_token=3&",
                "a=1&&b=&=c&tok=1&tokens=2&my_token=3&",
                vec![],
            ),
            ("text=token=x&a=%74", "text=token=x&a=%74", vec![]),
            ("", "", vec![]),
            ("&", "&", vec![]),
        ] {
            assert_eq!(
                edited(&FieldFormat::Form, form),
                (rest.to_owned(), tokens.iter().map(|t| (*t).to_owned()).collect()),
                "{form}"
            );
        }
    }

    /// Builds a multipart form of heads and contents.
    fn multipart(parts: &[(&str, &str)]) -> String {
        let parts = parts
            .iter()
            .map(|(head, content)| format!("--{BOUNDARY}\r\n{head}\r\n\r\n{content}\r\n"));
        format!("{}--{BOUNDARY}--\r\n", parts.collect::<String>())
    }

    #[test]
    fn removes_only_the_token_part_of_a_multipart_form() {
        let format = FieldFormat::Parts(BOUNDARY.to_owned());
        let disposition = |rest: &str| format!("Content-Disposition: form-data; {rest}");
        let file = disposition("name=\"file\"; filename=\"token\"\r\nContent-Type: text/plain");
        let content = format!("\r\n--{BOUNDARY}x\r\nname=\"token\"\r\n\r\n--\n- -{BOUNDARY}\r");
        let other = (file.as_str(), content.as_str());
        for head in [
            "name=\"token\"",
            "name=token",
            "name = 'token'",
            "NAME=\"Token\"",
            "name*=UTF-8''%74oken",
            "name=\"token[]\"",
            "filename=\"x\";name=\"to\\ken\"",
        ] {
            let token = disposition(head);
            let token = (token.as_str(), "x");
            for parts in [
                vec![token, other],
                vec![other, token],
                vec![other, token, other],
                vec![token, token],
            ] {
                let rest: Vec<_> = parts.iter().copied().filter(|part| *part == other).collect();
                let found = vec!["x".to_owned(); parts.len() - rest.len()];
                assert_eq!(
                    edited(&format, &multipart(&parts)),
                    (multipart(&rest), found),
                    "{head}"
                );
            }
        }
        let untouched = format!("preamble token\r\n{}epilogue", multipart(&[other, other]));
        assert_eq!(edited(&format, &untouched), (untouched.clone(), vec![]));
        let bare = multipart(&[(&disposition("name=\"token\""), "x"), other]).replace("\r\n", "\n");
        assert_eq!(edited(&format, &bare).1, ["x"], "line breaks of one byte part as well");
    }

    #[test]
    fn removes_only_the_token_member_of_json() {
        for (text, rest, tokens) in [
            (r#"{"token":"x"}"#, "{}", vec!["x"]),
            (
                r#" {"a": [1, {"token": 2}], "\u0074oken" : "x\u0079", "b":1.0e5 } "#,
                r#"{"a":[1, {"token": 2}],"b":1.0e5}"#,
                vec!["xy"],
            ),
            (r#"{"token":{"a":1},"Token":null}"#, "{}", vec![r#"{"a":1}"#, "null"]),
            (
                r#"{"a":"token","b":{"token":1},"c\"":"\\"}"#,
                r#"{"a":"token","b":{"token":1},"c\"":"\\"}"#,
                vec![],
            ),
            (r#"[{"token":1}]"#, r#"[{"token":1}]"#, vec![]),
            ("nonsense \"token\"", "nonsense \"token\"", vec![]),
        ] {
            assert_eq!(
                edited(&FieldFormat::Json, text),
                (rest.to_owned(), tokens.iter().map(|t| (*t).to_owned()).collect()),
                "{text}"
            );
        }
        for text in
            [r#"{"token":"x""#, r#"{"a":1,"token":2,}"#, "{}{\"token\":1}", "\u{feff}{\"token\":1}"]
        {
            let cleaned = FieldFormat::Json.clean(Bytes::from(text));
            assert_eq!(cleaned.err(), Some(UnreadableFields::Json), "{text}");
        }
    }

    #[test]
    fn bounds_the_buffered_bytes() {
        let long = "x".repeat(editor::MAX_TOKEN_BYTES + 1);
        for body in
            [format!("token={long}"), format!("{}token=x", "+".repeat(editor::MAX_NAME_BYTES + 1))]
        {
            assert!(
                FieldFormat::Form.clean(body.clone().into()).is_err()
                    || form::has_token(body.as_bytes())
            );
            let (mut editor, mut out) = (FieldFormat::Form.editor(), Vec::new());
            assert!(editor.push(body.as_bytes(), &mut out).is_err(), "{body}");
        }
        let format = FieldFormat::Parts(BOUNDARY.to_owned());
        let (mut editor, mut out) = (format.editor(), Vec::new());
        let head = format!("--{BOUNDARY}\r\n{}", "x: y\r\n".repeat(2_000));
        assert_eq!(editor.push(head.as_bytes(), &mut out), Err(UnreadableFields::Name));
    }

    #[test]
    fn rejects_ambiguous_content_types() {
        let format = |types: &[&str]| {
            let mut headers = HeaderMap::new();
            for content_type in types {
                headers.append(header::CONTENT_TYPE, content_type.parse().unwrap());
            }
            FieldFormat::of("api/x", &headers).ok()
        };
        assert_eq!(format(&[]), Some(None));
        assert_eq!(format(&["text/plain"]), Some(None));
        assert_eq!(
            format(&["Application/X-WWW-Form-Urlencoded; charset=utf-8"]),
            Some(Some(FieldFormat::Form))
        );
        assert_eq!(
            format(&["multipart/form-data; boundary=\"a b\""]),
            Some(Some(FieldFormat::Parts("a b".to_owned())))
        );
        assert_eq!(format(&["multipart/form-data"]), None);
        assert_eq!(format(&["multipart/form-data; boundary=a; boundary=b"]), None);
        assert_eq!(format(&["text/plain", "application/json"]), None);
    }
}
