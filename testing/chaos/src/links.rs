//! The links between nodes: each node reaches each other one through a proxy of ours, which can be cut or made bad.
//!
//! A kernel's network emulation would drop packets below TCP. Here a lost packet is what it is to those above TCP: what it
//! carried, and all behind it, comes after the time in which it is sent again (RFC 6298: at least 200 ms in Linux, twice
//! as long each time).

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use entente_sim::Numbers;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

/// Bytes that are taken up at once: about what an Ethernet carries in a burst.
const CHUNK_BYTES: usize = 16 << 10;
/// Chunks on the way through a proxy.
const CHUNKS_MAX: usize = 64;
/// After how long a lost packet is sent again, for the first time.
const SENT_AGAIN: Duration = Duration::from_millis(200);

/// How a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// As it should.
    Good,
    /// Nothing gets through; connections stand.
    Hangs,
    /// Nothing gets through; connections end, and new ones do too.
    Ends,
    /// All comes later, and so many packets of a thousand are lost.
    Bad {
        /// How much later.
        delay: Duration,
        /// How many of a thousand.
        loss_per_mille: u64,
    },
}

/// The links of a consortium, by who dials whom.
pub struct Links {
    states: BTreeMap<(usize, usize), watch::Sender<LinkState>>,
    numbers: Arc<Mutex<Numbers>>,
}

impl Links {
    /// None yet.
    pub fn new(seed: u64) -> Self {
        Self { states: BTreeMap::new(), numbers: Arc::new(Mutex::new(Numbers::new(seed ^ 0x11f7))) }
    }

    /// Makes the link by which one node dials another at an address: the address to dial instead.
    ///
    /// # Errors
    /// There is no port.
    pub async fn make(&mut self, from: usize, to: usize, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let own = listener.local_addr()?;
        let (sender, state) = watch::channel(LinkState::Good);
        self.states.insert((from, to), sender);
        let numbers = Arc::clone(&self.numbers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(stream, address, state.clone(), Arc::clone(&numbers)));
            }
        });
        Ok(own)
    }

    /// Sets the links between two nodes, whoever dials.
    pub fn set(&self, one: usize, other: usize, state: LinkState) {
        for pair in [(one, other), (other, one)] {
            if let Some(sender) = self.states.get(&pair) {
                sender.send_replace(state);
            }
        }
    }

    /// Sets the links between the nodes for which this holds and all others.
    pub fn set_between(&self, inside: impl Fn(usize) -> bool, state: LinkState) {
        for ((from, to), sender) in &self.states {
            if inside(*from) != inside(*to) {
                sender.send_replace(state);
            }
        }
    }

    /// All links are as they should be.
    pub fn heal(&self) {
        for sender in self.states.values() {
            sender.send_replace(LinkState::Good);
        }
    }
}

/// One connection, until either end or the link ends it.
async fn carry(near: TcpStream, address: SocketAddr, state: watch::Receiver<LinkState>, numbers: Arc<Mutex<Numbers>>) {
    if *state.borrow() == LinkState::Ends {
        return;
    }
    let Ok(far) = TcpStream::connect(address).await else { return };
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    let (near_reads, near_writes) = near.into_split();
    let (far_reads, far_writes) = far.into_split();
    let mut ends = state.clone();
    tokio::select! {
        () = pump(near_reads, far_writes, state.clone(), Arc::clone(&numbers)) => {}
        () = pump(far_reads, near_writes, state, numbers) => {}
        _ = ends.wait_for(|state| *state == LinkState::Ends) => {}
    }
}

/// Carries bytes one way: takes them up, and gives them out when they are due.
async fn pump(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<LinkState>,
    numbers: Arc<Mutex<Numbers>>,
) {
    let (sender, mut chunks) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    let states = state.clone();
    let taking_up = async move {
        let mut buffer = vec![0; CHUNK_BYTES];
        loop {
            let length = match from.read(&mut buffer).await {
                Ok(length) if length > 0 => length,
                _ => return,
            };
            let late = lateness(*states.borrow(), &numbers);
            let bytes = buffer.get(..length).unwrap_or_default().to_vec();
            if sender.send((Instant::now() + late, bytes)).await.is_err() {
                return;
            }
        }
    };
    let giving_out = async move {
        while let Some((due, bytes)) = chunks.recv().await {
            sleep_until(due).await;
            if state.wait_for(|state| *state != LinkState::Hangs).await.is_err() || to.write_all(&bytes).await.is_err()
            {
                return;
            }
        }
        let _ = to.shutdown().await;
    };
    tokio::join!(taking_up, giving_out);
}

/// How much later a chunk comes.
fn lateness(state: LinkState, numbers: &Mutex<Numbers>) -> Duration {
    let LinkState::Bad { delay, loss_per_mille } = state else { return Duration::ZERO };
    let mut numbers = numbers.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut late, mut again) = (delay, SENT_AGAIN);
    while numbers.per_mille(loss_per_mille) && again < SENT_AGAIN * 16 {
        late += again;
        again *= 2;
    }
    late
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reads, mut writes) = stream.split();
                    let _ = tokio::io::copy(&mut reads, &mut writes).await;
                });
            }
        });
        address
    }

    async fn said(stream: &mut TcpStream, wait: Duration) -> Option<u8> {
        stream.write_all(b"x").await.ok()?;
        let mut byte = [0];
        match tokio::time::timeout(wait, stream.read_exact(&mut byte)).await {
            Ok(Ok(_)) => Some(byte[0]),
            _ => None,
        }
    }

    #[tokio::test]
    async fn a_link_hangs_ends_is_late_and_is_healed() {
        let mut links = Links::new(1);
        let address = links.make(0, 1, echo().await).await.unwrap();
        let long = Duration::from_secs(10);
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert_eq!(said(&mut stream, long).await, Some(b'x'));
        links.set(1, 0, LinkState::Hangs);
        assert_eq!(said(&mut stream, Duration::from_millis(100)).await, None);
        links.heal();
        let mut byte = [0];
        tokio::time::timeout(long, stream.read_exact(&mut byte)).await.unwrap().unwrap();
        links.set(0, 1, LinkState::Bad { delay: Duration::from_millis(60), loss_per_mille: 0 });
        let begun = Instant::now();
        assert_eq!(said(&mut stream, long).await, Some(b'x'));
        assert!(begun.elapsed() >= Duration::from_millis(120), "there and back: {:?}", begun.elapsed());
        links.set_between(|node| node == 0, LinkState::Ends);
        assert_eq!(said(&mut stream, long).await, None);
        let mut again = TcpStream::connect(address).await.unwrap();
        assert_eq!(said(&mut again, long).await, None, "a new one ends too");
        links.heal();
        let mut healed = TcpStream::connect(address).await.unwrap();
        assert_eq!(said(&mut healed, long).await, Some(b'x'));
    }

    #[test]
    fn what_is_lost_comes_later() {
        let numbers = Mutex::new(Numbers::new(7));
        let bad = LinkState::Bad { delay: Duration::from_millis(300), loss_per_mille: 50 };
        let lost = (0..10_000).filter(|_| lateness(bad, &numbers) > Duration::from_millis(300)).count();
        assert!((400..600).contains(&lost), "{lost} of 10000");
        assert_eq!(lateness(LinkState::Good, &numbers), Duration::ZERO);
    }
}
