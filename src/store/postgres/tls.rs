//! TLS to a database by rustls: what is asked of its certificate, and which one is shown to it. Whether it is spoken at all is
//! settled host by host in `reach`.

use std::future::Future;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use ring::digest;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{WebPkiServerVerifier, verify_server_cert_signed_by_trust_anchor};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring as provider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::server::ParsedCertificate;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, ProtocolVersion, RootCertStore, SignatureScheme,
};
use tokio_rustls::{TlsConnector, client};

use super::StoreError;

/// As `psql` has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Disable,
    /// Only where it does not go without.
    Allow,
    /// Where the server has it.
    Prefer,
    /// Always, with whomever it is.
    Require,
    VerifyCa,
    VerifyFull,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    None,
    /// Those of this machine, in the file that is named or in the usual one.
    System(Option<PathBuf>),
    File(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub mode: Mode,
    pub roots: Roots,
    /// Certificate and key of ours.
    pub own: Option<(PathBuf, PathBuf)>,
    pub direct: bool,
}

const SYSTEM_ROOTS: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Makes the TLS of one connection, and notes what it came to.
#[derive(Clone)]
pub struct Connector {
    config: Arc<ClientConfig>,
    pub agreed: Arc<OnceLock<&'static str>>,
}

fn bad_file(said: String) -> StoreError {
    let hint =
        "name PEM files that this user can read: `sslrootcert`, `sslcert`, `sslkey` in the URL or the environment";
    StoreError::Database { said, hint }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, StoreError> {
    let said = |why: &dyn std::fmt::Display| {
        bad_file(format!("the certificates for the database cannot be read from {}: {why}", file.display()))
    };
    let found = CertificateDer::pem_file_iter(file).map_err(|error| said(&error))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|error| said(&error))?;
    if found.is_empty() { Err(said(&"there is none in it")) } else { Ok(found) }
}

impl Connector {
    pub fn new(wanted: &Wanted) -> Result<Self, StoreError> {
        let unfit = |error: Error| bad_file(format!("TLS to the database cannot be set up: {error}"));
        let crypto = Arc::new(provider::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match roots(wanted)? {
            None => Arc::new(Lenient { crypto: Arc::clone(&crypto), roots: None }),
            Some(roots) if wanted.mode != Mode::VerifyFull => {
                Arc::new(Lenient { crypto: Arc::clone(&crypto), roots: Some(roots) })
            }
            Some(roots) => WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&crypto))
                .build()
                .map_err(|error| bad_file(format!("TLS to the database cannot be set up: {error}")))?,
        };
        let builder = ClientConfig::builder_with_provider(crypto)
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &wanted.own {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                builder.with_client_auth_cert(certificates(certificate)?, own_key(key)?).map_err(unfit)?
            }
        };
        if wanted.direct {
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(Self { config: Arc::new(config), agreed: Arc::default() })
    }
}

/// Nothing where the server's certificate is not looked at.
fn roots(wanted: &Wanted) -> Result<Option<RootCertStore>, StoreError> {
    if !matches!(wanted.mode, Mode::VerifyCa | Mode::VerifyFull) {
        return Ok(None);
    }
    let file = match &wanted.roots {
        Roots::File(file) => file.clone(),
        Roots::System(Some(file)) => file.clone(),
        Roots::System(None) => {
            let found = SYSTEM_ROOTS.iter().map(PathBuf::from).find(|file| file.is_file());
            found
                .ok_or_else(|| bad_file("this machine has no file of root certificates in a usual place".to_owned()))?
        }
        Roots::None => {
            return Err(bad_file(
                "`sslmode` asks that the database's certificate be verified, and no root for that is named".to_owned(),
            ));
        }
    };
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(certificates(&file)?);
    if added == 0 {
        return Err(bad_file(format!("{} holds no certificate that can be a root", file.display())));
    }
    Ok(Some(store))
}

fn own_key(file: &Path) -> Result<PrivateKeyDer<'static>, StoreError> {
    let said = |why: &dyn std::fmt::Display| {
        bad_file(format!("the key for the database cannot be read from {}: {why}", file.display()))
    };
    let mode = std::fs::metadata(file).map_err(|error| said(&error))?.permissions().mode();
    if mode & 0o037 != 0 {
        return Err(said(&"others can read it; `chmod 600` it"));
    }
    PrivateKeyDer::from_pem_file(file).map_err(|error| said(&error))
}

/// Looks whether the server holds the key of its certificate, and at most who signed that; not which name it is for.
#[derive(Debug)]
struct Lenient {
    crypto: Arc<CryptoProvider>,
    roots: Option<RootCertStore>,
}

impl ServerCertVerifier for Lenient {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(roots) = &self.roots {
            let known = self.crypto.signature_verification_algorithms.all;
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(certificate)?,
                roots,
                between,
                now,
                known,
            )?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.crypto.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.crypto.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.crypto.signature_verification_algorithms.supported_schemes()
    }
}

pub struct One {
    connector: Connector,
    name: Option<ServerName<'static>>,
}

/// What is spoken over, and what of the server's certificate a login is tied to.
pub struct Stream<S> {
    pub inner: S,
    pub binding: Option<Vec<u8>>,
}

pub type Encrypted = Stream<Box<client::TlsStream<Socket>>>;

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Encrypted;
    type TlsConnect = One;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> Result<One, io::Error> {
        Ok(One { connector: self.clone(), name: ServerName::try_from(host.to_owned()).ok() })
    }
}

impl TlsConnect<Socket> for One {
    type Stream = Encrypted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let nameless = || io::Error::new(io::ErrorKind::InvalidInput, "its name cannot be that of a certificate");
            let name = self.name.ok_or_else(nameless)?;
            let stream = TlsConnector::from(self.connector.config).connect(name, socket).await?;
            let version = match stream.get_ref().1.protocol_version() {
                Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
                Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
                _ => "TLS",
            };
            let _ = self.connector.agreed.set(version);
            let binding = binding(stream.get_ref().1.peer_certificates());
            Ok(Stream { inner: Box::new(stream), binding })
        })
    }
}

/// Ties the login to this server's certificate, so that nobody between can pass it on.
fn binding(chain: Option<&[CertificateDer<'_>]>) -> Option<Vec<u8>> {
    let certificate = chain?.first()?;
    Some(digest::digest(signed_with(certificate)?, certificate).as_ref().to_vec())
}

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.binding.clone().map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// The hash that a certificate was signed over; what is weak counts as SHA-256, and where there is no such hash, nothing.
fn signed_with(certificate: &[u8]) -> Option<&'static digest::Algorithm> {
    // A sequence of the certificate proper, then a sequence that begins with the algorithm's name.
    let (whole, _) = der(certificate, 0x30)?;
    let (_, rest) = der(whole, 0x30)?;
    let (algorithm, _) = der(rest, 0x30)?;
    let (name, _) = der(algorithm, 0x06)?;
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
    if let Some(kind) = name.strip_prefix(RSA) {
        return match kind {
            [4 | 5 | 11] => Some(&digest::SHA256),
            [12] => Some(&digest::SHA384),
            [13] => Some(&digest::SHA512),
            _ => None,
        };
    }
    match name.strip_prefix(ECDSA)? {
        [1] | [3, 2] => Some(&digest::SHA256),
        [3, 3] => Some(&digest::SHA384),
        [3, 4] => Some(&digest::SHA512),
        _ => None,
    }
}

/// The content of the first value, if it has this tag, and what follows it.
fn der(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (_, rest) = bytes.split_first().filter(|(first, _)| **first == tag)?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match usize::from(*length) {
        short @ 0..0x80 => (short, rest),
        long => {
            let (digits, rest) = rest.split_at_checked(long - 0x80).filter(|(digits, _)| digits.len() <= 4)?;
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
    };
    rest.split_at_checked(length)
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
