//! Which program a name means and what environment it gets. Starting it is not here (`run`).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Access, access};

/// Variables that build tools need to find themselves; `X*` means every name that starts with X.
pub const PASSED_VARIABLES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TERM",
    "TMPDIR",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "RUSTFLAGS",
    "CC",
    "CXX",
    "AR",
    "CFLAGS",
    "CXXFLAGS",
    "LDFLAGS",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "PKG_CONFIG_PATH",
    "SDKROOT",
    "DEVELOPER_DIR",
    "NODE_PATH",
    "NODE_OPTIONS",
    "NVM_DIR",
    "VOLTA_HOME",
    "PNPM_HOME",
    "BUN_INSTALL",
    "DENO_DIR",
    "npm_config_cache",
    "npm_config_prefix",
    "COREPACK_HOME",
    "PYTHONPATH",
    "PYTHONHOME",
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYENV_ROOT",
    "PYENV_VERSION",
    "UV_CACHE_DIR",
    "POETRY_HOME",
    "PIP_CACHE_DIR",
    "GOPATH",
    "GOROOT",
    "GOBIN",
    "GOCACHE",
    "GOMODCACHE",
    "GOFLAGS",
    "GOPROXY",
    "GOTOOLCHAIN",
    "JAVA_HOME",
    "JDK_HOME",
    "MAVEN_HOME",
    "M2_HOME",
    "GRADLE_HOME",
    "GRADLE_USER_HOME",
    "KOTLIN_HOME",
    "ANDROID_HOME",
    "ANDROID_SDK_ROOT",
    "DOTNET_ROOT",
    "NUGET_PACKAGES",
    "GEM_HOME",
    "GEM_PATH",
    "RBENV_ROOT",
    "BUNDLE_PATH",
    "COMPOSER_HOME",
    "MISE_DATA_DIR",
    "ASDF_DIR",
    "ASDF_DATA_DIR",
    "NIX_PATH",
    "NIX_PROFILES",
    "NIX_SSL_CERT_FILE",
    "CCACHE_DIR",
    "SCCACHE_DIR",
];

/// Words in a name that mark a secret, whatever list let the name in.
const SECRET_MARKS: &[&str] = &["TOKEN", "SECRET", "PASSWORD", "PASSWD", "CREDENTIAL", "API_KEY", "_KEY", "AUTH"];

/// What of `all` a gate's program may see.
pub fn clean_environment(
    all: impl IntoIterator<Item = (OsString, OsString)>,
    names: &[&str],
) -> Vec<(OsString, OsString)> {
    let listed = |name: &str| {
        names.iter().any(|wanted| match wanted.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => *wanted == name,
        })
    };
    let secret = |name: &str| SECRET_MARKS.iter().any(|mark| name.to_ascii_uppercase().contains(mark));
    // As in a proxy's address: `http://user:password@host`.
    let holds_login = |value: &OsStr| {
        let value = value.to_string_lossy();
        value.split_once("://").is_some_and(|(_, rest)| rest.contains('@'))
    };
    let passed = |name: &OsStr| name.to_str().is_some_and(|name| listed(name) && !secret(name));
    all.into_iter().filter(|(name, value)| passed(name) && !holds_login(value)).collect()
}

/// The file that `name` means, or why there is none and what to do about it.
pub(super) fn program(name: &str, root: &Path, path: Option<&OsStr>) -> Result<PathBuf, String> {
    if name.is_empty() {
        return Err("the command is empty; name a program in the workflow file".into());
    }
    if name.contains('\0') {
        return Err("the program's name holds a zero byte; write it without".into());
    }
    if !name.contains('/') {
        return in_path(name, path);
    }
    if Path::new(name).is_absolute() { runnable(PathBuf::from(name), name) } else { in_tree(name, root) }
}

fn in_path(name: &str, path: Option<&OsStr>) -> Result<PathBuf, String> {
    let Some(path) = path.filter(|path| !path.is_empty()) else {
        return Err(format!("`{name}` cannot be looked up: PATH is not set; start phasegate with a PATH"));
    };
    let mut barred = None;
    for folder in path.as_bytes().split(|byte| *byte == b':') {
        let folder = Path::new(OsStr::from_bytes(folder));
        // A relative entry would let the work tree decide which program a bare name means.
        if !folder.is_absolute() {
            continue;
        }
        let file = folder.join(name);
        if file.is_file() {
            match runnable(file, name) {
                Ok(file) => return Ok(file),
                Err(why) => barred = barred.or(Some(why)),
            }
        }
    }
    Err(barred.unwrap_or_else(|| {
        format!(
            "`{name}` was not found in PATH (`{}`); install it, name it by its full path in the workflow file, or \
             start phasegate with a PATH that has it",
            path.to_string_lossy()
        )
    }))
}

fn in_tree(name: &str, root: &Path) -> Result<PathBuf, String> {
    let outside = || format!("`{name}` leads out of the work tree; name a program inside it, or by its full path");
    if Path::new(name).components().any(|part| part == Component::ParentDir) {
        return Err(outside());
    }
    let file = root.join(name);
    let folder = file.parent().unwrap_or(root);
    let missing = || format!("`{name}` does not exist in the work tree; add it, or mend the gate's command");
    let folder = folder.canonicalize().map_err(|_| missing())?;
    let root = root.canonicalize().map_err(|error| format!("the work tree cannot be read: {error}"))?;
    // Only the folder: the last part may be a link, as `.venv/bin/python` is.
    if !folder.starts_with(&root) {
        return Err(outside());
    }
    let file = folder.join(file.file_name().ok_or_else(missing)?);
    if file.exists() { runnable(file, name) } else { Err(missing()) }
}

fn runnable(file: PathBuf, name: &str) -> Result<PathBuf, String> {
    match std::fs::metadata(&file) {
        Err(error) => Err(format!("`{name}` cannot be run: {error}")),
        Ok(meta) if !meta.is_file() => Err(format!("`{name}` cannot be run: it is not a file")),
        Ok(_) if access(&file, Access::EXEC_OK).is_err() => {
            Err(format!("`{name}` may not be run; make it executable (`chmod +x {name}`)"))
        }
        Ok(_) => Ok(file),
    }
}

/// Why the system would not start a file that is there.
pub(super) fn refused_by_system(name: &str, file: &Path, error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::NotFound {
        return format!(
            "`{name}` could not be started: the interpreter in the first line of `{}` is missing; install it or mend \
             the line",
            file.display()
        );
    }
    if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) {
        return format!(
            "`{name}` could not be started: `{}` is neither a program nor a script with a `#!` first line; add the line",
            file.display()
        );
    }
    format!("`{name}` could not be started: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_unlisted_names_are_not_passed() {
        let all = ["PATH", "SECRET_TOKEN", "LC_ALL", "LC_API_KEY", "GITHUB_TOKEN", "EDITOR"];
        let all = all.map(|name| (OsString::from(name), OsString::from("x")));
        let names: Vec<_> = clean_environment(all, PASSED_VARIABLES).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["PATH", "LC_ALL"]);
        let proxies = [("http_proxy", "http://me:pw@host:1"), ("https_proxy", "http://host:1")];
        let proxies = proxies.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        assert_eq!(clean_environment(proxies, PASSED_VARIABLES).len(), 1);
    }

    #[test]
    fn a_name_means_one_place_only() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let path = Some(OsStr::new(".:/usr/bin:/bin"));
        std::fs::write(root.join("plain"), "x").unwrap();
        assert!(program("sh", root, path).unwrap().is_absolute());
        assert!(program("plain", root, path).unwrap_err().contains("not found in PATH"));
        assert!(program("./plain", root, path).unwrap_err().contains("chmod +x"));
        assert!(program("./none", root, path).unwrap_err().contains("does not exist"));
        assert!(program("../sh", root, path).unwrap_err().contains("leads out"));
        std::os::unix::fs::symlink("/bin", root.join("bin")).unwrap();
        assert!(program("bin/sh", root, path).unwrap_err().contains("leads out"));
        assert!(program("sh", root, None).unwrap_err().contains("PATH is not set"));
    }
}
