//! TLS from the files of a certificate and its key. Getting and renewing certificates is not here.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};

use super::options::Tls;

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
