//! The `token` field of a raw call's body: SDKs that name their token there work with one of ours, and no token of a
//! caller's gets to the provider.
//!
//! Bodies of the Web API alone are looked at. What is read ahead of the provider is bounded: the field of a large body has
//! to stand in its first mebibyte, and one that comes later ends the call.

mod editor;
mod form;
mod json;
mod multipart;
mod stream;

use axum::http::{HeaderMap, header};
use bytes::Bytes;

pub(super) use self::editor::Unreadable;
use self::editor::{Editor, TOKEN};
use self::form::FormEditor;
pub(super) use self::form::has_token as form_has_token;
use self::json::JsonScanner;
use self::multipart::PartsEditor;
pub(super) use self::stream::{CheckedBody, Late};
use crate::http::problem::{Problem, ProblemKind};

/// How the paths of the Web API begin, behind the proxy's own part.
const WEB_API: &str = "api/";

/// How a body's fields are written.
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
pub(super) struct Cleaned {
    pub(super) body: Bytes,
    /// The values of the field, in order.
    pub(super) tokens: Vec<String>,
}

impl FieldFormat {
    /// How the fields of a call's body are written; `None` when it can have no `token`.
    ///
    /// # Errors
    ///
    /// When two readers could take the body for two different forms.
    pub(super) fn of(path: &str, headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        if !path.starts_with(WEB_API) {
            return Ok(None);
        }
        let mut types = headers.get_all(header::CONTENT_TYPE).iter();
        let Some(content_type) = types.next() else { return Ok(None) };
        if types.next().is_some() {
            return Err(unclear("The request has more than one `Content-Type`. Send one."));
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
            Self::Parts(boundary.ok_or_else(|| unclear(detail))?)
        } else {
            return Ok(None);
        };
        let codings = headers.get_all(header::CONTENT_ENCODING).iter();
        if codings.into_iter().any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
            let detail =
                "Bodies of this API must not be compressed. Send it without `Content-Encoding`.";
            return Err(unclear(detail));
        }
        Ok(Some(format))
    }

    /// Whether Slack takes a token from such a body. From JSON it does not.
    pub(super) fn holds_credentials(&self) -> bool {
        match self {
            Self::Form | Self::Parts(_) => true,
            Self::Json => false,
        }
    }

    /// A whole body without the field.
    pub(super) fn clean(&self, body: Bytes) -> Result<Cleaned, Unreadable> {
        let has_token = match self {
            Self::Form => form::has_token(&body),
            Self::Parts(_) => has_word(&body),
            Self::Json => json::has_token(&body),
        };
        if !has_token {
            return Ok(Cleaned { body, tokens: Vec::new() });
        }
        if *self == Self::Json {
            let (body, tokens) = json::take_token(&body)?;
            return Ok(Cleaned { body: body.into(), tokens });
        }
        let (mut editor, mut out) = (self.editor(), Vec::with_capacity(body.len()));
        editor.push(&body, &mut out)?;
        editor.finish(&mut out)?;
        Ok(Cleaned { body: out.into(), tokens: editor.found().to_vec() })
    }

    fn editor(&self) -> Box<dyn Editor> {
        match self {
            Self::Form => Box::new(FormEditor::default()),
            Self::Parts(boundary) => Box::new(PartsEditor::new(boundary)),
            Self::Json => Box::new(JsonScanner::default()),
        }
    }
}

/// The problem of a body that two readers could read differently.
fn unclear(detail: &str) -> Problem {
    Problem::new(ProblemKind::UnsupportedMediaType, detail)
}

/// Whether a part of a form could be named so: its name is written plainly, or escaped.
fn has_word(body: &[u8]) -> bool {
    let is_word = |word: &[u8]| word.eq_ignore_ascii_case(TOKEN.as_bytes());
    memchr::memchr2(b'\\', b'*', body).is_some() || body.windows(TOKEN.len()).any(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDARY: &str = "b0";

    /// The body without the field and the field's values, and the same for each size of pieces.
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
    fn a_forms_token_is_taken_out_however_it_is_written() {
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

    /// A form of parts, each with its head and its content.
    fn multipart(parts: &[(&str, &str)]) -> String {
        let parts = parts
            .iter()
            .map(|(head, content)| format!("--{BOUNDARY}\r\n{head}\r\n\r\n{content}\r\n"));
        format!("{}--{BOUNDARY}--\r\n", parts.collect::<String>())
    }

    #[test]
    fn a_part_that_is_the_token_is_taken_out_and_the_others_stay() {
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
    fn a_member_of_json_is_taken_out_and_the_others_stay() {
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
            assert_eq!(cleaned.err(), Some(Unreadable::Json), "{text}");
        }
    }

    #[test]
    fn what_is_held_back_is_bounded() {
        let long = "x".repeat(editor::LONGEST_TOKEN + 1);
        for body in
            [format!("token={long}"), format!("{}token=x", "+".repeat(editor::LONGEST_NAME + 1))]
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
        assert_eq!(editor.push(head.as_bytes(), &mut out), Err(Unreadable::Name));
    }

    #[test]
    fn an_unclear_type_is_refused() {
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
