//! `docs/operations/kubernetes`.

use anyhow::Context as _;
use serde_json::Value;
use switchboard::config::Config;

use super::{at, entries, is_command, number, port, settings, shutdown_timeout_s, yaml};

const FOLDER: &str = "docs/operations/kubernetes";

fn manifest(name: &str) -> anyhow::Result<Value> {
    yaml(&format!("{FOLDER}/{name}.yaml"))
}

fn config() -> anyhow::Result<Config> {
    settings(&entries(at(&manifest("config")?, "/data")?)?, true)
}

fn pod(name: &str) -> anyhow::Result<Value> {
    Ok(at(&manifest(name)?, "/spec/template/spec")?.clone())
}

fn container(name: &str) -> anyhow::Result<Value> {
    Ok(at(&pod(name)?, "/containers/0")?.clone())
}

#[test]
fn every_manifest_is_valid_and_applied() -> anyhow::Result<()> {
    let applied = manifest("kustomization")?;
    let applied = at(&applied, "/resources")?.as_array().context("no resources")?.clone();
    for entry in std::fs::read_dir(super::path(FOLDER))? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        let manifest = yaml(&format!("{FOLDER}/{name}"))?;
        for field in ["/apiVersion", "/kind"] {
            assert!(at(&manifest, field)?.is_string(), "{name}");
        }
        let stands_apart = ["kustomization.yaml", "secret.example.yaml"].contains(&&*name);
        assert_eq!(applied.contains(&Value::from(&*name)), !stands_apart, "{name}");
    }
    Ok(())
}

#[test]
fn the_settings_exist_and_the_secrets_are_mounted() -> anyhow::Result<()> {
    config()?;
    let secret = manifest("secret.example")?;
    let keys: Vec<_> =
        entries(at(&secret, "/stringData")?)?.into_iter().map(|(key, _)| key).collect();
    let mounted = container("deployment")?;
    let folder = at(&mounted, "/volumeMounts/0/mountPath")?.as_str().unwrap_or_default().to_owned();
    let settings = entries(at(&manifest("config")?, "/data")?)?;
    let files = settings.iter().filter(|(name, _)| name.ends_with("_FILE"));
    for (name, file) in files.clone() {
        let key = file.strip_prefix(&format!("{folder}/")).with_context(|| name.clone())?;
        assert!(keys.iter().any(|known| known == key), "{key} is not in the secret");
    }
    assert_eq!(files.count(), keys.len());
    Ok(())
}

#[test]
fn probes_call_routes_at_the_listening_port() -> anyhow::Result<()> {
    let (config, container) = (config()?, container("deployment")?);
    let document = serde_json::to_value(switchboard::http::document())?;
    let routes = at(&document, "/paths")?.as_object().context("no paths")?;
    for (probe, path) in
        [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")]
    {
        let called = at(&container, &format!("/{probe}/httpGet/path"))?;
        assert_eq!(called, path, "{probe}");
        assert!(routes.contains_key(path), "{path} is no route");
        assert_eq!(at(&container, &format!("/{probe}/httpGet/port"))?, "http", "{probe}");
    }
    let listened = port(&config.server.listen)?;
    assert_eq!(number(&container, "/ports/0/containerPort")?, listened);
    assert_eq!(at(&container, "/ports/0/name")?, "http");
    assert_eq!(at(&manifest("service")?, "/spec/ports/0/targetPort")?, "http");
    let notes = manifest("deployment")?;
    let notes = at(&notes, "/spec/template/metadata/annotations")?;
    let metrics = port(&config.server.metrics_listen)?;
    assert_eq!(notes["prometheus.io/port"], metrics.to_string());
    assert_eq!(number(&container, "/ports/1/containerPort")?, metrics);
    for name in ["deployment", "migrate"] {
        let arguments = self::container(name)?;
        let arguments = at(&arguments, "/args")?.as_array().context("no args")?.clone();
        is_command(&arguments.iter().filter_map(Value::as_str).collect::<Vec<_>>())?;
    }
    Ok(())
}

#[test]
fn grace_and_readiness_periods_cover_the_gateways_timeouts() -> anyhow::Result<()> {
    let (config, pod) = (config()?, pod("deployment")?);
    let container = at(&pod, "/containers/0")?;
    let grace = number(&pod, "/terminationGracePeriodSeconds")?;
    let before = number(container, "/lifecycle/preStop/sleep/seconds")?;
    assert!(grace >= before + shutdown_timeout_s(&config), "{grace} s");
    let every = number(container, "/readinessProbe/periodSeconds")?;
    let readiness_period = every * number(container, "/readinessProbe/failureThreshold")?;
    assert!(config.cache.serve_stale_for().as_secs() <= readiness_period, "{readiness_period} s");
    Ok(())
}

#[test]
fn pods_have_no_rights_and_nothing_to_write_to() -> anyhow::Result<()> {
    for name in ["deployment", "migrate"] {
        let pod = pod(name)?;
        assert_eq!(at(&pod, "/securityContext/runAsNonRoot")?, true);
        assert!(number(&pod, "/securityContext/runAsUser")? > 0);
        assert_eq!(at(&pod, "/automountServiceAccountToken")?, false);
        // They would be set as SWITCHBOARD_… variables.
        assert_eq!(at(&pod, "/enableServiceLinks")?, false);
        let context = at(&pod, "/containers/0/securityContext")?;
        assert_eq!(at(context, "/readOnlyRootFilesystem")?, true);
        assert_eq!(at(context, "/allowPrivilegeEscalation")?, false);
        assert_eq!(at(context, "/capabilities/drop/0")?, "ALL");
    }
    Ok(())
}

#[test]
fn the_network_policy_covers_both_ports() -> anyhow::Result<()> {
    let (policy, container) = (manifest("networkpolicy")?, container("deployment")?);
    let selected = at(&policy, "/spec/podSelector/matchLabels")?;
    assert_eq!(at(&manifest("deployment")?, "/spec/template/metadata/labels")?, selected);
    for index in 0..2 {
        let named = at(&container, &format!("/ports/{index}/name"))?;
        assert_eq!(at(&policy, &format!("/spec/ingress/{index}/ports/0/port"))?, named);
        at(&policy, &format!("/spec/ingress/{index}/from/0/namespaceSelector"))?;
    }
    assert!(policy.to_string().contains("169.254.0.0/16"));
    Ok(())
}

#[test]
fn the_service_and_the_disruption_budget_select_the_gateways_only() -> anyhow::Result<()> {
    let deployment = manifest("deployment")?;
    let label = |value: &Value, pointer: &str| Ok::<_, anyhow::Error>(at(value, pointer)?.clone());
    let ours = label(&deployment, "/spec/template/metadata/labels")?;
    assert_eq!(label(&deployment, "/spec/selector/matchLabels")?, ours);
    assert_eq!(label(&manifest("service")?, "/spec/selector")?, ours);
    let budget = manifest("disruption")?;
    assert_eq!(label(&budget, "/spec/selector/matchLabels")?, ours);
    assert_ne!(label(&manifest("migrate")?, "/spec/template/metadata/labels")?, ours);
    assert!(number(&deployment, "/spec/replicas")? > number(&budget, "/spec/minAvailable")?);
    Ok(())
}
