//! `[[issuer]]` in the user's `config.toml`: whose tokens count over HTTP, and what their claims mean here. Keys are not read
//! here (`engine`), tokens are not either (`identity`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::facts::Role;
use crate::domain::issuer::{Algorithm, Issuer, KeySource};
use crate::notify::settings::good_url;

const NAME_CHARS_MAX: usize = 30;
const ISSUERS_MAX: usize = 16;
const LEEWAY_SECONDS_MAX: u32 = 60;
const CLAIMS_MAX: u32 = 100;

/// One issuer of access tokens (JWT).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IssuerTable {
    /// Its name here; its subjects work as `name:subject`.
    pub name: String,
    /// The `iss` of its tokens, to the letter.
    pub issuer: String,
    /// What must be in the `aud` of its tokens.
    pub audience: String,
    /// Where its keys are: an https address of a JWKS.
    pub jwks: Option<String>,
    /// The same as a file, beside this one if the path is not absolute.
    pub jwks_file: Option<PathBuf>,
    /// Default: EdDSA, ES256, RS256.
    pub algorithms: Option<Vec<Algorithm>>,
    /// Default: `roles`. A name, or a place such as `/realm_access/roles`.
    pub role_claim: Option<String>,
    /// What the words of the role claim mean here; others mean nothing.
    pub roles: BTreeMap<String, IssuedRole>,
    /// Default: `sub`.
    pub name_claim: Option<String>,
    /// A claim that lists capabilities; without it there are none.
    pub capabilities_claim: Option<String>,
    /// A claim that lists the workflows whose tasks may be worked on; without it: any.
    pub workflows_claim: Option<String>,
    /// How far clocks may differ; default 30.
    #[schemars(range(max = 60))]
    pub leeway_seconds: Option<u32>,
    /// How many tasks each of its subjects may hold at once; default 1.
    #[schemars(range(min = 1, max = 100))]
    pub claims: Option<u32>,
    /// Default: the limit of the server.
    #[schemars(range(min = 1))]
    pub calls_per_minute: Option<u32>,
}

/// A role that a token can give. phasegate's own is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IssuedRole {
    Agent,
    Approver,
    Operator,
    Auditor,
}

impl From<IssuedRole> for Role {
    fn from(role: IssuedRole) -> Self {
        match role {
            IssuedRole::Agent => Self::Agent,
            IssuedRole::Approver => Self::Approver,
            IssuedRole::Operator => Self::Operator,
            IssuedRole::Auditor => Self::Auditor,
        }
    }
}

/// Every mistake names the issuer and the key.
pub fn checked(tables: &[IssuerTable], folder: &Path) -> Result<Vec<Issuer>, String> {
    if tables.len() > ISSUERS_MAX {
        return Err(format!("there are {} issuers; at most {ISSUERS_MAX} are taken", tables.len()));
    }
    let mut found: Vec<Issuer> = Vec::new();
    for table in tables {
        let issuer = one(table, folder).map_err(|wrong| format!("issuer `{}`: {wrong}", table.name))?;
        if found.iter().any(|known| known.name == issuer.name) {
            return Err(format!("two issuers have the `name` `{}`", issuer.name));
        }
        if found.iter().any(|known| known.issuer == issuer.issuer) {
            return Err(format!(
                "two issuers have the `issuer` `{}`; list both audiences' roles in one",
                issuer.issuer
            ));
        }
        found.push(issuer);
    }
    Ok(found)
}

fn one(table: &IssuerTable, folder: &Path) -> Result<Issuer, String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if table.name.is_empty() || table.name.len() > NAME_CHARS_MAX || !table.name.chars().all(plain) {
        return Err(format!("`name` is up to {NAME_CHARS_MAX} small letters, digits and `-`"));
    }
    let given = |key: &str, text: &str| match text.trim() == text && !text.is_empty() {
        true => Ok(text.to_owned()),
        false => Err(format!("`{key}` is missing, or has a space before or after it")),
    };
    let claim = |key: &str, text: &Option<String>, usual: &str| {
        given(key, text.as_deref().unwrap_or(usual)).map_err(|_| format!("`{key}` is the name of a claim"))
    };
    let listed = |key: &str, text: &Option<String>| text.is_some().then(|| claim(key, text, "")).transpose();
    let keys = match (&table.jwks, &table.jwks_file) {
        (Some(url), None) => {
            good_url(url).map_err(|wrong| format!("`jwks`: {wrong}"))?;
            KeySource::Url(url.clone())
        }
        (None, Some(file)) => KeySource::File(folder.join(file)),
        (None, None) => return Err("`jwks` or `jwks_file` is missing".to_owned()),
        (Some(_), Some(_)) => return Err("only one of `jwks` and `jwks_file` can be given".to_owned()),
    };
    let algorithms = table.algorithms.clone().unwrap_or_else(|| Algorithm::USUAL.to_vec());
    let claims = table.claims.unwrap_or(1);
    let leeway_seconds = table.leeway_seconds.unwrap_or(30);
    for (wrong, what) in [
        (
            table.roles.is_empty(),
            "`roles` is empty, so no token would count; write roles = { \"word\" = \"agent\" }".to_owned(),
        ),
        (algorithms.is_empty(), "`algorithms` is empty, so no token would count".to_owned()),
        (leeway_seconds > LEEWAY_SECONDS_MAX, format!("`leeway_seconds` is at most {LEEWAY_SECONDS_MAX}")),
        (claims == 0 || claims > CLAIMS_MAX, format!("`claims` is 1 to {CLAIMS_MAX}")),
        (table.calls_per_minute == Some(0), "`calls_per_minute` is at least 1".to_owned()),
    ] {
        if wrong {
            return Err(what);
        }
    }
    Ok(Issuer {
        name: table.name.clone(),
        issuer: given("issuer", &table.issuer)?,
        audience: given("audience", &table.audience)?,
        keys,
        algorithms,
        role_claim: claim("role_claim", &table.role_claim, "roles")?,
        roles: table.roles.iter().map(|(word, role)| (word.clone(), (*role).into())).collect(),
        name_claim: claim("name_claim", &table.name_claim, "sub")?,
        capabilities_claim: listed("capabilities_claim", &table.capabilities_claim)?,
        workflows_claim: listed("workflows_claim", &table.workflows_claim)?,
        leeway_seconds,
        claims,
        calls_per_minute: table.calls_per_minute,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[[issuer]]\nname = \"corp\"\nissuer = \"https://idp.example\"\naudience = \"phasegate\"\n\
                        roles = { \"pg\" = \"agent\" }\n";

    #[derive(Deserialize)]
    struct File {
        issuer: Vec<IssuerTable>,
    }

    fn read(toml: &str) -> Result<Vec<Issuer>, String> {
        let file: File = toml::from_str(toml).map_err(|error| error.message().to_owned())?;
        checked(&file.issuer, Path::new("/home/ana/.config/phasegate"))
    }

    #[test]
    fn what_is_left_out_has_a_careful_default() {
        let found = read(&format!("{GOOD}jwks_file = \"corp.json\"\n")).unwrap();
        let issuer = &found[0];
        assert_eq!(issuer.keys, KeySource::File("/home/ana/.config/phasegate/corp.json".into()));
        assert_eq!((issuer.role_claim.as_str(), issuer.name_claim.as_str()), ("roles", "sub"));
        assert_eq!((issuer.algorithms.len(), issuer.leeway_seconds, issuer.claims), (3, 30, 1));
    }

    #[test]
    fn mistakes_are_named_by_issuer_and_key() {
        let good = format!("{GOOD}jwks = \"https://idp.example/jwks\"\n");
        assert!(read(&good).is_ok());
        for (toml, names) in [
            (GOOD.to_owned(), "issuer `corp`: `jwks` or `jwks_file` is missing"),
            (format!("{good}jwks_file = \"x\"\n"), "only one of `jwks`"),
            (good.replace("https://idp.example/jwks", "http://idp.example/jwks"), "`jwks`: http:// is only for this"),
            (good.replace("corp", "Corp"), "`name`"),
            (good.replace("corp", "a:b"), "`name`"),
            (good.replace("\"phasegate\"", "\"\""), "`audience`"),
            (good.replace("https://idp.example\"", " https://idp.example\""), "`issuer`"),
            (good.replace("{ \"pg\" = \"agent\" }", "{}"), "`roles` is empty"),
            (good.replace("\"agent\"", "\"system\""), "system"),
            (format!("{good}leeway_seconds = 61\n"), "`leeway_seconds` is at most 60"),
            (format!("{good}algorithms = []\n"), "`algorithms` is empty"),
            (format!("{good}algorithms = [\"HS256\"]\n"), "HS256"),
            (format!("{good}algorithms = [\"none\"]\n"), "none"),
            (format!("{good}claims = 0\n"), "`claims`"),
            (format!("{good}secret = \"x\"\n"), "secret"),
            (format!("{good}{good}"), "two issuers have the `name`"),
            (format!("{good}{}", good.replace("corp", "other")), "two issuers have the `issuer`"),
        ] {
            let error = read(&toml).unwrap_err();
            assert!(error.contains(names), "{toml}: {error}");
        }
    }
}
