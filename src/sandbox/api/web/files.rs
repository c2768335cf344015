//! `files.*`: uploads in three steps, lists, details and deletion.

use serde_json::{Map, Value, json};

use super::args::{ArgType, optional, required};
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, json_body};
use crate::sandbox::Tier;
use crate::sandbox::files::{FileError, FileStatus, UploadedFile};

const READ: MethodAccess = MethodAccess::Scope("files:read");
const WRITE: MethodAccess = MethodAccess::Scope("files:write");
/// Maximum length of an image description.
const MAX_ALT_LENGTH: usize = 1_000;
/// Maximum size of a snippet in bytes.
const MAX_SNIPPET_BYTES: i64 = 1_048_576;
/// Maximum number of channels per upload.
const MAX_CHANNELS: usize = 100;

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "files.getUploadURLExternal",
        tier: Tier::Four,
        access: WRITE,
        args: &[
            required("filename", ArgType::Text),
            required("length", ArgType::Count),
            optional("alt_txt", ArgType::Text),
            optional("snippet_type", ArgType::Text),
        ],
        run: get_upload_url,
    },
    Method {
        name: "files.completeUploadExternal",
        tier: Tier::Four,
        access: WRITE,
        args: &[
            required("files", ArgType::Rows),
            optional("blocks", ArgType::Text),
            optional("channel_id", ArgType::Text),
            optional("channels", ArgType::Text),
            optional("initial_comment", ArgType::Text),
            optional("thread_ts", ArgType::Text),
        ],
        run: complete_upload,
    },
    Method {
        name: "files.info",
        tier: Tier::Four,
        access: READ,
        args: &[
            required("file", ArgType::Text),
            optional("count", ArgType::Count),
            optional("cursor", ArgType::Text),
            optional("limit", ArgType::Count),
            optional("page", ArgType::Count),
        ],
        run: info,
    },
    Method {
        name: "files.list",
        tier: Tier::Three,
        access: READ,
        args: &[
            optional("channel", ArgType::Text),
            optional("count", ArgType::Count),
            optional("page", ArgType::Count),
            optional("show_files_hidden_by_limit", ArgType::Flag),
            optional("team_id", ArgType::Text),
            optional("ts_from", ArgType::Text),
            optional("ts_to", ArgType::Text),
            optional("types", ArgType::Text),
            optional("user", ArgType::Text),
        ],
        run: list,
    },
    Method {
        name: "files.delete",
        tier: Tier::Three,
        access: WRITE,
        args: &[required("file", ArgType::Text)],
        run: delete,
    },
];

/// <https://docs.slack.dev/reference/methods/files.getUploadURLExternal>
fn get_upload_url(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let caller = call.caller?;
    let length = call.args.count("length").filter(|length| *length > 0);
    let length = length.ok_or_else(|| WebApiError::new("missing_argument"))?;
    if call.args.text("alt_txt").is_some_and(|text| text.chars().count() > MAX_ALT_LENGTH) {
        return Err(WebApiError::new("alt_txt_too_large"));
    }
    if call.args.text("snippet_type").is_some() && length > MAX_SNIPPET_BYTES {
        return Err(WebApiError::new("snippet_too_large"));
    }
    let name = call.args.text("filename").unwrap_or_default();
    let now = call.sandbox.now().unix_timestamp();
    let length = u64::try_from(length).unwrap_or_default();
    let (id, ticket) =
        call.sandbox.with_files(|files| files.reserve(&caller.user_id, name, length, now));
    let base = call.sandbox.options().base_url.as_deref().unwrap_or("https://files.slack.com");
    let url = format!("{}/upload/v1/{ticket}", base.trim_end_matches('/'));
    json_body(&json!({"ok": true, "upload_url": url, "file_id": id}))
}

/// <https://docs.slack.dev/reference/methods/files.completeUploadExternal>
fn complete_upload(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let user = &call.caller?.user_id;
    let rows = call.args.rows("files");
    let text =
        |row: &Map<String, Value>, field| row.get(field).and_then(Value::as_str).map(str::to_owned);
    let requested: Vec<(String, Option<String>)> =
        rows.iter().filter_map(|row| Some((text(row, "id")?, text(row, "title")))).collect();
    if requested.is_empty() || requested.len() < rows.len() {
        return Err(WebApiError::new("invalid_arguments"));
    }
    let mut channels = call.args.list("channels");
    channels.extend(call.args.text("channel_id"));
    if channels.len() > MAX_CHANNELS {
        return Err(WebApiError::new("channels_limit_exceeded"));
    }
    let is_known = |id: &String| {
        call.sandbox.with_org(|org| {
            org.workspaces.iter().any(|team| team.channels.iter().any(|one| one.id == *id))
        })
    };
    if !channels.iter().all(is_known) {
        return Err(WebApiError::new("channel_not_found"));
    }
    let files: Vec<Value> = call.sandbox.with_files(|files| {
        // All files are completed, or none.
        for (id, _) in &requested {
            files.can_complete(id, user).map_err(file_error)?;
        }
        let finish = |(id, title): (String, Option<String>)| {
            let title = files.complete(&id, title, &channels);
            json!({"id": id, "title": title})
        };
        Ok::<_, WebApiError>(requested.into_iter().map(finish).collect())
    })?;
    json_body(&json!({"ok": true, "files": files}))
}

/// <https://docs.slack.dev/reference/methods/files.info>
fn info(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let user = &call.caller?.user_id;
    let id = call.args.text("file").unwrap_or_default();
    let shown = call.sandbox.with_files(|files| files.find(&id, user).map(file_object));
    let paging = json!({"count": 100, "total": 0, "page": 1, "pages": 0});
    json_body(&json!({
        "ok": true, "file": shown.map_err(file_error)?, "comments": [], "paging": paging,
        "response_metadata": {"next_cursor": ""},
    }))
}

/// <https://docs.slack.dev/reference/methods/files.list>
fn list(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let caller = &call.caller?.user_id;
    let number = |name, default: usize| {
        let given = call.args.count(name).and_then(|number| usize::try_from(number).ok());
        given.unwrap_or(default).max(1)
    };
    let (count, at) = (number("count", 100).min(1_000), number("page", 1));
    let (user, channel) = (call.args.text("user"), call.args.text("channel"));
    let (rows, total) = call.sandbox.with_files(|files| {
        let is_match = |file: &&UploadedFile| {
            file.stage == FileStatus::Finished
                && files.find(&file.id, caller).is_ok()
                && user.as_ref().is_none_or(|user| file.user == *user)
                && channel.as_ref().is_none_or(|channel| file.channels.contains(channel))
        };
        let matches: Vec<Value> = files.all().rev().filter(is_match).map(file_object).collect();
        let total = matches.len();
        (matches.into_iter().skip((at - 1) * count).take(count).collect::<Vec<_>>(), total)
    });
    let paging =
        json!({"count": count, "total": total, "page": at, "pages": total.div_ceil(count)});
    json_body(&json!({"ok": true, "files": rows, "paging": paging}))
}

/// <https://docs.slack.dev/reference/methods/files.delete>
fn delete(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let user = &call.caller?.user_id;
    let id = call.args.text("file").unwrap_or_default();
    let deleted = call.sandbox.with_files(|files| files.delete(&id, user));
    deleted.map_err(|reason| match reason {
        FileError::NotOwner => WebApiError::new("cant_delete_file"),
        FileError::NotFound | FileError::Deleted | FileError::LengthMismatch => file_error(reason),
    })?;
    json_body(&json!({"ok": true}))
}

fn file_error(reason: FileError) -> WebApiError {
    WebApiError::new(match reason {
        FileError::NotFound | FileError::LengthMismatch => "file_not_found",
        FileError::NotOwner => "access_denied",
        FileError::Deleted => "file_deleted",
    })
}

/// <https://docs.slack.dev/reference/objects/file-object>
fn file_object(file: &UploadedFile) -> Value {
    let kind = file.name.rsplit_once('.').map_or("", |(_, kind)| kind).to_ascii_lowercase();
    let (mimetype, pretty) = match kind.as_str() {
        "txt" => ("text/plain", "Plain Text"),
        "csv" => ("text/csv", "CSV"),
        "pdf" => ("application/pdf", "PDF"),
        "png" => ("image/png", "PNG"),
        _ => ("application/octet-stream", "Binary"),
    };
    let place = format!("https://files.slack.com/files-pri/{}", file.id);
    json!({
        "id": file.id, "created": file.created, "timestamp": file.created,
        "name": file.name, "title": file.title, "user": file.user,
        "mimetype": mimetype, "filetype": if kind.is_empty() { "binary" } else { &kind },
        "pretty_type": pretty, "editable": false, "mode": "hosted",
        "size": file.content.as_ref().map_or(0, |content| content.size),
        "is_external": false, "external_type": "", "is_public": !file.channels.is_empty(),
        "public_url_shared": false, "display_as_bot": false, "username": "",
        "channels": file.channels, "groups": [], "ims": [], "comments_count": 0,
        "url_private": place, "url_private_download": format!("{place}/download"),
        "permalink": format!("https://lumenworks.slack.com/files/{}/{}", file.user, file.id),
    })
}
