//! TLS from the files of a certificate and its key, read again once they are others. Getting and renewing certificates is
//! not here.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use super::options::Tls;

/// How often it is looked whether the files are others.
const LOOKED_AT_EVERY: Duration = Duration::from_secs(5);
/// Bits of a mode that let somebody else than the owner in.
const OTHERS: u32 = 0o077;

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("the {what} cannot be read from {file}: {why}")]
    Unreadable { what: &'static str, file: String, why: String },
    #[error("there is no certificate in {0}")]
    NoCertificate(String),
    #[error("this certificate and key cannot be used together: {0}")]
    Unfit(#[from] rustls::Error),
}

impl TlsError {
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } | Self::NoCertificate(_) => {
                "`--tls-cert` takes a PEM file with the certificate and what it hangs on, `--tls-key` one with its key"
            }
            Self::Unfit(_) => "mind that the key is the one the certificate was made for",
        }
    }
}

/// What connections begin with, by the files as they are; looked after for as long as somebody holds it.
pub fn kept(files: &Tls) -> Result<watch::Receiver<TlsAcceptor>, TlsError> {
    let known = Looks::of(files);
    let (newest, held) = watch::channel(acceptor(files)?);
    let files = files.clone();
    tokio::spawn(async move {
        tokio::select! {
            () = newest.closed() => {}
            () = renew(&files, known, &newest) => {}
        }
    });
    Ok(held)
}

async fn renew(files: &Tls, mut known: Looks, newest: &watch::Sender<TlsAcceptor>) {
    loop {
        sleep(LOOKED_AT_EVERY).await;
        let now = Looks::of(files);
        if now == known {
            continue;
        }
        known = now;
        match acceptor(files) {
            Ok(acceptor) => {
                newest.send_replace(acceptor);
                tracing::info!("new connections begin with the renewed certificate");
            }
            // The one file is exchanged before the other: the next look finds both.
            Err(error) => tracing::warn!(%error, "the changed certificate is not taken, the one from before holds"),
        }
    }
}

/// By which a file that was exchanged or written to is told, also behind a symbolic link.
#[derive(PartialEq, Eq)]
struct Looks([Option<[i128; 3]>; 2]);

impl Looks {
    fn of(files: &Tls) -> Self {
        Self([&files.certificate, &files.key].map(|file| {
            let file = std::fs::metadata(file).ok()?;
            let written = i128::from(file.mtime()) * 1_000_000_000 + i128::from(file.mtime_nsec());
            Some([file.ino().into(), file.len().into(), written])
        }))
    }
}

/// TLS 1.2 and 1.3, HTTP/1.1 inside.
pub fn acceptor(files: &Tls) -> Result<TlsAcceptor, TlsError> {
    let unreadable = |what, file: &Path, why: &dyn std::fmt::Display| TlsError::Unreadable {
        what,
        file: file.display().to_string(),
        why: why.to_string(),
    };
    let no_certificate = |why: &dyn std::fmt::Display| unreadable("certificate", &files.certificate, why);
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .map_err(|error| no_certificate(&error))?
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| no_certificate(&error))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(files.certificate.display().to_string()));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| unreadable("key", &files.key, &error))?;
    if std::fs::metadata(&files.key).is_ok_and(|file| file.permissions().mode() & OTHERS != 0) {
        let file = files.key.display();
        tracing::warn!(%file, "others than its owner can read the key of the certificate; `chmod 600` it");
    }
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
