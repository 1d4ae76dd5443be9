//! Secrets known by their shape: a prefix that an issuer uses, or a place where secrets stand. What only looks random is in
//! `entropy`; whether a value can be one is in `values`.

use std::ops::Range;

use super::values::{self, Strict};
use super::{Finding, FlagKind, before, byte, entropy, is_word, words};

/// A word that a secret begins with or stands behind.
pub(super) struct Anchor {
    pub text: &'static str,
    what: What,
}

enum What {
    /// The text itself begins a token, in just these letters.
    Token {
        rule: &'static str,
        set: Set,
        least: usize,
        most: usize,
    },
    /// The token stands behind it.
    Behind {
        rule: &'static str,
        set: Set,
        least: usize,
    },
    /// A name that is given a value.
    Name(Strict),
    Jwt,
    Pem,
    Url,
    Authorization,
}

#[derive(Clone, Copy)]
enum Set {
    Upper,
    Hex,
    Letters,
    Word,
    Dashed,
    Dotted,
    Base64,
    Path,
}

impl Set {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Hex => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
            Self::Letters => byte.is_ascii_alphanumeric(),
            Self::Word => is_word(byte),
            Self::Dashed => is_word(byte) || byte == b'-',
            Self::Dotted => is_word(byte) || byte == b'-' || byte == b'.',
            Self::Base64 => byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'%' | b'-' | b'_'),
            Self::Path => is_word(byte) || byte == b'-' || byte == b'/',
        }
    }
}

const TOKEN_BYTES_MAX: usize = 4 << 10;
const PEM_BYTES_MAX: usize = 16 << 10;
const URL_USER_BYTES_MAX: usize = 512;

const fn token(text: &'static str, rule: &'static str, set: Set, least: usize) -> Anchor {
    Anchor { text, what: What::Token { rule, set, least, most: TOKEN_BYTES_MAX } }
}

/// Of one length, and of no other.
const fn exact(text: &'static str, rule: &'static str, set: Set, length: usize) -> Anchor {
    Anchor { text, what: What::Token { rule, set, least: length, most: length } }
}

const fn behind(text: &'static str, rule: &'static str, set: Set, least: usize) -> Anchor {
    Anchor { text, what: What::Behind { rule, set, least } }
}

const fn name(text: &'static str, strict: Strict) -> Anchor {
    Anchor { text, what: What::Name(strict) }
}

pub(super) static ANCHORS: [Anchor; 59] = [
    exact("AKIA", "aws_key_id", Set::Upper, 16),
    exact("ASIA", "aws_key_id", Set::Upper, 16),
    token("ghp_", "github_token", Set::Letters, 30),
    token("gho_", "github_token", Set::Letters, 30),
    token("ghu_", "github_token", Set::Letters, 30),
    token("ghs_", "github_token", Set::Letters, 30),
    token("ghr_", "github_token", Set::Letters, 30),
    token("github_pat_", "github_token", Set::Word, 50),
    token("glpat-", "gitlab_token", Set::Dotted, 20),
    token("gldt-", "gitlab_token", Set::Dotted, 20),
    token("glrt-", "gitlab_token", Set::Dotted, 20),
    token("xoxb-", "slack_token", Set::Dashed, 10),
    token("xoxp-", "slack_token", Set::Dashed, 10),
    token("xoxa-", "slack_token", Set::Dashed, 10),
    token("xoxr-", "slack_token", Set::Dashed, 10),
    token("xoxs-", "slack_token", Set::Dashed, 10),
    token("xapp-", "slack_token", Set::Dashed, 20),
    token("hooks.slack.com/services/", "slack_webhook", Set::Path, 20),
    token("sk_live_", "stripe_key", Set::Letters, 10),
    token("rk_live_", "stripe_key", Set::Letters, 10),
    token("whsec_", "webhook_secret", Set::Base64, 24),
    token("sk-ant-", "anthropic_key", Set::Dashed, 20),
    token("sk-", "openai_key", Set::Dashed, 20),
    token("AIza", "google_key", Set::Dashed, 30),
    token("ya29.", "google_token", Set::Dashed, 20),
    exact("npm_", "npm_token", Set::Letters, 36),
    token("pypi-AgE", "pypi_token", Set::Dashed, 50),
    token("hf_", "hugging_face_token", Set::Letters, 30),
    token("SG.", "sendgrid_key", Set::Dotted, 50),
    token("dop_v1_", "digitalocean_token", Set::Hex, 64),
    token("shpat_", "shopify_token", Set::Hex, 32),
    token("AGE-SECRET-KEY-1", "age_key", Set::Upper, 50),
    token("pgc_", "claim_handle", Set::Hex, 32),
    token("pgt_", "phasegate_credential", Set::Hex, 64),
    behind("AccountKey=", "azure_key", Set::Base64, 40),
    behind("SharedAccessKey=", "azure_key", Set::Base64, 40),
    behind("SharedAccessSignature=", "azure_key", Set::Base64, 30),
    behind("&sig=", "azure_signature", Set::Base64, 30),
    behind("?sig=", "azure_signature", Set::Base64, 30),
    behind("bearer ", "bearer_token", Set::Dotted, 16),
    Anchor { text: "eyJ", what: What::Jwt },
    Anchor { text: "-----BEGIN ", what: What::Pem },
    Anchor { text: "://", what: What::Url },
    Anchor { text: "authorization", what: What::Authorization },
    name("password", Strict::No),
    name("passwd", Strict::No),
    name("passphrase", Strict::No),
    name("pwd", Strict::No),
    name("secret", Strict::Yes),
    name("secret_key", Strict::Yes),
    name("token", Strict::Yes),
    name("api_key", Strict::Yes),
    name("api-key", Strict::Yes),
    name("apikey", Strict::Yes),
    name("access_key", Strict::Yes),
    name("access-key", Strict::Yes),
    name("accesskey", Strict::Yes),
    name("private_key", Strict::Yes),
    name("auth_key", Strict::Yes),
];

pub(super) fn find<'s>(text: &str, found: &mut Vec<Finding<'s>>) {
    let bytes = text.as_bytes();
    let mut public = Vec::new();
    // A block is read once, however many beginnings stand in it.
    let mut block_end = 0;
    for (hit, anchor) in words::hits(bytes) {
        let at = match &anchor.what {
            What::Token { rule, set, least, most } => {
                known_token(bytes, hit.clone(), anchor.text, *set, *least, *most).map(|at| (*rule, at))
            }
            What::Behind { rule, set, least } => token_behind(bytes, hit.end, *set, *least).map(|at| (*rule, at)),
            What::Name(strict) => values::given(bytes, hit.clone(), *strict).map(|at| ("assigned", at)),
            What::Jwt => jwt(bytes, hit.start).map(|at| ("jwt", at)),
            What::Pem if hit.start < block_end => None,
            What::Pem => pem(text, hit.start).and_then(|block| {
                block_end = block.at.end;
                if !block.private {
                    public.push(block.at);
                    return None;
                }
                Some(("private_key", block.at))
            }),
            What::Url => url_password(bytes, hit.end).map(|at| ("url_password", at)),
            What::Authorization => values::authorization(bytes, hit.end).map(|at| ("authorization", at)),
        };
        found.extend(at.map(|(rule, at)| Finding::sure(FlagKind::Secret, rule, at)));
    }
    entropy::find(text, &public, found);
}

fn run(bytes: &[u8], from: usize, set: Set) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take(TOKEN_BYTES_MAX).take_while(|byte| set.has(**byte)).count()
}

fn known_token(
    bytes: &[u8],
    hit: Range<usize>,
    prefix: &str,
    set: Set,
    least: usize,
    most: usize,
) -> Option<Range<usize>> {
    if bytes.get(hit.clone())? != prefix.as_bytes() || is_word(before(bytes, hit.start)) {
        return None;
    }
    let end = run(bytes, hit.end, set);
    let length = end - hit.end;
    let body = bytes.get(hit.end..end)?;
    // Words with dashes are names of things; what an issuer makes has a digit in it.
    let made = body.iter().any(u8::is_ascii_digit);
    (length >= least && length <= most && made).then_some(hit.start..end)
}

fn token_behind(bytes: &[u8], from: usize, set: Set, least: usize) -> Option<Range<usize>> {
    let end = run(bytes, from, set);
    let body = bytes.get(from..end)?;
    (body.len() >= least && body.iter().any(u8::is_ascii_digit)).then_some(from..end)
}

/// Two parts of a header and a claim set, and a signature that may be empty.
fn jwt(bytes: &[u8], start: usize) -> Option<Range<usize>> {
    if bytes.get(start..start + 3)? != b"eyJ" || is_word(before(bytes, start)) {
        return None;
    }
    let header = run(bytes, start, Set::Dashed);
    let claims = run(bytes, header + 1, Set::Dashed);
    let whole = byte(bytes, header) == b'.' && byte(bytes, claims) == b'.';
    let long = header - start >= 10 && claims.saturating_sub(header) >= 10;
    (whole && long).then(|| start..run(bytes, claims + 1, Set::Dashed))
}

struct Pem {
    at: Range<usize>,
    private: bool,
}

/// A block to its end, or to where its end should have come: a key that was cut is still most of a key.
fn pem(text: &str, start: usize) -> Option<Pem> {
    let limit = text.floor_char_boundary(start + PEM_BYTES_MAX);
    let block = text.get(start..limit)?;
    let head = block.strip_prefix("-----BEGIN ")?;
    let label_end = head.find("-----").filter(|end| *end <= 40)?;
    let label = head.get(..label_end)?;
    let end = block.find("-----END ").and_then(|foot| {
        let rest = block.get(foot + "-----END ".len()..)?;
        Some(foot + "-----END ".len() + rest.find("-----")? + "-----".len())
    });
    let at = start..start + end.unwrap_or(block.len());
    Some(Pem { at, private: label.contains("PRIVATE KEY") })
}

/// The password of `scheme://user:password@host`.
fn url_password(bytes: &[u8], from: usize) -> Option<Range<usize>> {
    let rest = bytes.get(from..)?;
    let stops = |byte: &u8| matches!(byte, b'/' | b'?' | b'#' | b'"' | b'\'' | b'<' | b'>' | b'`' | 0..=b' ');
    let length = rest.iter().take(URL_USER_BYTES_MAX).position(stops).unwrap_or(rest.len().min(URL_USER_BYTES_MAX));
    let authority = rest.get(..length)?;
    let at = authority.iter().rposition(|byte| *byte == b'@')?;
    let colon = authority.get(..at)?.iter().position(|byte| *byte == b':')?;
    let value = authority.get(colon + 1..at)?;
    let blank = matches!(value.first(), None | Some(b'$' | b'{' | b'%' | b'*' | b'[')) || value.len() < 3;
    (!blank).then_some(from + colon + 1..from + at)
}
