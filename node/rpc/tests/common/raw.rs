//! HTTP and WebSocket by hand, for clients that no library would make.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use super::PATIENCE;

/// A WebSocket whose frames are made and taken apart here.
pub struct RawSocket {
    pub stream: TcpStream,
}

impl RawSocket {
    /// Connects with a small buffer for what comes, so that a client that does not read is noticed soon.
    pub async fn connect(address: SocketAddr, headers: &str) -> Result<Self, String> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        let request = format!(
            "GET /g/group1 HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let head = read_head(&mut stream).await;
        // RFC 6455's own example of a key and what is made of it.
        if head.contains(" 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=") {
            Ok(Self { stream })
        } else {
            Err(head)
        }
    }

    /// A client's text frame.
    pub fn frame(text: &str) -> Vec<u8> {
        let mut frame = vec![0x81];
        match text.len() {
            short @ ..126 => frame.push(0x80 | u8::try_from(short).unwrap()),
            medium @ ..65_536 => {
                frame.push(0xfe);
                frame.extend(u16::try_from(medium).unwrap().to_be_bytes());
            }
            long => {
                frame.push(0xff);
                frame.extend((long as u64).to_be_bytes());
            }
        }
        // A mask of zeros leaves the bytes as they are.
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        frame
    }

    pub async fn send(&mut self, text: &str) {
        self.stream.write_all(&Self::frame(text)).await.unwrap();
    }

    /// The next frame: its kind and its bytes. Nothing where the connection is gone.
    pub async fn next(&mut self) -> Option<(u8, Vec<u8>)> {
        let read = async {
            let [first, length] = self.stream.read_u16().await?.to_be_bytes();
            let length = match length {
                126 => u64::from(self.stream.read_u16().await?),
                127 => self.stream.read_u64().await?,
                short => u64::from(short),
            };
            let mut bytes = vec![0; usize::try_from(length).unwrap()];
            self.stream.read_exact(&mut bytes).await?;
            std::io::Result::Ok((first & 0x0f, bytes))
        };
        tokio::time::timeout(PATIENCE, read).await.expect("in time").ok()
    }

    /// The next text as JSON.
    pub async fn json(&mut self) -> Value {
        let (kind, bytes) = self.next().await.expect("a frame");
        assert_eq!(kind, 1, "{}", String::from_utf8_lossy(&bytes));
        serde_json::from_slice(&bytes).unwrap()
    }
}

/// Reads up to the empty line.
pub async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(Ok(byte)) = tokio::time::timeout(PATIENCE, stream.read_u8()).await else { break };
        head.push(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// How long it takes until the other side closes.
pub async fn closed_after(stream: &mut TcpStream) -> Duration {
    let began = std::time::Instant::now();
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "it stays open");
    began.elapsed()
}

/// The memory that this process has in use, in bytes.
pub fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// The value of a metric.
pub fn metric(text: &str, name: &str) -> i64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name} in\n{text}"));
    line.trim().parse().unwrap()
}
