//! `files.*`: uploads in three steps, and what is there afterwards.

use serde_json::{Map, Value, json};

use super::args::{Form, optional, required};
use super::method::{Access, Call, Method, json_body};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::files::{File, NoFile, Stage};

const READ: Access = Access::Scope("files:read");
const WRITE: Access = Access::Scope("files:write");
/// The longest description of a picture.
const LONGEST_ALT: usize = 1_000;
/// The largest snippet, in bytes.
const LARGEST_SNIPPET: i64 = 1_048_576;
/// The most channels of one upload.
const MOST_CHANNELS: usize = 100;

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "files.getUploadURLExternal",
        tier: Tier::Four,
        access: WRITE,
        args: &[
            required("filename", Form::Text),
            required("length", Form::Count),
            optional("alt_txt", Form::Text),
            optional("snippet_type", Form::Text),
        ],
        run: promise,
    },
    Method {
        name: "files.completeUploadExternal",
        tier: Tier::Four,
        access: WRITE,
        args: &[
            required("files", Form::Rows),
            optional("blocks", Form::Text),
            optional("channel_id", Form::Text),
            optional("channels", Form::Text),
            optional("initial_comment", Form::Text),
            optional("thread_ts", Form::Text),
        ],
        run: finish,
    },
    Method {
        name: "files.info",
        tier: Tier::Four,
        access: READ,
        args: &[
            required("file", Form::Text),
            optional("count", Form::Count),
            optional("cursor", Form::Text),
            optional("limit", Form::Count),
            optional("page", Form::Count),
        ],
        run: info,
    },
    Method {
        name: "files.list",
        tier: Tier::Three,
        access: READ,
        args: &[
            optional("channel", Form::Text),
            optional("count", Form::Count),
            optional("page", Form::Count),
            optional("show_files_hidden_by_limit", Form::Flag),
            optional("team_id", Form::Text),
            optional("ts_from", Form::Text),
            optional("ts_to", Form::Text),
            optional("types", Form::Text),
            optional("user", Form::Text),
        ],
        run: list,
    },
    Method {
        name: "files.delete",
        tier: Tier::Three,
        access: WRITE,
        args: &[required("file", Form::Text)],
        run: delete,
    },
];

/// <https://docs.slack.dev/reference/methods/files.getUploadURLExternal>
fn promise(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let caller = call.caller?;
    let length = call.args.count("length").filter(|length| *length > 0);
    let length = length.ok_or_else(|| Refusal::new("missing_argument"))?;
    if call.args.text("alt_txt").is_some_and(|text| text.chars().count() > LONGEST_ALT) {
        return Err(Refusal::new("alt_txt_too_large"));
    }
    if call.args.text("snippet_type").is_some() && length > LARGEST_SNIPPET {
        return Err(Refusal::new("snippet_too_large"));
    }
    let name = call.args.text("filename").unwrap_or_default();
    let now = call.sandbox.now().unix_timestamp();
    let length = u64::try_from(length).unwrap_or_default();
    let (id, ticket) =
        call.sandbox.with_files(|files| files.promise(&caller.user_id, name, length, now));
    let base = call.sandbox.options().base_url.as_deref().unwrap_or("https://files.slack.com");
    let url = format!("{}/upload/v1/{ticket}", base.trim_end_matches('/'));
    json_body(&json!({"ok": true, "upload_url": url, "file_id": id}))
}

/// <https://docs.slack.dev/reference/methods/files.completeUploadExternal>
fn finish(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let user = &call.caller?.user_id;
    let rows = call.args.rows("files");
    let text =
        |row: &Map<String, Value>, field| row.get(field).and_then(Value::as_str).map(str::to_owned);
    let wishes: Vec<(String, Option<String>)> =
        rows.iter().filter_map(|row| Some((text(row, "id")?, text(row, "title")))).collect();
    if wishes.is_empty() || wishes.len() < rows.len() {
        return Err(Refusal::new("invalid_arguments"));
    }
    let mut channels = call.args.list("channels");
    channels.extend(call.args.text("channel_id"));
    if channels.len() > MOST_CHANNELS {
        return Err(Refusal::new("channels_limit_exceeded"));
    }
    let is_known = |id: &String| {
        call.sandbox.with_org(|org| {
            org.workspaces.iter().any(|team| team.channels.iter().any(|one| one.id == *id))
        })
    };
    if !channels.iter().all(is_known) {
        return Err(Refusal::new("channel_not_found"));
    }
    let files: Vec<Value> = call.sandbox.with_files(|files| {
        // All of them, or none.
        for (id, _) in &wishes {
            files.can_finish(id, user).map_err(refused)?;
        }
        let finish = |(id, title): (String, Option<String>)| {
            let title = files.finish(&id, title, &channels);
            json!({"id": id, "title": title})
        };
        Ok::<_, Refusal>(wishes.into_iter().map(finish).collect())
    })?;
    json_body(&json!({"ok": true, "files": files}))
}

/// <https://docs.slack.dev/reference/methods/files.info>
fn info(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let user = &call.caller?.user_id;
    let id = call.args.text("file").unwrap_or_default();
    let shown = call.sandbox.with_files(|files| files.find(&id, user).map(file_object));
    let paging = json!({"count": 100, "total": 0, "page": 1, "pages": 0});
    json_body(&json!({
        "ok": true, "file": shown.map_err(refused)?, "comments": [], "paging": paging,
        "response_metadata": {"next_cursor": ""},
    }))
}

/// <https://docs.slack.dev/reference/methods/files.list>
fn list(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let caller = &call.caller?.user_id;
    let number = |name, default: usize| {
        let given = call.args.count(name).and_then(|number| usize::try_from(number).ok());
        given.unwrap_or(default).max(1)
    };
    let (count, at) = (number("count", 100).min(1_000), number("page", 1));
    let (user, channel) = (call.args.text("user"), call.args.text("channel"));
    let (rows, total) = call.sandbox.with_files(|files| {
        let is_wanted = |file: &&File| {
            file.stage == Stage::Finished
                && files.find(&file.id, caller).is_ok()
                && user.as_ref().is_none_or(|user| file.user == *user)
                && channel.as_ref().is_none_or(|channel| file.channels.contains(channel))
        };
        let wanted: Vec<Value> = files.all().rev().filter(is_wanted).map(file_object).collect();
        let total = wanted.len();
        (wanted.into_iter().skip((at - 1) * count).take(count).collect::<Vec<_>>(), total)
    });
    let paging =
        json!({"count": count, "total": total, "page": at, "pages": total.div_ceil(count)});
    json_body(&json!({"ok": true, "files": rows, "paging": paging}))
}

/// <https://docs.slack.dev/reference/methods/files.delete>
fn delete(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let user = &call.caller?.user_id;
    let id = call.args.text("file").unwrap_or_default();
    let deleted = call.sandbox.with_files(|files| files.delete(&id, user));
    deleted.map_err(|reason| match reason {
        NoFile::Foreign => Refusal::new("cant_delete_file"),
        NoFile::NotFound | NoFile::Deleted | NoFile::OtherLength => refused(reason),
    })?;
    json_body(&json!({"ok": true}))
}

fn refused(reason: NoFile) -> Refusal {
    Refusal::new(match reason {
        NoFile::NotFound | NoFile::OtherLength => "file_not_found",
        NoFile::Foreign => "access_denied",
        NoFile::Deleted => "file_deleted",
    })
}

/// <https://docs.slack.dev/reference/objects/file-object>
fn file_object(file: &File) -> Value {
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
