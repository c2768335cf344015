"""`files.*`: an upload in the SDK's own three steps, and its result."""

import hashlib

from common import one, refused

# Some megabytes of constant binary data.
CONTENT = bytes(range(256)) * (4 * 1024 * 1024 // 256)


def see(client):
    """Uploads a file, reads its metadata and deletes it; returns its digest."""
    refused("missing_argument", client.files_getUploadURLExternal, filename="a.bin", length=0)
    refused("file_not_found", client.files_info, file="F000")
    done = client.files_upload_v2(filename="handbook.bin", title="The handbook", content=CONTENT)
    file = done["file"]
    assert file["title"] == "The handbook", done.data
    again = [{"id": file["id"]}]
    refused("file_not_found", client.files_completeUploadExternal, files=again)
    info = client.files_info(file=file["id"])["file"]
    assert (info["name"], info["size"]) == ("handbook.bin", len(CONTENT)), info
    assert one(client.files_list(user=info["user"])["files"], id=file["id"]) == info
    assert client.files_delete(file=file["id"])["ok"]
    refused("file_deleted", client.files_info, file=file["id"])
    refused("file_deleted", client.files_delete, file=file["id"])
    return hashlib.sha256(CONTENT).hexdigest()
