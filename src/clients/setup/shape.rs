//! The form of Claude Code's settings. A file in which one known key has another form is dropped by the client as a whole,
//! and no hook of it runs. Taken from the checks of 2.1.329; where those are wider than these, doubt is a no.

use serde_json::Value;

use Shape::{Any, Each, Fields, Flag, Hour, List, Number, One, Scalar, Text, Url, Whole};

#[derive(Clone, Copy)]
enum Shape {
    Flag,
    Text,
    /// Of http or https, as the client's own parser takes it.
    Url,
    /// Such as 22:00.
    Hour,
    One(&'static [&'static str]),
    /// At least this.
    Whole(u64),
    Number {
        above: f64,
        most: f64,
    },
    /// Text, number or flag.
    Scalar,
    List(&'static Shape),
    /// An object whose values are all of this form.
    Each(&'static Shape),
    /// An object with these keys, where they are there; an exclamation mark says that they must be.
    Fields(&'static [(&'static str, Shape)]),
    Any(&'static [Shape]),
}

const TEXTS: Shape = List(&Text);
const ANYTHING: Shape = Fields(&[]);
const SECONDS: Shape = Number { above: 0.0, most: f64::MAX };
/// What JavaScript counts exactly.
const WHOLE_MOST: u64 = (1 << 53) - 1;

/// Keys of the file itself, by the form of their value.
const FLAGS: &str = "\
    agentPushNotifEnabled allowAllClaudeAiMcps allowClaudeInChromeWithManagedMcp allowManagedHooksOnly \
    allowManagedMcpServersOnly allowManagedPermissionRulesOnly allowNestedModelAccessUnderForceLogin \
    alwaysThinkingEnabled autoCompactEnabled autoContinueAtUsageLimit autoDreamEnabled autoMemoryEnabled \
    autoScrollEnabled autoUploadSessions awaySummaryEnabled bashEditDiffEnabled channelsEnabled \
    clawdFileProgressEnabled disableAgentView disableAllHooks disableArtifact disableBundledSkills \
    disableClaudeAiConnectors disableCommandPluginSources disableRemoteControl disableReplyCheck \
    disableSideloadFlags disableSkillShellExecution disableWindowsBashCommandSplit disableWorkflows \
    doneMeansMerged emojiCompletionEnabled enableAllProjectMcpServers enableArtifact enableWorkflows \
    enforceAvailableModels fastMode fastModePerSessionOptIn fileCheckpointingEnabled forceRemoteSettingsRefresh \
    idleCompaction includeCoAuthoredBy includeGitInstructions inputNeededNotifEnabled isolatePeerMachines \
    precomputeCompactionEnabled prefersReducedMotion promptSuggestionEnabled remoteControlAtStartup \
    respectGitignore respondToBashCommands responseComparisonEnabled showClearContextOnPlanAccept \
    showMessageTimestamps showThinkingSummaries showTurnDuration skipAutoPermissionPrompt \
    skipDangerousModePermissionPrompt skipWebFetchPreflight skipWorkflowUsageWarning spinnerTipsEnabled \
    switchModelsOnFlag syncClaudeAiPlugins syncClaudeAiSkills syntaxHighlightingDisabled \
    terminalProgressBarEnabled terminalTitleFromRename todoFeatureEnabled totalTokensReminderAfterUserTurn verbose \
    voiceEnabled wheelScrollAccelerationEnabled workflowKeywordTriggerEnabled wslInheritsWindowsSettings";
const WORDS: &str = "\
    $schema advisorModel agent apiKeyHelper attributionProject autoMemoryDirectory awsAuthRefresh \
    awsCredentialExport claudeMd gcpAuthRefresh language minimumVersion model otelHeadersHelper outputStyle \
    plansDirectory pluginTrustMessage prUrlTemplate processWrapper proxyAuthHelper requiredMaximumVersion \
    requiredMinimumVersion timeFormat timeZone";
const LISTS: &str = "\
    allowedHttpHookUrls availableModels claudeMdExcludes companyAnnouncements deniedModels disabledMcpjsonServers \
    enabledMcpjsonServers fallbackModel httpHookAllowedEnvVars pluginSuggestionMarketplaces";
const OTHERS: &[(&str, Shape)] = &[
    ("allowedChannelPlugins", List(&Fields(&[("marketplace!", Text), ("plugin!", Text)]))),
    ("attribution", Any(&[Flag, Fields(&[("commit", Text), ("pr", Text), ("sessionUrl", Flag)])])),
    ("attributionProjectPolicy", Fields(&[("default", Text)])),
    (
        "autoMode",
        Fields(&[
            ("allow", TEXTS),
            ("soft_deny", TEXTS),
            ("hard_deny", TEXTS),
            ("deny", TEXTS),
            ("environment", TEXTS),
        ]),
    ),
    ("autoUpdatesChannel", One(&["latest", "stable", "rc"])),
    ("availableModelsMatch", One(&["prefix", "exact"])),
    ("blockedMarketplaces", List(&ANYTHING)),
    (
        "breakReminder",
        Fields(&[
            ("enabled", Flag),
            ("intervalMinutes", Whole(1)),
            ("breakThresholdMinutes", Whole(1)),
            ("message", Text),
        ]),
    ),
    ("cleanupPeriodDays", Whole(1)),
    ("daemonColdStart", One(&["transient", "ask"])),
    ("defaultShell", One(&["bash", "powershell"])),
    ("desktopSessionCleanupPeriodDays", Whole(0)),
    ("disableAutoMode", One(&["disable"])),
    ("enabledPlugins", Each(&Any(&[Flag, TEXTS]))),
    ("env", Each(&Scalar)),
    ("feedbackDrafts", One(&["notify", "quiet", "off"])),
    ("feedbackSurveyRate", Number { above: -f64::MIN_POSITIVE, most: 1.0 }),
    ("fileSuggestion", COMMAND),
    ("forceLoginOrgUUID", Any(&[Text, TEXTS])),
    ("managedSourcesBehavior", One(&["first-wins", "merge"])),
    ("modelOverrides", Each(&Text)),
    ("parentSettingsBehavior", One(&["first-wins", "merge"])),
    ("permissions", PERMISSIONS),
    ("pluginConfigs", Each(&ANYTHING)),
    ("quietHours", Fields(&[("enabled", Flag), ("start", Hour), ("end", Hour)])),
    ("remote", Fields(&[("defaultEnvironmentId", Text)])),
    ("remoteControl", ANYTHING),
    ("remoteTools", Fields(&[("allowUnattendedServing", Flag)])),
    ("sandbox", SANDBOX),
    ("skillListingBudgetFraction", Number { above: 0.0, most: 1.0 }),
    ("skillListingMaxDescChars", Whole(1)),
    ("skillOverrides", Each(&One(&["on", "name-only", "user-invocable-only", "off"]))),
    ("spinnerVerbs", Fields(&[("mode!", One(&["append", "replace"])), ("verbs!", TEXTS)])),
    (
        "sshConfigs",
        List(&Fields(&[
            ("id!", Text),
            ("name!", Text),
            ("sshHost!", Text),
            ("sshPort", Whole(0)),
            ("sshIdentityFile", Text),
            ("startDirectory", Text),
        ])),
    ),
    ("statusLine", COMMAND),
    ("strictKnownMarketplaces", List(&ANYTHING)),
    ("totalTokensReminder", One(&["off", "infinite", "fixed", "countdown", "padded-countdown"])),
    ("totalTokensReminderBudget", Whole(1)),
    ("tui", One(&["default", "fullscreen"])),
    ("voice", Fields(&[("enabled", Flag), ("mode", One(&["hold", "tap"])), ("autoSubmit", Flag)])),
    ("workflowSizeGuideline", One(&["unrestricted", "small", "medium", "large"])),
    (
        "worktree",
        Fields(&[("symlinkDirectories", TEXTS), ("sparsePaths", TEXTS), ("baseRef", One(&["fresh", "head"]))]),
    ),
];
const COMMAND: Shape = Fields(&[
    ("type!", One(&["command"])),
    ("command!", Text),
    ("padding", Number { above: f64::MIN, most: f64::MAX }),
    ("hideVimModeIndicator", Flag),
]);
const MODES: Shape = One(&["default", "acceptEdits", "bypassPermissions", "plan", "dontAsk", "auto", "manual"]);
const PERMISSIONS: Shape = Fields(&[
    ("allow", TEXTS),
    ("deny", TEXTS),
    ("ask", TEXTS),
    ("defaultMode", MODES),
    ("disableBypassPermissionsMode", One(&["disable"])),
    ("disableAutoMode", One(&["disable"])),
    ("denyInsteadOfPrompting", Flag),
    ("additionalDirectories", TEXTS),
    ("blockReadsOutsideWorkingDirectories", Flag),
    ("blockFileToolReadsOutsideWorkingDirectories", Flag),
    ("blockWritesOutsideWorkingDirectories", Flag),
]);
const SANDBOX: Shape = Fields(&[
    ("enabled", Flag),
    ("failIfUnavailable", Flag),
    ("autoAllowBashIfSandboxed", Flag),
    ("allowUnsandboxedCommands", Flag),
    (
        "network",
        Fields(&[
            ("allowedDomains", TEXTS),
            ("deniedDomains", TEXTS),
            ("strictAllowlist", Flag),
            ("allowManagedDomainsOnly", Flag),
            ("allowUnixSockets", TEXTS),
            ("allowAllUnixSockets", Flag),
            ("allowLocalBinding", Flag),
            ("allowMachLookup", TEXTS),
            ("httpProxyPort", Whole(0)),
            ("socksProxyPort", Whole(0)),
            ("tlsTerminate", Fields(&[("caCertPath", Text), ("caKeyPath", Text)])),
        ]),
    ),
    (
        "filesystem",
        Fields(&[
            ("allowWrite", TEXTS),
            ("denyWrite", TEXTS),
            ("denyRead", TEXTS),
            ("allowRead", TEXTS),
            ("allowManagedReadPathsOnly", Flag),
            ("disabled", Flag),
        ]),
    ),
    (
        "credentials",
        Fields(&[("files", List(&ANYTHING)), ("envVars", List(&ANYTHING)), ("allowPlaintextInject", Flag)]),
    ),
    ("windows", Fields(&[("backend", One(&["sandboxuser", "mxc"]))])),
    ("ignoreViolations", Each(&TEXTS)),
    ("enableWeakerNestedSandbox", Flag),
    ("allowNestedUserNamespaces", Flag),
    ("enableWeakerNetworkIsolation", Flag),
    ("allowAppleEvents", Flag),
    ("excludedCommands", TEXTS),
    ("ripgrep", Fields(&[("command!", Text), ("args", TEXTS)])),
]);
const HANDLERS: &[(&str, Shape)] = &[
    ("command", Fields(&[("command!", Text), ("args", TEXTS), ("async", Flag), ("asyncRewake", Flag)])),
    ("prompt", Fields(&[("prompt!", Text)])),
    ("agent", Fields(&[("prompt!", Text)])),
    ("http", Fields(&[("url!", Url), ("headers", Each(&Text)), ("allowedEnvVars", TEXTS)])),
    ("mcp_tool", Fields(&[("server!", Text), ("tool!", Text), ("input", ANYTHING)])),
];
const HANDLER: Shape = Fields(&[
    ("if", Text),
    ("timeout", SECONDS),
    ("once", Flag),
    ("statusMessage", Text),
    ("rewakeMessage", Text),
    ("model", Text),
    ("onFailure", One(&["block", "continue"])),
    ("shell", One(&["bash", "powershell"])),
]);

/// Where the settings have another form than the client takes, and which it takes.
pub fn fault(settings: &Value) -> Option<String> {
    let Some(settings) = settings.as_object() else { return Some("they are no object".to_owned()) };
    settings.iter().find_map(|(key, value)| match key.as_str() {
        "hooks" => hooks(value),
        key if FLAGS.split(' ').any(|known| known == key) => differs(key, value, &Flag),
        key if WORDS.split(' ').any(|known| known == key) => differs(key, value, &Text),
        key if LISTS.split(' ').any(|known| known == key) => differs(key, value, &TEXTS),
        key => OTHERS.iter().find(|(name, _)| *name == key).and_then(|(_, shape)| differs(key, value, shape)),
    })
}

fn hooks(value: &Value) -> Option<String> {
    let Some(events) = value.as_object() else { return differs("hooks", value, &ANYTHING) };
    events.iter().find_map(|(event, groups)| {
        let groups_at = format!("hooks.{event}");
        let group = Fields(&[("matcher", Text), ("hooks!", List(&ANYTHING))]);
        differs(&groups_at, groups, &List(&ANYTHING)).or_else(|| {
            groups.as_array()?.iter().enumerate().find_map(|(number, found)| {
                let at = format!("{groups_at}[{number}]");
                differs(&at, found, &group).or_else(|| {
                    let mut handlers = found.get("hooks")?.as_array()?.iter().enumerate();
                    handlers.find_map(|(number, one)| handler(&format!("{at}.hooks[{number}]"), one))
                })
            })
        })
    })
}

fn handler(at: &str, one: &Value) -> Option<String> {
    let kind = one.get("type").and_then(Value::as_str).unwrap_or_default();
    match HANDLERS.iter().find(|(name, _)| *name == kind) {
        Some((_, shape)) => differs(at, one, shape).or_else(|| differs(at, one, &HANDLER)),
        None => Some(format!("`{at}.type` must be command, prompt, agent, http or mcp_tool")),
    }
}

fn differs(at: &str, value: &Value, shape: &Shape) -> Option<String> {
    match (shape, value) {
        (List(each), Value::Array(list)) => {
            let mut list = list.iter().enumerate();
            list.find_map(|(number, value)| differs(&format!("{at}[{number}]"), value, each))
        }
        (Each(each), Value::Object(known)) => {
            known.iter().find_map(|(key, value)| differs(&format!("{at}.{key}"), value, each))
        }
        (Fields(fields), Value::Object(known)) => fields.iter().find_map(|(name, shape)| {
            let key = name.trim_end_matches('!');
            match known.get(key) {
                Some(value) => differs(&format!("{at}.{key}"), value, shape),
                None => (key != *name).then(|| format!("`{at}` lacks `{key}`")),
            }
        }),
        (Any(some), _) if some.iter().any(|shape| differs(at, value, shape).is_none()) => None,
        _ if is_plain(value, shape) => None,
        _ => Some(format!("`{at}` must be {}", said(shape))),
    }
}

fn is_plain(value: &Value, shape: &Shape) -> bool {
    match shape {
        Flag => value.is_boolean(),
        Text => value.is_string(),
        Url => value
            .as_str()
            .is_some_and(|text| url::Url::parse(text).is_ok_and(|url| ["http", "https"].contains(&url.scheme()))),
        Hour => value.as_str().is_some_and(is_hour),
        One(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Whole(least) => value.as_u64().is_some_and(|number| (*least..=WHOLE_MOST).contains(&number)),
        Number { above, most } => value.as_f64().is_some_and(|number| number > *above && number <= *most),
        Scalar => value.is_string() || value.is_number() || value.is_boolean(),
        List(_) | Each(_) | Fields(_) | Any(_) => false,
    }
}

fn is_hour(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once(':').is_some_and(|(hour, minute)| {
        digits(hour)
            && digits(minute)
            && minute.len() == 2
            && (1..=2).contains(&hour.len())
            && hour.parse().is_ok_and(|hour: u8| hour < 24)
            && minute.parse().is_ok_and(|minute: u8| minute < 60)
    })
}

fn said(shape: &Shape) -> String {
    match shape {
        Flag => "true or false".to_owned(),
        Text => "text".to_owned(),
        Url => "an http address".to_owned(),
        Hour => "an hour such as 22:00".to_owned(),
        One(words) => format!("one of {}", words.join(", ")),
        Whole(least) => format!("a whole number from {least} on"),
        Number { above, most } if *above >= 0.0 && *most > 1.0 => "a number above 0".to_owned(),
        Number { .. } => "a number within its bounds".to_owned(),
        Scalar => "text, a number or a flag".to_owned(),
        List(each) => format!("a list, each {}", said(each)),
        Each(each) => format!("an object, each value {}", said(each)),
        Fields(_) => "an object".to_owned(),
        Any(some) => some.iter().map(said).collect::<Vec<_>>().join(" or "),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Each was tried with the client: it drops the first ones, and takes the second.
    #[test]
    fn what_the_client_drops_is_a_fault_and_what_it_takes_is_none() {
        let entry = |group: Value| json!({ "hooks": { "PreToolUse": [group] } });
        let hook = |one: Value| entry(json!({ "hooks": [one] }));
        for wrong in [
            json!([]),
            json!({ "disableAllHooks": "true" }),
            json!({ "disableAllHooks": null }),
            json!({ "permissions": 5 }),
            json!({ "permissions": { "ask": 5 } }),
            json!({ "permissions": { "defaultMode": "zzz" } }),
            json!({ "env": 5 }),
            json!({ "env": [] }),
            json!({ "model": 5 }),
            json!({ "$schema": 5 }),
            json!({ "cleanupPeriodDays": 0 }),
            json!({ "statusLine": { "type": "zzz" } }),
            json!({ "enabledPlugins": { "a@b": {} } }),
            json!({ "sandbox": { "network": { "allowedDomains": 5 } } }),
            json!({ "quietHours": { "start": "x" } }),
            json!({ "hooks": 5 }),
            json!({ "hooks": { "PreToolUse": 5 } }),
            entry(json!({ "matcher": 5 })),
            entry(json!({ "matcher": null, "hooks": [] })),
            entry(json!({ "hooks": [5] })),
            hook(json!({ "type": "zzz" })),
            hook(json!({ "type": "command" })),
            hook(json!({ "type": "command", "command": "x", "timeout": 0 })),
            hook(json!({ "type": "command", "command": "x", "onFailure": "allow" })),
            hook(json!({ "type": "command", "command": "x", "args": [5] })),
            hook(json!({ "type": "http", "url": "http://[" })),
            hook(json!({ "type": "mcp_tool" })),
        ] {
            assert!(fault(&wrong).is_some(), "{wrong}");
        }
        for right in [
            json!({}),
            json!({ "unknown": 5, "theme": 5, "effortLevel": 5, "extraKnownMarketplaces": 5 }),
            json!({ "permissions": { "allow": ["Bash("], "defaultMode": "plan", "more": 5 } }),
            json!({ "env": { "A": "b", "B": 5, "C": true } }),
            json!({ "enabledPlugins": { "a@b": ["x"], "c": true }, "attribution": { "commit": "" } }),
            entry(json!({ "hooks": [], "more": 5 })),
            hook(json!({ "type": "command", "command": "x", "timeout": 1.5, "onFailure": "continue", "more": 5 })),
            hook(json!({ "type": "mcp_tool", "server": "x", "tool": "y" })),
        ] {
            assert_eq!(fault(&right), None, "{right}");
        }
    }
}
