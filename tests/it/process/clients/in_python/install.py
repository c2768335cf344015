"""The app's installation: consent, code, tokens, rotation and revocation."""

import secrets
import time

from slack_sdk import WebClient
from slack_sdk.errors import SlackTokenRotationError
from slack_sdk.oauth import AuthorizeUrlGenerator
from slack_sdk.oauth.installation_store import Installation
from slack_sdk.oauth.token_rotation import TokenRotator

import browser
from common import refused, tell

REDIRECT = "http://127.0.0.1:9/slack/oauth_redirect"
USER_SCOPES = [
    "admin",
    "admin.conversations:read",
    "admin.roles:read",
    "admin.roles:write",
    "admin.teams:read",
    "admin.teams:write",
    "admin.usergroups:read",
    "admin.usergroups:write",
    "admin.users:read",
    "admin.users:write",
    "auditlogs:read",
    "channels:read",
    "files:read",
    "files:write",
    "groups:read",
    "team.billing:read",
    "team.preferences:read",
    "team:read",
    "usergroups:read",
    "usergroups:write",
    "users.profile:read",
    "users.profile:write",
    "users:read",
    "users:read.email",
]
BOT_SCOPES = ["team:read", "users:read"]
# Time until a token has expired, and until a used refresh token is rejected.
EXPIRY, GRACE = 43_201, 3_600
# Total time that the tour advances the provider's clock.
MOVED = EXPIRY + GRACE


class App:
    """The app of the tour."""

    def __init__(self, base_url, client_id, client_secret):
        self.base_url = base_url
        self.client_id, self.client_secret = client_id, client_secret
        self.api = f"{base_url}/api/"
        self.anybody = WebClient(base_url=self.api)
        self.rotator = TokenRotator(
            client_id=client_id, client_secret=client_secret, client=self.anybody
        )

    def client(self, token):
        return WebClient(base_url=self.api, token=token)

    def ask(self, user_scopes, scopes, decision="approve", **arguments):
        """Submits the consent page; returns the callback's parameters."""
        state = secrets.token_urlsafe()
        generator = AuthorizeUrlGenerator(
            client_id=self.client_id,
            redirect_uri=REDIRECT,
            scopes=scopes,
            user_scopes=user_scopes,
            authorization_url=f"{self.base_url}/oauth/v2/authorize",
        )
        address = generator.generate(state)
        back = browser.decide(address, decision, **arguments)
        assert back.pop("state") == state, back
        return back

    def redeem(self, code, **changes):
        arguments = {
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "redirect_uri": REDIRECT,
            "code": code,
            **changes,
        }
        return self.anybody.oauth_v2_access(**arguments)

    def install(self):
        """Installs on the organization."""
        code = self.ask(USER_SCOPES, BOT_SCOPES)["code"]
        refused("bad_client_secret", self.redeem, code=code, client_secret="wrong")
        response = self.redeem(code)
        refused("code_already_used", self.redeem, code=code)
        user, now = response["authed_user"], int(time.time())
        assert response["is_enterprise_install"] is True and response["team"] is None, response.data
        assert response["token_type"] == "bot" and user["token_type"] == "user", response.data
        assert set(user["scope"].split(",")) == set(USER_SCOPES), user
        assert response["expires_in"] == user["expires_in"] == 43_200
        return Installation(
            app_id=response["app_id"],
            enterprise_id=response["enterprise"]["id"],
            is_enterprise_install=True,
            bot_token=response["access_token"],
            bot_user_id=response["bot_user_id"],
            bot_scopes=response["scope"],
            bot_refresh_token=response["refresh_token"],
            bot_token_expires_at=now + response["expires_in"],
            user_id=user["id"],
            user_token=user["access_token"],
            user_scopes=user["scope"],
            user_refresh_token=user["refresh_token"],
            user_token_expires_at=now + user["expires_in"],
        )


def refuse_and_narrow(app):
    """A customer cancels; another one installs on one workspace only, without admin scopes."""
    assert app.ask(USER_SCOPES, BOT_SCOPES, "cancel") == {"error": "access_denied"}
    back = app.ask(["admin.users:read"], [], place="T")
    response = app.redeem(back["code"])
    assert response["is_enterprise_install"] is False and response["team"]["id"].startswith("T")
    client = app.client(response["authed_user"]["access_token"])
    assert client.auth_test()["team_id"] == response["team"]["id"]
    refused("feature_not_enabled", client.admin_users_list)
    refused("missing_scope", client.admin_teams_list)
    assert client.auth_revoke()["revoked"] is True


def exchange(base_url):
    """An app without rotation exchanges its long-lived token for a pair."""
    settings = {"client_id": "3003.4004", "client_secret": "an old secret", "name": "Old timer"}
    tell(base_url, "apps", **settings, token_rotation=False)
    app = App(base_url, settings["client_id"], settings["client_secret"])
    back = app.ask(["identity:read"], [])
    user = app.redeem(back["code"])["authed_user"]
    assert user["access_token"].startswith("xoxp-") and "refresh_token" not in user, user
    old = app.client(user["access_token"])
    assert old.users_identity()["user"]["id"] == user["id"]
    secrets = {"client_id": app.client_id, "client_secret": app.client_secret}
    fields = {"token": user["access_token"], **secrets}
    refused("token_rotation_not_enabled", app.anybody.oauth_v2_exchange, **fields)
    tell(base_url, "apps", **settings, token_rotation=True)
    pair = app.anybody.oauth_v2_exchange(**fields)
    assert pair["access_token"].startswith("xoxe.xoxp-") and pair["expires_in"] == 43_200
    assert app.client(pair["access_token"]).auth_test()["user_id"] == user["id"]
    old.auth_test()
    app.anybody.oauth_v2_access(
        **secrets, grant_type="refresh_token", refresh_token=pair["refresh_token"]
    )
    refused("token_expired", old.auth_test)


def rotate(app, installation):
    """Tokens expire and are rotated; a refresh token is valid once."""
    assert app.rotator.perform_token_rotation(installation=installation) is None, "much too early"
    tell(app.base_url, "advance-clock", seconds=EXPIRY)
    for token in (installation.user_token, installation.bot_token):
        refused("token_expired", app.client(token).auth_test)
    day = 24 * 60
    rotated = app.rotator.perform_token_rotation(
        installation=installation, minutes_before_expiration=day
    )
    for before, after in [
        (installation.user_token, rotated.user_token),
        (installation.user_refresh_token, rotated.user_refresh_token),
        (installation.bot_token, rotated.bot_token),
        (installation.bot_refresh_token, rotated.bot_refresh_token),
    ]:
        assert after.startswith("xoxe") and before != after
    assert app.client(rotated.user_token).auth_test()["user_id"] == installation.user_id
    assert app.client(rotated.bot_token).auth_test()["user_id"] == installation.bot_user_id
    tell(app.base_url, "advance-clock", seconds=GRACE)
    try:
        app.rotator.perform_user_token_rotation(
            installation=installation, minutes_before_expiration=day
        )
    except SlackTokenRotationError as error:
        assert error.api_error.response["error"] == "invalid_refresh_token"
    else:
        raise AssertionError("a refresh token was taken twice")
    return rotated


def end(app, installation):
    """Revokes one token, then uninstalls the app with the remaining ones."""
    bot = app.client(installation.bot_token)
    assert bot.auth_revoke(test=True)["revoked"] is False
    bot.auth_test()
    assert bot.auth_revoke()["revoked"] is True
    refused("token_revoked", bot.auth_test)
    admin = app.client(installation.user_token)
    who = {"client_id": app.client_id, "client_secret": app.client_secret}
    refused("bad_client_secret", admin.apps_uninstall, **{**who, "client_secret": "wrong"})
    admin.auth_test()
    admin.apps_uninstall(**who)
    refused("token_revoked", admin.auth_test)
