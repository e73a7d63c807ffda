//! One connection of the generator: a socket, a script, and what it has not yet parsed.
//!
//! Thousands of these live in one thread. At rest one holds no buffer: it reads into one that all share and keeps only
//! what is left of an incomplete frame.

mod inbox;
mod open;

use std::{
    cell::{Cell, RefCell},
    fmt, io,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    frame,
    member::inbox::Inbox,
    script::{Heard, Memory, Person, Shared},
    stamp::Stamp,
    tally::Tally,
};

pub use open::Opening;

/// What one read may bring. Shared by all connections of the thread.
const SCRATCH: usize = 256 * 1024;

/// A server that takes longer to let somebody in is not being measured any more.
const PATIENCE: Duration = Duration::from_secs(20);

thread_local! {
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The server closed it, with a close frame or without.
    Closed,
    /// The server turned it away, in its own words.
    Refused(String),
    /// It broke, or said what no server should.
    Broken(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed by the server"),
            Self::Refused(why) => write!(f, "refused: {why}"),
            Self::Broken(why) => write!(f, "broken: {why}"),
        }
    }
}

/// A connection that plays somebody.
pub struct Member {
    /// Its place in the tally.
    pub index: usize,
    pub person: Person,
    script: Shared,
    tally: Rc<Tally>,
    stream: TcpStream,
    inbox: RefCell<Inbox>,
    memory: RefCell<Memory>,
    joined: Cell<bool>,
    /// Bytes that the kernel did not take yet.
    out: RefCell<Vec<u8>>,
    /// How often it had to wait for the kernel to take them.
    held: Cell<u64>,
}

impl Member {
    /// Connects and comes in: returns once the server has said that this person is in.
    pub async fn join(opening: &Opening, index: usize, person: Person, memory: Memory) -> Result<Self> {
        let joined = timeout(PATIENCE, Self::come_in(opening, index, person, memory)).await;
        joined.context("the server does not let it in, nor refuses")?
    }

    async fn come_in(opening: &Opening, index: usize, person: Person, memory: Memory) -> Result<Self> {
        let (stream, rest) = opening.open(&person).await?;
        let member = Self {
            index,
            person,
            script: opening.script.clone(),
            tally: opening.tally.clone(),
            stream,
            inbox: RefCell::default(),
            memory: RefCell::new(memory),
            joined: Cell::new(false),
            out: RefCell::default(),
            held: Cell::new(0),
        };
        for text in member.script.greet(&person) {
            member.put(frame::TEXT, text.as_bytes());
        }
        let mut ended = member.take(&rest);
        while !member.joined.get() {
            if let Some(ended) = ended {
                bail!("{ended}");
            }
            member.flush().await?;
            ended = member.read().await;
        }
        member.flush().await?;
        Ok(member)
    }

    /// Hears what comes until the connection ends.
    pub async fn listen(&self) -> Ended {
        loop {
            if let Some(ended) = self.read().await {
                return ended;
            }
        }
    }

    /// Says these frames, all in one write if the kernel takes it.
    pub async fn say(&self, texts: &[String]) -> io::Result<()> {
        for text in texts {
            self.put(frame::TEXT, text.as_bytes());
        }
        self.flush().await
    }

    /// How often the kernel did not take at once what was said: the server reads slower than it is written to.
    pub fn held(&self) -> u64 {
        self.held.get()
    }

    /// A message in this room, in the words of the server.
    pub fn words(&self, room: usize, text: &str) -> String {
        self.script.say(room, text)
    }

    /// What it would need to come back as the same.
    pub fn memory(&self) -> Memory {
        Memory { stage: 0, ..self.memory.borrow().clone() }
    }

    /// True once the kernel knows that the other side has ended the connection, whether it was read to its end or not.
    pub async fn is_ended(&self) -> bool {
        let ready = self.stream.ready(tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE).await;
        ready.is_ok_and(|ready| ready.is_read_closed() || ready.is_write_closed() || ready.is_error())
    }

    /// One read: waits for bytes and hears what is whole of them.
    async fn read(&self) -> Option<Ended> {
        if let Err(error) = self.stream.readable().await {
            return Some(Ended::Broken(error.to_string()));
        }
        let ended = SHARED.with_borrow_mut(|scratch| match self.stream.try_read(scratch) {
            Ok(0) => Some(Ended::Closed),
            Ok(length) => self.take(&scratch[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => Some(Ended::Broken(error.to_string())),
        });
        // An answer that does not fit waits for the next read or word: a server that takes no pong has other worries.
        if let Err(error) = self.try_flush()
            && ended.is_none()
        {
            return Some(Ended::Broken(error.to_string()));
        }
        ended
    }

    fn take(&self, bytes: &[u8]) -> Option<Ended> {
        let taken = self.inbox.borrow_mut().take(bytes, &mut |opcode, payload| self.hear(opcode, payload));
        taken.unwrap_or_else(|error| Some(Ended::Broken(error.to_string())))
    }

    fn hear(&self, opcode: u8, payload: &[u8]) -> Option<Ended> {
        match opcode {
            frame::TEXT => return self.hear_text(payload),
            frame::PING => self.put(frame::PONG, payload),
            frame::CLOSE => return Some(Ended::Closed),
            _ => {}
        }
        None
    }

    fn hear_text(&self, text: &[u8]) -> Option<Ended> {
        let mut answers = Vec::new();
        let heard = self.script.hear(&self.person, text, &mut self.memory.borrow_mut(), &mut answers);
        match heard {
            Heard::Delivery(bytes) => {
                if let Some(stamp) = Stamp::find(bytes) {
                    self.tally.heard(self.index, stamp);
                }
            }
            Heard::Joined => self.joined.set(true),
            Heard::Refused(why) => return Some(Ended::Refused(why)),
            Heard::Nothing => {}
        }
        for answer in answers {
            self.put(frame::TEXT, answer.as_bytes());
        }
        None
    }

    fn put(&self, opcode: u8, payload: &[u8]) {
        frame::put_masked(&mut self.out.borrow_mut(), opcode, payload);
    }

    async fn flush(&self) -> io::Result<()> {
        while !self.try_flush()? {
            self.held.set(self.held.get() + 1);
            self.stream.writable().await?;
        }
        Ok(())
    }

    /// True if nothing is left.
    fn try_flush(&self) -> io::Result<bool> {
        let mut out = self.out.borrow_mut();
        let mut written = 0;
        while written < out.len() {
            match self.stream.try_write(&out[written..]) {
                Ok(length) => written += length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        out.drain(..written);
        if out.is_empty() {
            *out = Vec::new();
        }
        Ok(out.is_empty())
    }
}
