"""The audit log, by the SDK's own client: every change is logged."""

from slack_sdk.audit_logs import AuditLogsClient


def see(base_url, token, me, user):
    client = AuditLogsClient(base_url=f"{base_url}/audit/v1/", token=token)
    actions = client.actions()
    assert actions.status_code == 200 and "user_created" in actions.body["actions"]["user"]
    schemas = client.schemas()
    assert {"user", "workspace"} <= {one["type"] for one in schemas.body["schemas"]}

    made = entries(client, action="user_created", entity=user)
    assert len(made) == 1 and made[0].actor.user.id == me["user_id"], made
    assert made[0].entity.type == "user" and made[0].entity.user.id == user, made
    everything = entries(client, entity=user)
    actions = {entry.action for entry in everything}
    assert {"user_created", "user_deactivated", "user_reactivated"} <= actions, actions
    assert "user_joined_workspace" in actions, actions
    when = [entry.date_create for entry in everything]
    assert when == sorted(when, reverse=True), "newest first"
    for action in ("workspace_created", "role_assigned", "role_removed"):
        assert entries(client, action=action, actor=me["user_id"]), action
    refused = AuditLogsClient(base_url=f"{base_url}/audit/v1/", token="xoxp-1").logs()
    assert refused.status_code != 200 or refused.body["ok"] is False, refused.body


def entries(client, **wanted):
    """Returns the entries of all pages."""
    found, cursor = [], None
    for _ in range(100):
        page = client.logs(limit=3, cursor=cursor, **wanted)
        assert page.status_code == 200, page.body
        found += page.typed_body.entries
        cursor = page.body.get("response_metadata", {}).get("next_cursor")
        if not cursor:
            return found
    raise AssertionError("the log has no end")
