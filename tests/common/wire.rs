//! A wire to a fake on which connections can die without a word, as they do while Lambda freezes a sandbox.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub struct Wire {
    pub url: String,
    /// Connections of an earlier age are dead.
    age: Arc<AtomicUsize>,
    /// How many answers are still to be cut off.
    cuts: Arc<AtomicUsize>,
}

impl Wire {
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (age, cuts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let wire = Self { url, age: Arc::clone(&age), cuts: Arc::clone(&cuts) };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, target, Arc::clone(&age), Arc::clone(&cuts)));
            }
        });
        wire
    }

    /// Every connection that is open swallows from now on what it is given, and never answers.
    pub fn let_connections_die(&self) {
        self.age.fetch_add(1, Ordering::Relaxed);
    }

    /// The connection of each of the next answers ends before the answer does.
    pub fn cut_answers(&self, count: usize) {
        self.cuts.store(count, Ordering::Relaxed);
    }
}

async fn carry(client: TcpStream, target: SocketAddr, age: Arc<AtomicUsize>, cuts: Arc<AtomicUsize>) {
    let born = age.load(Ordering::Relaxed);
    let is_dead = || age.load(Ordering::Relaxed) != born;
    let server = TcpStream::connect(target).await.expect("the fake listens");
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let there = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            if !is_dead() && to_server.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    let back = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            let is_cut = cuts.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
            let whole = if is_cut { count - count.min(10) } else { count };
            if !is_dead() && to_client.write_all(&buffer[..whole]).await.is_err() || is_cut {
                break;
            }
        }
    };
    // Whichever end closes, both do.
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}
