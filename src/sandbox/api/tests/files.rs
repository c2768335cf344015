//! File uploads: URL, content and completion.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::Value;

use super::{Client, TestResponse, is_plain, s};
use crate::sandbox::{FileStatus, InstallTarget};

const SHA256_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const LINES: &str = "--x\r\ncontent-disposition: form-data; name=\"filename\"; filename=\"a.txt\"\r\n\r\n\
                     abc\r\n--x--\r\n";

impl Client {
    /// Returns the id and the upload path of a reserved file.
    async fn promised(&self, query: &str) -> (String, String) {
        let promise = self.call("files.getUploadURLExternal", query).await;
        let url: url::Url = s(&promise["upload_url"]).parse().unwrap();
        (s(&promise["file_id"]).to_owned(), url.path().to_owned())
    }

    /// Sends a file without a token.
    async fn send_file(&self, path: &str, kind: &str, body: &'static str) -> TestResponse {
        let request = Request::post(path).header("content-type", kind);
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn finish(&self, id: &str, more: &str) -> Value {
        let rows = format!("files=%5B%7B%22id%22%3A%22{id}%22%7D%5D{more}");
        self.call("files.completeUploadExternal", &rows).await
    }
}

#[tokio::test]
async fn file_is_visible_after_completed_upload() {
    let client = Client::unlimited(20);
    for (kind, body) in
        [("application/octet-stream", "abc"), ("multipart/form-data; boundary=x", LINES)]
    {
        let (id, path) = client.promised("filename=a.txt&length=3").await;
        let at = format!("file={id}");
        assert_eq!(client.finish(&id, "").await["error"], "file_not_found");
        assert_eq!(client.send_file(&path, kind, body).await.status, StatusCode::OK, "{kind}");
        assert_eq!(client.code("files.info", &at).await, "file_not_found");
        assert_eq!(client.finish(&id, "").await["files"][0]["title"], "a.txt");
        assert_eq!(client.finish(&id, "").await["error"], "file_not_found", "once only");
        let file = client.call("files.info", &at).await["file"].clone();
        assert_eq!((&file["size"], &file["mimetype"]), (&3.into(), &"text/plain".into()));
        assert_eq!(client.call("files.list", "").await["files"][0], file);
        let stored = client.sandbox.files().into_iter().find(|file| file.id == id).unwrap();
        assert_eq!(stored.content.unwrap().sha256, SHA256_OF_ABC, "{kind}");
        assert_eq!(client.code("files.delete", &at).await, "");
        assert_eq!(client.code("files.info", &at).await, "file_deleted");
        assert_eq!(client.call("files.list", "").await["paging"]["total"], 0);
    }
    assert_eq!(client.sandbox.requests(Some("upload")).counts["upload"], 2);
}

#[tokio::test]
async fn rejects_unannounced_uploads() {
    let client = Client::unlimited(20);
    let raw = "application/octet-stream";
    let (id, path) = client.promised("filename=a.txt&length=4").await;
    assert_eq!(client.send_file(&path, raw, "abc").await.status, StatusCode::BAD_REQUEST);
    let unknown = client.send_file("/upload/v1/nobody-knows", raw, "abc").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(client.send_file(&path, raw, "abcd").await.status, StatusCode::OK);
    assert_eq!(client.send_file(&path, raw, "abcd").await.status, StatusCode::NOT_FOUND, "twice");
    assert_eq!(client.finish(&id, "&channel_id=C00000000").await["error"], "channel_not_found");
    assert_eq!(client.sandbox.files()[0].stage, FileStatus::Sent);
    for (query, code) in [
        ("filename=a.txt&length=0", "missing_argument"),
        ("filename=a.txt&length=2000000&snippet_type=python", "snippet_too_large"),
        (&format!("filename=a.png&length=1&alt_txt={}", "a".repeat(1_001)), "alt_txt_too_large"),
    ] {
        assert_eq!(client.code("files.getUploadURLExternal", query).await, code);
    }
}

#[tokio::test]
async fn file_is_private_until_shared() {
    let mut client = Client::unlimited(200);
    let user = client.person(is_plain);
    let channel = client.channel(&client.team(&user, true));
    let (own, other) = (client.token.clone(), client.installed_by(&user, InstallTarget::Org));
    let raw = "application/octet-stream";
    for (more, seen) in [(String::new(), "file_not_found"), (format!("&channel_id={channel}"), "")]
    {
        let (id, path) = client.promised("filename=a.txt&length=3").await;
        client.send_file(&path, raw, "abc").await;
        client.token.clone_from(&other);
        assert_eq!(client.finish(&id, "").await["error"], "access_denied");
        client.token.clone_from(&own);
        assert_eq!(client.finish(&id, &more).await["ok"], true);
        client.token.clone_from(&other);
        assert_eq!(client.code("files.info", &format!("file={id}")).await, seen);
        if seen.is_empty() {
            let delete = client.code("files.delete", &format!("file={id}")).await;
            assert_eq!(delete, "cant_delete_file");
        }
        client.token.clone_from(&own);
    }
}
