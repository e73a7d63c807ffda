//! A log that makes the floor a ceiling for what keeps messages: each is on disk before anybody hears it.
//!
//! Commits in groups: what comes in while the file is being flushed waits, and goes with the next flush together.

use std::{cell::RefCell, fs::File, io, io::Write as _, mem, path::Path};

use tokio::sync::Notify;

/// What may wait for the disk. A generator that is that far ahead measures nothing any more.
const WAITING_MAX: usize = 64 * 1024 * 1024;

/// Records, and what shall be done once each is on disk.
pub struct Log<T> {
    waiting: RefCell<Waiting<T>>,
    appended: Notify,
}

struct Waiting<T> {
    bytes: Vec<u8>,
    kept: Vec<T>,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self { bytes: Vec::new(), kept: Vec::new() }
    }
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Self { waiting: RefCell::default(), appended: Notify::new() }
    }
}

impl<T> Log<T> {
    /// Appends a record: its length, and then it. What goes with it is given out once it is on disk.
    pub fn append(&self, record: &[u8], kept: T) -> io::Result<()> {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.bytes.len() + record.len() > WAITING_MAX {
            return Err(io::Error::other("too much waits for the disk"));
        }
        waiting.bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        waiting.bytes.extend_from_slice(record);
        waiting.kept.push(kept);
        self.appended.notify_one();
        Ok(())
    }

    /// Writes and flushes what waits, again and again, and gives out what is on disk, in the order of appends. Ends with
    /// what is wrong with the file.
    pub async fn keep(&self, path: &Path, mut give_out: impl FnMut(T)) -> io::Error {
        let mut file = match File::create(path) {
            Ok(file) => file,
            Err(error) => return error,
        };
        loop {
            self.appended.notified().await;
            let Waiting { bytes, kept } = mem::take(&mut *self.waiting.borrow_mut());
            file = match flushed(file, bytes).await {
                Ok(file) => file,
                Err(error) => return error,
            };
            kept.into_iter().for_each(&mut give_out);
        }
    }
}

/// Gives the file back when these bytes are on disk. On another thread, so that what comes meanwhile is read.
async fn flushed(mut file: File, bytes: Vec<u8>) -> io::Result<File> {
    let flush = tokio::task::spawn_blocking(move || {
        file.write_all(&bytes)?;
        file.sync_data()?;
        Ok(file)
    });
    flush.await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[tokio::test]
    async fn what_is_given_out_is_in_the_file_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Rc::new(Log::default());
        let (told, mut heard) = tokio::sync::mpsc::channel(16);
        let keep = log.keep(&path, |number: u32| told.try_send(number).unwrap());
        let append = async {
            log.append(b"one", 1).unwrap();
            log.append(b"second", 2).unwrap();
            assert_eq!((heard.recv().await, heard.recv().await), (Some(1), Some(2)));
            log.append(b"three", 3).unwrap();
            assert_eq!(heard.recv().await, Some(3));
        };
        tokio::select! {
            error = keep => panic!("{error}"),
            () = append => {}
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"\x03\0\0\0one\x06\0\0\0second\x05\0\0\0three");
    }

    #[test]
    fn what_may_wait_has_a_bound() {
        let log = Log::default();
        log.append(&vec![0; WAITING_MAX], ()).unwrap();
        assert!(log.append(b"x", ()).is_err());
    }
}
