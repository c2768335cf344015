// `files.*`: an upload in the SDK's own three steps, and its result.
'use strict';

const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { only, refused } = require('./common.cjs');

/** Some megabytes that are no text, and the same every time. */
const CONTENT = Buffer.alloc(4 * 1024 * 1024, Buffer.from(Array.from({ length: 256 }, (_, at) => at)));

/** Uploads a file, reads about it and deletes it; gives its digest. */
async function see(client) {
  const { files } = client;
  await refused('file_not_found', files.info({ file: 'F000' }));
  const fields = { file: CONTENT, filename: 'handbook.bin', title: 'The handbook' };
  const done = await client.filesUploadV2(fields);
  const [{ id, title }] = done.files[0].files;
  assert.equal(title, 'The handbook');
  await refused('file_not_found', files.completeUploadExternal({ files: [{ id }] }));
  const { file } = await files.info({ file: id });
  assert.deepEqual([file.name, file.size], ['handbook.bin', CONTENT.length]);
  assert.deepEqual(only((await files.list({ user: file.user })).files, { id }), file);
  await files.delete({ file: id });
  await refused('file_deleted', files.info({ file: id }));
  return createHash('sha256').update(CONTENT).digest('hex');
}

module.exports = { see };
