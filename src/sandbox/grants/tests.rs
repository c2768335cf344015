//! The rules of codes, rotation and revocation.

use super::*;

const NOW: i64 = 1_000_000;
const GRACE: i64 = 60;

fn grant() -> Grant {
    Grant {
        client_id: "1.2".to_owned(),
        user_id: "U1".to_owned(),
        bot_user_id: None,
        install: Install::Org,
        user_scopes: vec!["admin.users:read".to_owned()],
        bot_scopes: Vec::new(),
        rotation: true,
        public: false,
        live: true,
    }
}

fn installed() -> (Grants, TokenPair) {
    let mut grants = Grants::new(1);
    let (_, mut pairs) = grants.install(grant(), NOW);
    (grants, pairs.remove(0))
}

fn refresh_of(pair: &TokenPair) -> &str {
    pair.refresh_token.as_deref().unwrap()
}

#[test]
fn an_access_token_lives_exactly_twelve_hours() {
    let (grants, pair) = installed();
    assert!(pair.access_token.starts_with("xoxe.xoxp-1-"));
    assert!(refresh_of(&pair).starts_with("xoxe-1-"));
    let identity = grants.identify(&pair.access_token, NOW + ACCESS_LIFE - 1).unwrap();
    assert_eq!(identity.user_id, "U1");
    let late = grants.identify(&pair.access_token, NOW + ACCESS_LIFE);
    assert_eq!(late.unwrap_err(), TokenError::Expired);
    assert_eq!(grants.identify("xoxe.xoxp-1-guess", NOW).unwrap_err(), TokenError::Unknown);
}

#[test]
fn a_refresh_token_serves_once_and_again_within_the_grace() {
    let (mut grants, first) = installed();
    let (_, second) = grants.refresh("1.2", refresh_of(&first), GRACE, NOW + 10).unwrap();
    assert!(grants.identify(&first.access_token, NOW + 11).is_ok());
    let (_, again) = grants.refresh("1.2", refresh_of(&first), GRACE, NOW + 69).unwrap();
    assert_ne!(again, second);
    let late = grants.refresh("1.2", refresh_of(&first), GRACE, NOW + 70);
    assert_eq!(late.unwrap_err(), OAuthError::InvalidRefreshToken);
    let foreign = grants.refresh("9.9", refresh_of(&second), GRACE, NOW + 70);
    assert_eq!(foreign.unwrap_err(), OAuthError::InvalidRefreshToken);
    assert_eq!(grants.refreshes, 2);
}

#[test]
fn a_third_live_access_token_revokes_the_oldest() {
    let (mut grants, first) = installed();
    let (_, second) = grants.refresh("1.2", refresh_of(&first), GRACE, NOW + 1).unwrap();
    let (_, third) = grants.refresh("1.2", refresh_of(&second), GRACE, NOW + 2).unwrap();
    let state = |pair: &TokenPair| grants.identify(&pair.access_token, NOW + 3).err();
    assert_eq!(state(&first), Some(TokenError::Revoked));
    assert_eq!((state(&second), state(&third)), (None, None));
}

#[test]
fn revoking_one_token_leaves_the_installation() {
    let (mut grants, pair) = installed();
    grants.revoke(&pair.access_token);
    assert_eq!(grants.identify(&pair.access_token, NOW).unwrap_err(), TokenError::Revoked);
    assert!(grants.refresh("1.2", refresh_of(&pair), GRACE, NOW).is_ok());
    grants.uninstall("1.2");
    let gone = grants.refresh("1.2", refresh_of(&pair), GRACE, NOW);
    assert_eq!(gone.unwrap_err(), OAuthError::InvalidRefreshToken);
}

fn coded(challenge: Option<&str>) -> (Grants, String) {
    let mut grants = Grants::new(1);
    let redirect_uri = "http://localhost/cb".to_owned();
    let challenge = challenge.map(str::to_owned);
    let code = grants.issue_code(CodeRequest { grant: grant(), redirect_uri, challenge }, NOW);
    (grants, code)
}

fn redemption(code: &str) -> Redemption<'_> {
    let redirect_uri = Some("http://localhost/cb");
    Redemption { client_id: "1.2", public: false, code, redirect_uri, verifier: None }
}

#[test]
fn a_code_serves_once_for_its_app_and_address() {
    let (mut grants, code) = coded(None);
    let good = redemption(&code);
    let foreign = Redemption { client_id: "9.9", ..good };
    assert_eq!(grants.redeem(foreign, NOW).unwrap_err(), OAuthError::InvalidCode);
    let elsewhere = Redemption { redirect_uri: Some("http://localhost/x"), ..good };
    assert_eq!(grants.redeem(elsewhere, NOW).unwrap_err(), OAuthError::BadRedirectUri);
    assert_eq!(grants.redeem(good, NOW + 601).unwrap_err(), OAuthError::InvalidCode);
    assert!(grants.redeem(good, NOW + 600).is_ok());
    assert_eq!(grants.redeem(good, NOW + 600).unwrap_err(), OAuthError::CodeAlreadyUsed);
}

#[test]
fn a_challenge_wants_its_verifier() {
    // The pair of RFC 7636, appendix B.
    let (mut grants, code) = coded(Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
    let good = redemption(&code);
    assert_eq!(grants.redeem(good, NOW).unwrap_err(), OAuthError::InvalidCodeVerifier);
    let wrong = Redemption { verifier: Some("guess"), ..good };
    assert_eq!(grants.redeem(wrong, NOW).unwrap_err(), OAuthError::InvalidCodeVerifier);
    let verifier = Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
    assert!(grants.redeem(Redemption { verifier, ..good }, NOW).is_ok());
}

#[test]
fn the_file_keeps_everything_but_the_tokens_themselves() {
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
    assert!(loaded.identify(&pair.access_token, NOW).is_ok());
    let (_, next) = loaded.refresh("1.2", refresh_of(&pair), GRACE, NOW).unwrap();
    assert_ne!(next.access_token, pair.access_token);
}
