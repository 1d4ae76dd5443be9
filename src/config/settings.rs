//! Settings in three layers: the user's file, then the project's, then environment and flags. Agents can write a project's
//! files, so those say neither where the store lies nor who calls; a workflow they name must be one a person has trusted.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::issuers::{self, IssuerTable};
use super::keyring::Keyring;
use super::postgres::PostgresEnvironment;
use super::routing::{self, RoutingTable};
use super::screening::{self, ScreenRules, ScreeningFile, ScreeningService};
use crate::domain::issuer::Issuer;
use crate::domain::preference::Preferences;
pub use crate::notify::settings::ChannelSettings as Channel;
use crate::screen::rules::RuleText;

use super::channels::{self, ChannelTable, LinksTable, Sources};

/// Set by coding agents for the programs they start.
const AGENT_MARKS: [&str; 4] = ["CLAUDECODE", "CODEX_SANDBOX", "GEMINI_CLI", "OPENCODE"];

pub const PROJECT_FILE: &str = "phasegate.toml";

/// `config.toml` of the user, or `phasegate.toml` of a project.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsFile {
    /// Where the state lies: `sqlite:PATH` or `postgres://…`. Only in the user's file.
    pub store: Option<String>,
    /// The name agents work under that bring none. Only in the user's file.
    pub agent: Option<String>,
    /// What agents started by this user can do, for tasks that ask for it. Only in the user's file.
    pub capabilities: Option<BTreeSet<String>>,
    /// How many tasks an agent may hold at once; a project may lower it.
    #[schemars(range(min = 1, max = 100))]
    pub claims_per_agent: Option<u32>,
    /// Which workflow a task of a type takes.
    #[serde(default)]
    pub workflow_for: BTreeMap<String, String>,
    /// Rules of your own for what is found in texts; a project's find and refuse, and do not redact.
    pub screen: Option<ScreenRules>,
    /// A service that reads every text that comes in. Only in the user's file.
    pub screening: Option<ScreeningFile>,
    /// Ways to reach people when an approval waits. Only in the user's file.
    #[serde(default)]
    pub channel: Vec<ChannelTable>,
    /// Only in the user's file.
    pub links: Option<LinksTable>,
    /// Whose access tokens count over HTTP. Only in the user's file.
    #[serde(default)]
    pub issuer: Vec<IssuerTable>,
    /// How models are chosen. Only in the user's file.
    pub routing: Option<RoutingTable>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    pub store: Option<String>,
    /// What the environment says besides of a store in PostgreSQL.
    pub postgres: PostgresEnvironment,
    pub agent: Option<String>,
    pub claims_per_agent: u32,
    pub capabilities: BTreeSet<String>,
    pub workflow_for: BTreeMap<String, String>,
    /// None where the user has no home.
    pub keyring: Option<Keyring>,
    pub screen_rules: Vec<RuleText>,
    pub screening: Option<ScreeningService>,
    pub channels: Vec<Channel>,
    /// The address of the page on which people answer.
    pub links_base: Option<String>,
    pub issuers: Vec<Issuer>,
    pub routing: Preferences,
}

impl Settings {
    /// The same store and rules, whoever calls.
    pub fn same_but_for_the_caller(&self, other: &Self) -> bool {
        let bare = |settings: &Self| Self {
            agent: None,
            claims_per_agent: 0,
            capabilities: BTreeSet::new(),
            ..settings.clone()
        };
        bare(self) == bare(other)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{file}: {message}")]
pub struct SettingsError {
    pub file: PathBuf,
    pub message: String,
}

/// Names that programs call us under: what they ask of the environment.
pub struct Environment {
    pub store: Option<String>,
    pub agent: Option<String>,
    pub config_home: Option<PathBuf>,
    pub user: Option<String>,
    pub capabilities: Option<String>,
    /// A coding agent's mark: what is typed here may be typed by the agent.
    pub inside_agent: bool,
    pub home: Option<PathBuf>,
    /// As `NO_COLOR` says it for all programs.
    pub no_colour: bool,
    pub postgres: PostgresEnvironment,
    pub client: ClientEnvironment,
}

/// What a client tells the hooks it starts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientEnvironment {
    /// The project, wherever the agent's shell has gone.
    pub project: Option<PathBuf>,
    /// Where Claude Code keeps the user's settings.
    pub claude_config: Option<PathBuf>,
    /// The plugin that the hook is of.
    pub plugin: Option<PathBuf>,
    /// How it was started: a terminal, or without a person.
    pub entrypoint: Option<String>,
    /// The client by name and version, in its own spelling.
    pub program: Option<String>,
}

impl Environment {
    #[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
    pub fn read() -> Self {
        Self::of(&|name| std::env::var_os(name))
    }

    /// Of this process, or of one that asks this one.
    pub fn of(variable: &dyn Fn(&str) -> Option<OsString>) -> Self {
        let plain = |name: &str| variable(name).and_then(|value| value.into_string().ok());
        let text = |name: &str| plain(name).filter(|value| !value.is_empty());
        let home = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self {
            store: text("PHASEGATE_STORE"),
            agent: text("PHASEGATE_AGENT"),
            capabilities: text("PHASEGATE_CAPABILITIES"),
            inside_agent: AGENT_MARKS.iter().any(|name| text(name).is_some()),
            user: text("USER").or_else(|| text("LOGNAME")),
            config_home: home("XDG_CONFIG_HOME").or_else(|| home("HOME").map(|home| home.join(".config"))),
            home: home("HOME"),
            no_colour: text("NO_COLOR").is_some(),
            postgres: PostgresEnvironment::of(
                &plain,
                home("HOME").as_deref(),
                text("USER").or_else(|| text("LOGNAME")).as_deref(),
            ),
            client: ClientEnvironment {
                project: home("CLAUDE_PROJECT_DIR"),
                claude_config: home("CLAUDE_CONFIG_DIR"),
                plugin: home("CLAUDE_PLUGIN_ROOT"),
                entrypoint: text("CLAUDE_CODE_ENTRYPOINT"),
                program: text("AI_AGENT"),
            },
        }
    }
}

/// Beginnings of the names of everything that is asked of the environment, but for secrets that settings name.
const ASKED: [&str; 15] = [
    "AI_AGENT",
    "CLAUDE",
    "CODEX_",
    "GEMINI_",
    "HOME",
    "LD_",
    "LOGNAME",
    "NO_COLOR",
    "OPENCODE",
    "PATH",
    "PG",
    "PHASEGATE_",
    "SSL_CERT_",
    "USER",
    "XDG_CONFIG_HOME",
];

/// What another process needs to know of this one's environment to answer in its place; nothing where some of it is no text.
pub fn asked_variables() -> Option<BTreeMap<String, String>> {
    let is_asked = |name: &str| ASKED.iter().any(|start| name.starts_with(start));
    let asked = environment_variables().filter(|(name, _)| name.to_str().is_some_and(is_asked));
    asked.map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}

/// Everything that gate runs may inherit is chosen from this.
#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
pub fn environment_variables() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os()
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub fn load(root: &Path, environment: &Environment) -> Result<Settings, SettingsError> {
    let folder = environment.config_home.as_ref().map(|home| home.join("phasegate")).unwrap_or_default();
    let user_path = folder.join("config.toml");
    let user = match &environment.config_home {
        Some(_) => read(&user_path)?,
        None => SettingsFile::default(),
    };
    let wrong = |message: String| SettingsError { file: user_path.clone(), message };
    let sources = Sources { variable: &variable, folder: &folder };
    let channels = channels::checked(&user.channel, &sources).map_err(wrong)?;
    let issuers = issuers::checked(&user.issuer, &folder).map_err(wrong)?;
    let routing = user.routing.as_ref().map(routing::checked).transpose().map_err(wrong)?.unwrap_or_default();
    let links_base = match &user.links {
        Some(links) => channels::checked_base(links).map_err(wrong)?,
        None => None,
    };
    let project_path = root.join(PROJECT_FILE);
    let project = read(&project_path)?;
    let users = [
        ("store", project.store.is_some()),
        ("agent", project.agent.is_some()),
        ("capabilities", project.capabilities.is_some()),
        ("screening", project.screening.is_some()),
        ("channel", !project.channel.is_empty()),
        ("links", project.links.is_some()),
        ("issuer", !project.issuer.is_empty()),
        ("routing", project.routing.is_some()),
    ];
    if let Some((key, _)) = users.into_iter().find(|(_, given)| *given) {
        let message =
            format!("`{key}` cannot be set by a project, whose files agents can write; set it in your own config.toml");
        return Err(SettingsError { file: project_path, message });
    }
    let wrong = |message| SettingsError { file: project_path.clone(), message };
    let screen_rules = screening::rules(user.screen, project.screen).map_err(wrong)?;
    let screening = user.screening.map(screening::service).transpose().map_err(|message| {
        let file = environment.config_home.clone().unwrap_or_default().join("phasegate").join("config.toml");
        SettingsError { file, message }
    })?;
    let named = environment
        .capabilities
        .as_deref()
        .map(|list| list.split(',').map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect());
    let claims = user.claims_per_agent.unwrap_or(1);
    let mut workflow_for = user.workflow_for;
    workflow_for.extend(project.workflow_for);
    Ok(Settings {
        store: environment.store.clone().or(user.store),
        postgres: environment.postgres.clone(),
        agent: environment.agent.clone().or(user.agent),
        capabilities: named.or(user.capabilities).unwrap_or_default(),
        claims_per_agent: project.claims_per_agent.map_or(claims, |restricted| restricted.min(claims)),
        workflow_for,
        keyring: environment.config_home.as_deref().map(Keyring::in_config),
        screen_rules,
        screening,
        channels,
        links_base,
        issuers,
        routing,
    })
}

fn read(file: &Path) -> Result<SettingsFile, SettingsError> {
    let error = |message: String| SettingsError { file: file.to_path_buf(), message };
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok(SettingsFile::default()),
        Err(unreadable) => return Err(error(unreadable.to_string())),
    };
    // The place, but not the line itself: it may hold a secret.
    let settings: SettingsFile = toml::from_str(&text).map_err(|wrong| {
        let start = wrong.span().map_or(0, |span| span.start);
        let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        error(format!("line {line}: {}", wrong.message().trim_end()))
    })?;
    if settings.claims_per_agent.is_some_and(|claims| claims == 0 || claims > 100) {
        return Err(error("`claims_per_agent` is 1 to 100".to_owned()));
    }
    if let Some(rules) = &settings.screen {
        // Each file's own mistakes are said with its name.
        screening::rules(Some(rules.clone()), None).map_err(error)?;
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(home: &Path) -> Environment {
        Environment {
            store: None,
            agent: None,
            user: None,
            capabilities: None,
            inside_agent: false,
            config_home: Some(home.to_path_buf()),
            home: None,
            no_colour: false,
            postgres: PostgresEnvironment::default(),
            client: ClientEnvironment::default(),
        }
    }

    #[test]
    fn layers_add_up_and_a_project_only_restricts() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("phasegate")).unwrap();
        std::fs::write(temp.path().join("phasegate/config.toml"), "claims_per_agent = 3\nagent = \"ana\"\n").unwrap();
        std::fs::write(temp.path().join(PROJECT_FILE), "claims_per_agent = 9\n[workflow_for]\nchore = \"quick\"\n")
            .unwrap();
        let settings = load(temp.path(), &environment(temp.path())).unwrap();
        assert_eq!((settings.claims_per_agent, settings.agent.as_deref()), (3, Some("ana")));
        assert_eq!(settings.workflow_for.get("chore").map(String::as_str), Some("quick"));
    }

    #[test]
    fn a_project_cannot_move_the_store_and_unknown_keys_are_named() {
        let temp = tempfile::tempdir().unwrap();
        let issuer = "[[issuer]]\nname = \"i\"\nissuer = \"x\"\naudience = \"y\"\nroles = {}";
        let channel = "[[channel]]\nkind = \"desktop\"\nname = \"d\"";
        for (text, names) in [
            ("store = \"sqlite:x\"", "store"),
            ("colour = 1", "colour"),
            ("claims_per_agent = 0", "claims_per_agent"),
            (channel, "`channel` cannot be set by a project"),
            ("[links]\nbase = \"https://x.example\"", "links"),
            ("[routing]\nassume_followed = true", "`routing` cannot be set by a project"),
            (issuer, "`issuer` cannot be set by a project"),
        ] {
            std::fs::write(temp.path().join(PROJECT_FILE), text).unwrap();
            let error = load(temp.path(), &environment(temp.path())).unwrap_err().to_string();
            assert!(error.contains(names) && error.contains(PROJECT_FILE), "{error}");
        }
    }

    #[test]
    fn a_mistake_beside_a_secret_does_not_show_it() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("phasegate")).unwrap();
        for slip in ["url = \"https://h.example/HUSH\"x", "ulr = \"https://h.example/HUSH\"", "url = [\"HUSH\"]"] {
            let text = format!("[[channel]]\nkind = \"slack\"\nname = \"s\"\n{slip}\n");
            std::fs::write(temp.path().join("phasegate/config.toml"), text).unwrap();
            let error = load(temp.path(), &environment(temp.path())).unwrap_err().to_string();
            assert!(error.contains("config.toml: line") && !error.contains("HUSH"), "{error}");
        }
    }
}
