//! What git has for itself and for other programs.

/// Nobody types these every day, and they run a program, serve a repository, or write files of any name.
const PLUMBING: &[&str] = &[
    "archimport",
    "citool",
    "cvsexportcommit",
    "cvsimport",
    "cvsserver",
    "gui",
    "http-backend",
    "http-fetch",
    "http-push",
    "imap-send",
    "mailinfo",
    "mailsplit",
    "merge-file",
    "merge-index",
    "merge-one-file",
    "p4",
    "pack-objects",
    "pack-redundant",
    "quiltimport",
    "receive-pack",
    "request-pull",
    "sh-i18n",
    "sh-setup",
    "svn",
    "unpack-file",
    "unpack-objects",
    "upload-archive",
    "upload-pack",
];

/// `remote-ext` and `credential-store` are helpers, and so is what is named with two dashes.
pub fn is_plumbing(sub: &str) -> bool {
    PLUMBING.contains(&sub) || sub.starts_with("credential-") || sub.starts_with("remote-") || sub.contains("--")
}
