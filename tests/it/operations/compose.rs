//! `compose.yaml` and its proxy.

use anyhow::Context as _;
use serde_json::Value;

use super::{at, entries, is_command, port, settings, shutdown_timeout_s, text, yaml};

fn compose() -> anyhow::Result<Value> {
    yaml("compose.yaml")
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn the_gateways_settings_exist_and_are_complete() -> anyhow::Result<()> {
    let compose = compose()?;
    let gateway = at(&compose, "/services/gateway")?;
    assert_eq!(at(gateway, "/deploy/replicas")?, &Value::from(2));
    let config = settings(&entries(at(gateway, "/environment")?)?, true)?;
    let sandbox = words(at(&compose, "/services/sandbox/command")?);
    let base_url = sandbox.last().context("no command")?;
    assert_eq!(config.slack_enterprise.web_url, *base_url);
    let aliases = at(&compose, "/services/sandbox/networks/default/aliases")?;
    assert!(words(aliases).iter().all(|alias| base_url.contains(alias)), "{aliases}");
    settings(&entries(at(&compose, "/services/migrate/environment")?)?, false)?;

    let grace = at(gateway, "/stop_grace_period")?.as_str().unwrap_or_default();
    let grace: u64 = grace.trim_end_matches('s').parse()?;
    assert!(grace >= shutdown_timeout_s(&config), "{grace} s");
    Ok(())
}

#[test]
fn every_named_secret_is_mounted_and_created() -> anyhow::Result<()> {
    let compose = compose()?;
    let script = text("scripts/compose_secrets.sh")?;
    for service in ["gateway", "migrate", "postgres"] {
        let service = at(&compose, &format!("/services/{service}"))?;
        let mounted = words(at(service, "/secrets")?);
        let files = entries(at(service, "/environment")?)?;
        let named: Vec<_> =
            files.iter().filter_map(|(_, value)| value.strip_prefix("/run/secrets/")).collect();
        assert_eq!(named.len(), mounted.len(), "{named:?} {mounted:?}");
        for name in named {
            assert!(mounted.contains(&name), "{name} is not mounted");
            let file = at(&compose, &format!("/secrets/{name}/file"))?.as_str();
            let file = file.and_then(|file| file.strip_prefix("./")).context("no file")?;
            assert!(script.contains(file), "{file} is not created by the script");
        }
    }
    Ok(())
}

#[test]
fn the_gateways_trust_their_network_and_use_the_role_without_rights_on_tables() -> anyhow::Result<()>
{
    let compose = compose()?;
    let variables = entries(at(&compose, "/services/gateway/environment")?)?;
    let config = settings(&variables, true)?;
    let subnet = at(&compose, "/networks/default/ipam/config/0/subnet")?;
    assert_eq!(subnet, &Value::from(config.server.trusted_proxies.clone()));
    assert!(!config.server.metrics_listen.is_empty());
    let metrics = port(&config.server.metrics_listen)?.to_string();
    assert!(compose.pointer("/services/gateway/ports").is_none(), "{metrics} is published");

    let script = text("scripts/compose_secrets.sh")?;
    let roles = text("scripts/database_roles.sql")?;
    for (service, role) in [("gateway", "switchboard_runtime"), ("migrate", "switchboard_owner")] {
        let variables = entries(at(&compose, &format!("/services/{service}/environment"))?)?;
        let file = variables.iter().find(|(name, _)| name.ends_with("DATABASE__URL_FILE"));
        let (_, file) = file.context("no database")?;
        let file = file.rsplit('/').next().unwrap_or_default();
        let line = script.lines().position(|line| line.ends_with(&format!("keep {file}")));
        let line = line.with_context(|| format!("{file} is not created"))?;
        let url = script.lines().nth(line - 1).unwrap_or_default();
        assert!(url.contains(&format!("postgres://{role}:")), "{url}");
        assert!(roles.contains(role), "{role} is not created");
    }
    Ok(())
}

#[test]
fn the_proxy_logs_no_secret_of_a_path() -> anyhow::Result<()> {
    let nginx = text("docs/operations/compose/nginx.conf")?;
    let format = nginx.lines().find(|line| line.contains("log_format")).context("no format")?;
    for variable in ["$uri", "$request ", "$request_uri", "$args", "$http_referer"] {
        assert!(!format.contains(variable), "{format}");
    }
    for secret in ["~^/link/ /link/-;", "~^/mcp/ /mcp/-;", "error_log /dev/stderr crit;"] {
        assert!(nginx.contains(secret), "{secret}");
    }
    Ok(())
}

#[test]
fn our_services_have_least_privilege() -> anyhow::Result<()> {
    let compose = compose()?;
    for service in ["gateway", "migrate", "sandbox"] {
        let service = at(&compose, &format!("/services/{service}"))?;
        assert_eq!(at(service, "/read_only")?, &Value::Bool(true));
        assert_eq!(words(at(service, "/cap_drop")?), ["ALL"]);
    }
    Ok(())
}

#[test]
fn services_wait_for_existing_services_and_commands_exist() -> anyhow::Result<()> {
    let compose = compose()?;
    let services = at(&compose, "/services")?.as_object().context("no services")?;
    for (name, service) in services {
        let awaited = service.pointer("/depends_on").and_then(Value::as_object);
        for (other, how) in awaited.into_iter().flatten() {
            let other = services.get(other).with_context(|| format!("{name} awaits {other}"))?;
            let wants_health = how.get("condition") == Some(&Value::from("service_healthy"));
            let is_ours = other.get("build").is_some();
            assert!(!wants_health || is_ours || other.get("healthcheck").is_some(), "{name}");
        }
        if service.get("build").is_some()
            && let Some(command) = service.get("command")
        {
            is_command(&words(command))?;
        }
    }
    Ok(())
}

#[test]
fn the_proxy_forwards_to_the_gateways_with_longer_timeouts() -> anyhow::Result<()> {
    let compose = compose()?;
    let config = settings(&entries(at(&compose, "/services/gateway/environment")?)?, true)?;
    let mount = at(&compose, "/services/proxy/volumes/0")?.as_str().unwrap_or_default();
    let file = mount.split(':').next().and_then(|file| file.strip_prefix("./")).unwrap_or_default();
    let nginx = text(file)?;
    assert!(
        nginx.contains(&format!("server gateway:{} ", port(&config.server.listen)?)),
        "{nginx}"
    );
    let outside = at(&compose, "/services/proxy/ports/0")?.as_str().unwrap_or_default();
    let (outer, inner) = outside.split_once(':').context("no port")?;
    assert!(nginx.contains(&format!("listen {inner};")), "{nginx}");
    assert!(config.server.public_url.ends_with(&format!(":{outer}")));
    let (_, timeout) = nginx.split_once("proxy_read_timeout ").context("no timeout")?;
    let timeout: f64 = timeout.split('s').next().unwrap_or_default().parse()?;
    let one_call = config.upstream.response_timeout_s + config.upstream.whole_response_timeout_s;
    let needed = config.limits.max_wait_s + one_call;
    assert!(timeout > needed, "{timeout} s against {needed} s");
    assert_eq!(nginx.matches('{').count(), nginx.matches('}').count());
    Ok(())
}
