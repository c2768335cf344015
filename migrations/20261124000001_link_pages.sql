-- How the link page of an environment looks, and the origins that may open it, frame it and be told.
ALTER TABLE environments ADD COLUMN link_page jsonb NOT NULL DEFAULT '{}';

-- Where the page of a link token was opened from, why its last try failed, and the account that came of it.
ALTER TABLE link_tokens
    ADD COLUMN opener_origin     text,
    ADD COLUMN display           text,
    ADD COLUMN failure           text,
    ADD COLUMN linked_account_id text;
