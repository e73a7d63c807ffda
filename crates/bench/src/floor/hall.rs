//! Everybody who is in, and what each of their words leads to.

use std::{cell::RefCell, collections::HashMap, io, path::Path, rc::Rc};

use tokio::net::TcpStream;

use super::{log::Log, staff, support};
use crate::frame;

/// One read; a burst of messages from one speaker fits.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// In which words a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Words {
    Support,
    Staff,
}

/// Everybody who is in.
pub struct Hall {
    admins: RefCell<Vec<Rc<TcpStream>>>,
    /// Who hears each session of `staff`.
    sessions: RefCell<HashMap<String, Vec<Rc<TcpStream>>>>,
    messages: RefCell<u64>,
    /// The namespace with which packets begin: empty, or `/name,`.
    head: String,
    /// What each message goes through before it is delivered.
    log: Option<Log<Delivery>>,
}

/// A message on its way.
struct Delivery {
    frame: Vec<u8>,
    to: Hearers,
}

enum Hearers {
    /// All admins, and whoever said it.
    AdminsAnd(Rc<TcpStream>),
    Session(String),
}

impl Hall {
    pub fn new(namespace: &str, has_log: bool) -> Self {
        Self {
            admins: RefCell::default(),
            sessions: RefCell::default(),
            messages: RefCell::new(0),
            head: if namespace == "/" { String::new() } else { format!("{namespace},") },
            log: has_log.then(Log::default),
        }
    }

    /// Keeps the log in this file, if there is one. Ends with what is wrong with the file.
    pub async fn keep(&self, path: &Path) -> io::Error {
        match &self.log {
            Some(log) => log.keep(path, |delivery| self.give_out(&delivery)).await,
            None => std::future::pending().await,
        }
    }

    /// Hears a connection to its end.
    pub async fn attend(&self, words: Words, stream: Rc<TcpStream>) -> io::Result<()> {
        let mut rest = Vec::new();
        let ended = loop {
            if let Err(error) = stream.readable().await {
                break error;
            }
            let done = SHARED.with_borrow_mut(|scratch| {
                let length = match stream.try_read(scratch) {
                    Ok(0) => return Err(io::ErrorKind::ConnectionAborted.into()),
                    Ok(length) => length,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error),
                };
                rest.extend_from_slice(&scratch[..length]);
                self.hear(words, &stream, &mut rest)
            });
            if let Err(error) = done {
                break error;
            }
        };
        let others = |there: &Rc<TcpStream>| !Rc::ptr_eq(there, &stream);
        match words {
            Words::Support => self.admins.borrow_mut().retain(others),
            Words::Staff => {
                self.sessions.borrow_mut().values_mut().for_each(|hearers| hearers.retain(others));
            }
        }
        Err(ended)
    }

    fn hear(&self, words: Words, stream: &Rc<TcpStream>, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut at = 0;
        while let Some(found) = frame::find(&bytes[at..]).map_err(io::Error::other)? {
            let payload = &mut bytes[at + found.start..at + found.end];
            if let Some(mask) = found.mask {
                frame::unmask(payload, mask);
            }
            match words {
                Words::Support => self.answer_support(stream, payload)?,
                Words::Staff => self.answer_staff(stream, payload)?,
            }
            at += found.end;
        }
        bytes.drain(..at);
        if bytes.is_empty() {
            *bytes = Vec::new();
        }
        Ok(())
    }

    fn answer_support(&self, stream: &Rc<TcpStream>, text: &[u8]) -> io::Result<()> {
        use support::{ADMIN_ONLINE, OWN_CONVERSATION, Word, connected, event, message};
        match Word::of(text) {
            Word::Connect => write(stream, &connected(&self.head)),
            Word::JoinStaff => {
                self.admins.borrow_mut().push(stream.clone());
                write(stream, &event(&self.head, ADMIN_ONLINE))
            }
            Word::AskOwn => write(stream, &event(&self.head, OWN_CONVERSATION)),
            Word::Say(content) => {
                let number = self.messages.replace_with(|number| *number + 1) + 1;
                let frame = message(&self.head, number, content);
                self.deliver(content, Delivery { frame, to: Hearers::AdminsAnd(stream.clone()) })
            }
            Word::Other => Ok(()),
        }
    }

    fn answer_staff(&self, stream: &Rc<TcpStream>, text: &[u8]) -> io::Result<()> {
        use staff::{Word, registered, reply, staff_registered};
        match Word::of(text) {
            Word::Register(session) => {
                self.sessions.borrow_mut().entry(session.to_owned()).or_default().push(stream.clone());
                write(stream, &registered(session))
            }
            Word::RegisterStaff => write(stream, &staff_registered()),
            Word::Say { session, content } => {
                let to = Hearers::Session(session.to_owned());
                self.deliver(content, Delivery { frame: reply(content), to })
            }
            Word::Other => Ok(()),
        }
    }

    /// At once, or when it is on disk.
    fn deliver(&self, content: &str, delivery: Delivery) -> io::Result<()> {
        match &self.log {
            Some(log) => log.append(content.as_bytes(), delivery),
            None => {
                self.give_out(&delivery);
                Ok(())
            }
        }
    }

    /// A socket that cannot take it loses it: to wait is no floor's work, and the generator counts what is missing.
    fn give_out(&self, Delivery { frame, to }: &Delivery) {
        let give = |stream: &Rc<TcpStream>| {
            let _ = write(stream, frame);
        };
        match to {
            Hearers::AdminsAnd(speaker) => {
                self.admins.borrow().iter().for_each(give);
                give(speaker);
            }
            Hearers::Session(session) => {
                self.sessions.borrow().get(session).into_iter().flatten().for_each(give);
            }
        }
    }
}

/// One write. What is cut short cannot be repaired, so it ends the connection.
fn write(stream: &TcpStream, frame: &[u8]) -> io::Result<()> {
    match stream.try_write(frame)? {
        length if length == frame.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}
