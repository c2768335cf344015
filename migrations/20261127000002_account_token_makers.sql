-- Which API key made an account token: it ends with that key. Those from before have none.
ALTER TABLE account_tokens ADD COLUMN made_by text;
