//! TLS for the fakes, which speak plain HTTP.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::temporary;

/// TLS in front of a fake.
pub struct Front {
    pub url: String,
    /// The file that holds its authority's certificate.
    pub bundle: String,
    accepted: Arc<AtomicUsize>,
}

impl Front {
    /// How many connections were ever made to it.
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

/// Puts TLS in front of `target`, with a certificate for `localhost` from an authority of its own.
pub async fn tls_in_front_of(target: SocketAddr, name: &str) -> Front {
    let mut authority = CertificateParams::default();
    // OpenSSL takes a certificate for its own authority when both have the same name.
    authority.distinguished_name.push(DnType::CommonName, "authority of the tests");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = certificate.signed_by(&key, &authority).expect("a certificate");
    let bundle = temporary(&format!("{name}.pem"));
    std::fs::write(&bundle, authority.pem()).expect("a file");

    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).expect("a key"))
        .expect("a certificate that fits its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
    let accepted = Arc::new(AtomicUsize::new(0));
    let front = Front { url, bundle: bundle.display().to_string(), accepted: Arc::clone(&accepted) };
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            accepted.fetch_add(1, Ordering::Relaxed);
            client.set_nodelay(true).expect("an option of a socket");
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = tokio::net::TcpStream::connect(target).await.expect("the fake listens");
                server.set_nodelay(true).expect("an option of a socket");
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    front
}
