//! Decoding a recorded AMI stream: the dialer's session, another crate's codec, and the scan that is the limit.
//!
//! All get the same bytes in the same pieces, one after the other in each round. What comes of a message is looked at
//! in the same way: every header's key and value, once.

use std::cmp::Reverse;
use std::hint::black_box;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::ensure;
use asterisk_rs_ami::codec::AmiCodec;
use bytes::BytesMut;
use dialer::ami::{Auth, Handler, Login, Message, SessionError, SharedHandler, open};
use dialer::call::correlator::Correlator;
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant as Moment;
use tokio_util::codec::Decoder;

use crate::cli::Options;
use crate::recording::{self, Mix};
use crate::report::{Table, Unit};

/// What a read gives at most, as from a socket.
const PIECE: usize = 32 * 1024;

/// How long each contender runs in each round.
const ROUND: Duration = Duration::from_millis(300);

/// Decodes the recording once.
type Contender = fn(&'static [u8]) -> anyhow::Result<Seen>;

const OURS: &str = "dialer's session: reads, judges, keeps";
const NOTHING_DROPPED: &str = "dialer's session, nothing dropped";
const OTHER: &str = "asterisk-rs-ami 0.8, its codec";
const SCAN: &str = "scan for frame ends (memchr), the limit";

pub(crate) fn measure(options: &Options) -> anyhow::Result<Table> {
    let stream = recording::stream()?;
    let keeps = |name: &[u8]| Correlator::default().wants(name);
    let mix = recording::mix(stream, keeps);
    check(stream, &mix)?;
    let mut table = Table::new(
        "Decoding AMI",
        about(stream, &mix),
        "by",
        &[
            ("MB/s", Unit::MegabytesPerSecond),
            ("messages/s", Unit::PerSecond),
            ("÷ asterisk-rs-ami", Unit::Ratio),
            ("÷ scan", Unit::Ratio),
        ],
    );
    let round = options.size(ROUND, Duration::from_millis(1));
    for _ in 0..options.runs() {
        let contenders: [(&str, Contender); 4] = [
            (OURS, |stream| session(stream, false)),
            (NOTHING_DROPPED, |stream| session(stream, true)),
            (OTHER, other),
            (SCAN, |stream| Ok(scan(stream))),
        ];
        let mut seconds = Vec::new();
        for (_, contender) in contenders {
            seconds.push(time(stream, round, contender)?);
        }
        for ((label, _), &taken) in contenders.iter().zip(&seconds) {
            table.add(
                *label,
                &[
                    Some(stream.len() as f64 / taken / 1e6),
                    Some(mix.messages as f64 / taken),
                    Some(seconds[2] / taken),
                    Some(seconds[3] / taken),
                ],
            );
        }
    }
    Ok(table)
}

fn about(stream: &[u8], mix: &Mix) -> String {
    let percent = |part: usize, whole: usize| 100.0 * part as f64 / whole as f64;
    let mut kinds: Vec<_> = mix.kinds.iter().collect();
    kinds.sort_by_key(|&(name, &count)| (Reverse(count), name));
    let kinds: Vec<_> = kinds
        .iter()
        .map(|&(name, &count)| format!("{name} {:.0}%", percent(count, mix.messages)))
        .collect();
    format!(
        "{:.1} MB recorded from Asterisk 22, played whole: {} answered and {} failed calls, {} messages ({}), of which the dialer \
         keeps {:.0}%, or {:.0}% of the bytes. Every header of every message kept is read once.",
        stream.len() as f64 / 1e6,
        mix.answered,
        mix.failed,
        mix.messages,
        kinds.join(", "),
        percent(mix.kept, mix.messages),
        percent(mix.kept_bytes, stream.len()),
    )
}

/// What a contender has seen, so that none can leave anything out.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    messages: usize,
    headers: usize,
    bytes: usize,
}

impl Seen {
    fn header(&mut self, key: &[u8], value: &[u8]) {
        self.headers += 1;
        self.bytes += key.len() + value.len();
    }
}

/// Holds that everyone sees everything: the same messages, and the same headers in them.
fn check(stream: &'static [u8], mix: &Mix) -> anyhow::Result<()> {
    let (all, kept) = (session(stream, true)?, session(stream, false)?);
    let other = other(stream)?;
    ensure!(
        mix.kept * 2 >= mix.messages,
        "the recording is not what is kept: {mix:?}"
    );
    ensure!(
        scan(stream).messages == mix.messages,
        "the scan lost messages"
    );
    ensure!(
        all.messages == mix.messages,
        "the session lost messages: {all:?}, {mix:?}"
    );
    ensure!(
        kept.messages == mix.kept,
        "the session kept others: {kept:?}, {mix:?}"
    );
    // Not the bytes: the other codec drops every space that a value begins with.
    let whole = |seen: &Seen| (seen.messages, seen.headers);
    ensure!(
        whole(&all) == whole(&other),
        "the codecs disagree: {all:?}, {other:?}"
    );
    Ok(())
}

/// Seconds for one pass over the stream.
fn time(stream: &'static [u8], round: Duration, contender: Contender) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut passes = 0_u32;
    while passes == 0 || began.elapsed() < round {
        black_box(contender(black_box(stream))?);
        passes += 1;
    }
    Ok(began.elapsed().as_secs_f64() / f64::from(passes))
}

fn scan(stream: &[u8]) -> Seen {
    let messages = memmem::find_iter(stream, b"\r\n\r\n").count();
    Seen {
        messages,
        ..Seen::default()
    }
}

fn other(stream: &[u8]) -> anyhow::Result<Seen> {
    let mut codec = AmiCodec::new();
    let mut buffer = BytesMut::from(BANNER);
    let mut seen = Seen::default();
    for piece in stream.chunks(PIECE) {
        buffer.extend_from_slice(piece);
        while let Some(message) = codec.decode(&mut buffer)? {
            seen.messages += 1;
            for (key, value) in &message.headers {
                seen.header(key.as_bytes(), value.as_bytes());
            }
        }
    }
    Ok(seen)
}

const BANNER: &[u8] = b"Asterisk Call Manager/11.0.0\r\n";
const WELCOME: &[u8] = b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\nActionID: login\r\n\r\nEvent: FullyBooted\r\n\r\n";

/// The whole receiving path of the dialer, from the socket's bytes to its handler.
fn session(stream: &'static [u8], everything: bool) -> anyhow::Result<Seen> {
    let played = Played {
        stream,
        greeted: false,
        at: 0,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(async {
        let login = Login::new("bench", "bench", Auth::Plain, Duration::from_secs(5));
        let reader = SharedHandler::new(Reader {
            everything,
            ..Reader::default()
        });
        let session = open(played, &login, reader.clone()).await?;
        session.client.closed().await;
        Ok(std::mem::take(&mut reader.lock().seen))
    })
}

/// A socket on which a recording comes in. What is written to it goes nowhere.
struct Played {
    stream: &'static [u8],
    greeted: bool,
    at: usize,
}

impl AsyncRead for Played {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.greeted {
            self.greeted = true;
            buffer.put_slice(WELCOME);
            return Poll::Ready(Ok(()));
        }
        let piece = PIECE
            .min(buffer.remaining())
            .min(self.stream.len() - self.at);
        buffer.put_slice(&self.stream[self.at..self.at + piece]);
        self.at += piece;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Played {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Keeps what the correlator would, and reads every header of it.
#[derive(Default)]
struct Reader {
    everything: bool,
    correlator: Correlator,
    seen: Seen,
}

impl Reader {
    fn read(&mut self, message: &Message) {
        self.seen.messages += 1;
        for (key, value) in message.headers() {
            self.seen.header(key, value);
        }
    }
}

impl Handler for Reader {
    type Note = ();

    fn wants(&self, event: &[u8]) -> bool {
        event != b"FullyBooted" && (self.everything || self.correlator.wants(event))
    }

    fn event(&mut self, message: &Message, _: Moment) {
        self.read(message);
    }

    fn response(&mut self, _: &[u8], message: &Message, _: Moment) {
        self.read(message);
    }

    fn note(&mut self, (): (), _: Moment) {}

    fn flushed(&mut self, _: Moment) {}

    fn deadline(&self) -> Option<Moment> {
        None
    }

    fn tick(&mut self, _: Moment) {}

    fn closed(&mut self, _: &SessionError, _: Moment) {}
}
