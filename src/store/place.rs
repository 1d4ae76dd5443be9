//! Where a store may lie: a folder of the user's own (0700, files 0600), on a disk of this machine.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    #[error("{path} is on a network file system ({kind}), where SQLite can lose data; keep the store on a local disk")]
    Network { path: PathBuf, kind: &'static str },
    #[error(
        "{path} belongs to user {owner}, and you are user {me}; phasegate keeps its state where only you can write"
    )]
    NotYours { path: PathBuf, owner: u32, me: u32 },
    #[error("{path} is not a folder; move it away, phasegate keeps its state there")]
    NotAFolder { path: PathBuf },
    #[error("{path} is not a file, and a store is one; name a file in it, such as {path}/phasegate.db")]
    NotAFile { path: PathBuf },
    #[error("{path} is a symbolic link; phasegate does not follow links to its state")]
    Link { path: PathBuf },
    #[error("{path}: {source}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A checked folder and the database file in it.
#[derive(Clone, Debug)]
pub struct Place {
    pub folder: PathBuf,
    pub database: PathBuf,
}

impl Place {
    /// Makes the folder where it is missing and closes it to others.
    pub fn prepare(database: &Path) -> Result<Self, PlaceError> {
        let folder = match database.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        let io = |path: &Path| {
            let path = path.to_path_buf();
            move |source| PlaceError::Io { path, source }
        };
        match fs::symlink_metadata(&folder) {
            Ok(found) => own_folder(&folder, &found)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
                let made = folder.ancestors().take_while(missing).count();
                fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(io(&folder))?;
                for parent in folder.ancestors().skip(1).take(made) {
                    keep_names(parent).map_err(io(parent))?;
                }
            }
            Err(error) => return Err(io(&folder)(error)),
        }
        refuse_network(&folder)?;
        // A database of another user, or one behind a link, is not ours to write.
        if let Ok(found) = fs::symlink_metadata(database)
            && found.file_type().is_symlink()
        {
            return Err(PlaceError::Link { path: database.to_path_buf() });
        }
        let place = Self { folder, database: database.to_path_buf() };
        place.make_database()?;
        Ok(place)
    }

    /// The file other processes queue on before they write.
    pub fn queue(&self) -> Result<fs::File, PlaceError> {
        let mut name = self.database.file_name().unwrap_or_default().to_os_string();
        name.push(".queue");
        self.create_private(&self.folder.join(name))
    }

    /// Made where it is missing, and never opened where it is there: closing any descriptor of a database drops the locks
    /// this whole process has on it. Nothing else of ours opens it before this has returned.
    fn make_database(&self) -> Result<(), PlaceError> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let io = |source| PlaceError::Io { path: self.database.clone(), source };
        match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.database) {
            Ok(_) => keep_names(&self.folder).map_err(io),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let found = fs::symlink_metadata(&self.database).map_err(io)?;
                // Closing a folder to others that is theirs as well, such as /tmp, would lock everyone out of it.
                if !found.is_file() {
                    return Err(PlaceError::NotAFile { path: self.database.clone() });
                }
                if found.permissions().mode() & 0o077 != 0 {
                    fs::set_permissions(&self.database, fs::Permissions::from_mode(0o600)).map_err(io)?;
                }
                Ok(())
            }
            Err(error) => Err(io(error)),
        }
    }

    fn create_private(&self, path: &Path) -> Result<fs::File, PlaceError> {
        let mut options = fs::OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let io = |source| PlaceError::Io { path: path.to_path_buf(), source };
        let file = options.open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.permissions().mode();
        if mode & 0o077 != 0 {
            file.set_permissions(fs::Permissions::from_mode(0o600)).map_err(io)?;
        }
        Ok(file)
    }
}

/// A new name outlasts a power cut only once its folder was synced.
pub(super) fn keep_names(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    fs::File::open(folder)?.sync_all()
}

fn own_folder(folder: &Path, found: &fs::Metadata) -> Result<(), PlaceError> {
    let path = folder.to_path_buf();
    if found.file_type().is_symlink() {
        return Err(PlaceError::Link { path });
    }
    if !found.is_dir() {
        return Err(PlaceError::NotAFolder { path });
    }
    let me = rustix::process::geteuid().as_raw();
    if found.uid() != me && me != 0 {
        return Err(PlaceError::NotYours { path, owner: found.uid(), me });
    }
    // Only a folder that is ours alone is closed: a store in a shared folder closes its files, not the folder.
    let named = folder.file_name().is_some_and(|name| name == ".phasegate");
    if named && found.permissions().mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
            .map_err(|source| PlaceError::Io { path, source })?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn refuse_network(folder: &Path) -> Result<(), PlaceError> {
    let found = rustix::fs::statfs(folder)
        .map_err(|error| PlaceError::Io { path: folder.to_path_buf(), source: error.into() })?;
    match network_kind(u64::try_from(found.f_type).unwrap_or(0) & 0xffff_ffff) {
        Some(kind) => Err(PlaceError::Network { path: folder.to_path_buf(), kind }),
        None => Ok(()),
    }
}

/// File systems whose locks or mmap cannot be trusted between machines, by their magic numbers.
#[cfg(target_os = "linux")]
fn network_kind(magic: u64) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517b => Some("SMB"),
        0xff53_4d42 => Some("CIFS"),
        0xfe53_4d42 => Some("SMB2"),
        0x0102_1997 => Some("9p"),
        0x6573_5546 => Some("FUSE"),
        0x00c3_6400 => Some("Ceph"),
        0x5346_414f => Some("AFS"),
        0x7375_7245 => Some("Coda"),
        0x6d5b_a69b => Some("virtiofs"),
        _ => None,
    }
}

#[cfg(target_os = "macos")]
fn refuse_network(folder: &Path) -> Result<(), PlaceError> {
    let found = rustix::fs::statfs(folder)
        .map_err(|error| PlaceError::Io { path: folder.to_path_buf(), source: error.into() })?;
    let name: Vec<u8> = found.f_fstypename.iter().take_while(|c| **c != 0).map(|c| c.to_ne_bytes()[0]).collect();
    let kind = match name.as_slice() {
        b"nfs" => "NFS",
        b"smbfs" => "SMB",
        b"afpfs" => "AFP",
        b"webdav" => "WebDAV",
        _ => return Ok(()),
    };
    Err(PlaceError::Network { path: folder.to_path_buf(), kind })
}

#[cfg(not(any(target_os = "linux", target_os = "macos")))]
fn refuse_network(_folder: &Path) -> Result<(), PlaceError> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_number_and_local_ones_pass() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        assert_eq!(network_kind(0xef53), None);
        assert_eq!(network_kind(0x0102_1994), None);
    }

    #[test]
    fn folder_and_files_are_closed_to_others() {
        let temp = tempfile::tempdir().unwrap();
        let place = Place::prepare(&temp.path().join(".phasegate/phasegate.db")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&place.folder), 0o700);
        assert_eq!(mode(&place.database), 0o600);
        fs::set_permissions(&place.folder, fs::Permissions::from_mode(0o755)).unwrap();
        Place::prepare(&place.database).unwrap();
        assert_eq!(mode(&place.folder), 0o700);
    }

    #[test]
    fn a_folder_that_is_named_as_the_store_is_refused_and_left_as_it_was() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("shared");
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let error = Place::prepare(&folder).unwrap_err();
        assert!(matches!(error, PlaceError::NotAFile { .. }), "{error}");
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o755);
    }

    #[test]
    fn links_to_a_state_folder_are_refused() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("real")).unwrap();
        std::os::unix::fs::symlink(temp.path().join("real"), temp.path().join(".phasegate")).unwrap();
        let error = Place::prepare(&temp.path().join(".phasegate/phasegate.db")).unwrap_err();
        assert!(matches!(error, PlaceError::Link { .. }), "{error}");
    }
}
