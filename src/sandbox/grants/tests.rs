//! Tests of authorization codes, token rotation and revocation.

use super::*;

const NOW: i64 = 1_000_000;
const GRACE: i64 = 60;

fn grant() -> Installation {
    Installation {
        client_id: "1.2".to_owned(),
        user_id: "U1".to_owned(),
        bot_user_id: None,
        install: InstallTarget::Org,
        user_scopes: vec!["admin.users:read".to_owned()],
        bot_scopes: Vec::new(),
        rotation: true,
        public: false,
        live: true,
    }
}

fn installed() -> (GrantStore, TokenPair) {
    let mut grants = GrantStore::new(1);
    let (_, mut pairs) = grants.install(grant(), NOW);
    (grants, pairs.remove(0))
}

fn refresh_of(pair: &TokenPair) -> &str {
    pair.refresh_token.as_deref().unwrap()
}

#[test]
fn access_token_expires_after_twelve_hours() {
    let (grants, pair) = installed();
    assert!(pair.access_token.starts_with("xoxe.xoxp-1-"));
    assert!(refresh_of(&pair).starts_with("xoxe-1-"));
    let identity =
        grants.authenticate(&pair.access_token, NOW + ACCESS_TOKEN_LIFETIME_S - 1).unwrap();
    assert_eq!(identity.user_id, "U1");
    let late = grants.authenticate(&pair.access_token, NOW + ACCESS_TOKEN_LIFETIME_S);
    assert_eq!(late.unwrap_err(), TokenRejection::Expired);
    assert_eq!(grants.authenticate("xoxe.xoxp-1-guess", NOW).unwrap_err(), TokenRejection::Unknown);
}

#[test]
fn refresh_token_works_once_and_again_within_grace() {
    let (mut grants, first) = installed();
    let (_, second) = grants.refresh("1.2", refresh_of(&first), GRACE, NOW + 10).unwrap();
    assert!(grants.authenticate(&first.access_token, NOW + 11).is_ok());
    let (_, again) = grants.refresh("1.2", refresh_of(&first), GRACE, NOW + 69).unwrap();
    assert_ne!(again, second);
    let late = grants.refresh("1.2", refresh_of(&first), GRACE, NOW + 70);
    assert_eq!(late.unwrap_err(), OAuthErrorCode::InvalidRefreshToken);
    let foreign = grants.refresh("9.9", refresh_of(&second), GRACE, NOW + 70);
    assert_eq!(foreign.unwrap_err(), OAuthErrorCode::InvalidRefreshToken);
    assert_eq!(grants.refreshes, 2);
}

#[test]
fn third_access_token_revokes_the_oldest() {
    let (mut grants, first) = installed();
    let (_, second) = grants.refresh("1.2", refresh_of(&first), GRACE, NOW + 1).unwrap();
    let (_, third) = grants.refresh("1.2", refresh_of(&second), GRACE, NOW + 2).unwrap();
    let state = |pair: &TokenPair| grants.authenticate(&pair.access_token, NOW + 3).err();
    assert_eq!(state(&first), Some(TokenRejection::Revoked));
    assert_eq!((state(&second), state(&third)), (None, None));
}

#[test]
fn revoking_a_token_keeps_the_installation() {
    let (mut grants, pair) = installed();
    grants.revoke(&pair.access_token);
    assert_eq!(grants.authenticate(&pair.access_token, NOW).unwrap_err(), TokenRejection::Revoked);
    assert!(grants.refresh("1.2", refresh_of(&pair), GRACE, NOW).is_ok());
    grants.uninstall("1.2");
    let gone = grants.refresh("1.2", refresh_of(&pair), GRACE, NOW);
    assert_eq!(gone.unwrap_err(), OAuthErrorCode::InvalidRefreshToken);
}

fn coded(challenge: Option<&str>) -> (GrantStore, String) {
    let mut grants = GrantStore::new(1);
    let redirect_uri = "http://localhost/cb".to_owned();
    let challenge = challenge.map(str::to_owned);
    let code = grants.issue_code(CodeRequest { grant: grant(), redirect_uri, challenge }, NOW);
    (grants, code)
}

fn redemption(code: &str) -> Redemption<'_> {
    let redirect_uri = Some("http://localhost/cb");
    Redemption { client_id: "1.2", without_secret: false, code, redirect_uri, verifier: None }
}

#[test]
fn code_works_once_for_its_app_and_redirect_uri() {
    let (mut grants, code) = coded(None);
    let good = redemption(&code);
    let foreign = Redemption { client_id: "9.9", ..good };
    assert_eq!(grants.redeem(foreign, NOW).unwrap_err(), OAuthErrorCode::InvalidCode);
    let elsewhere = Redemption { redirect_uri: Some("http://localhost/x"), ..good };
    assert_eq!(grants.redeem(elsewhere, NOW).unwrap_err(), OAuthErrorCode::BadRedirectUri);
    assert_eq!(grants.redeem(good, NOW + 601).unwrap_err(), OAuthErrorCode::InvalidCode);
    assert!(grants.redeem(good, NOW + 600).is_ok());
    assert_eq!(grants.redeem(good, NOW + 600).unwrap_err(), OAuthErrorCode::CodeAlreadyUsed);
}

#[test]
fn rejects_code_without_matching_verifier() {
    // The pair of RFC 7636, appendix B.
    let (mut grants, code) = coded(Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
    let good = redemption(&code);
    assert_eq!(grants.redeem(good, NOW).unwrap_err(), OAuthErrorCode::InvalidCodeVerifier);
    let wrong = Redemption { verifier: Some("guess"), ..good };
    assert_eq!(grants.redeem(wrong, NOW).unwrap_err(), OAuthErrorCode::InvalidCodeVerifier);
    let verifier = Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert!(grants.redeem(Redemption { verifier, ..good }, NOW).is_ok());
}

#[test]
fn file_stores_grants_but_no_plain_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grants.json");
    assert!(load(&path).unwrap().is_none());
    let (mut grants, pair) = installed();
    grants.clock_offset_ms = 5_000;
    save(&path, &grants).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&pair.access_token) && !text.contains(refresh_of(&pair)));
    let mut loaded = load(&path).unwrap().unwrap();
    assert_eq!(loaded.clock_offset_ms, 5_000);
    assert!(loaded.authenticate(&pair.access_token, NOW).is_ok());
    let (_, next) = loaded.refresh("1.2", refresh_of(&pair), GRACE, NOW).unwrap();
    assert_ne!(next.access_token, pair.access_token);
}
