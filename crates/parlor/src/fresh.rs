//! A file that is written beside its place and moved there when it is whole and flushed: nobody finds half of it, and it is
//! its owner's alone from the beginning. Dropped before that, it is gone.

use std::{
    fs::{File, OpenOptions},
    io::{Error, ErrorKind, Result},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use crate::data_dir::FILE_MODE;

/// The file, as long as it is not in its place.
#[derive(Debug)]
pub struct Fresh {
    path: PathBuf,
    place: PathBuf,
    is_settled: bool,
}

impl Fresh {
    /// An empty file in the folder of its place.
    pub fn beside(place: &Path) -> Result<Self> {
        let name = place.file_name().ok_or_else(|| Error::from(ErrorKind::InvalidFilename))?;
        let path = place.with_file_name(format!(".{}.{}.part", name.display(), std::process::id()));
        OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&path)?;
        Ok(Self { path, place: place.to_owned(), is_settled: false })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves it to its place, where nothing may be.
    pub fn settle_new(mut self) -> Result<()> {
        File::open(&self.path)?.sync_all()?;
        match renameat_with(CWD, &self.path, CWD, &self.place, RenameFlags::NOREPLACE) {
            Ok(()) => self.is_settled = true,
            // The file system cannot; its other name goes with this value.
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => std::fs::hard_link(&self.path, &self.place)?,
            Err(error) => return Err(error.into()),
        }
        flush_folder(&self.place)
    }

    /// Moves it to its place, whatever is there.
    pub fn settle_over(mut self) -> Result<()> {
        File::open(&self.path)?.sync_all()?;
        std::fs::rename(&self.path, &self.place)?;
        self.is_settled = true;
        flush_folder(&self.place)
    }
}

impl Drop for Fresh {
    fn drop(&mut self) {
        if !self.is_settled {
            // It may be gone already; nobody asks for it.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Makes durable which files a folder has.
pub fn flush_folder(of: &Path) -> Result<()> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn it_appears_whole_and_private_and_never_over_another() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("file");
        let fresh = Fresh::beside(&place).unwrap();
        std::fs::write(fresh.path(), "first").unwrap();
        assert!(!place.exists());
        fresh.settle_new().unwrap();
        assert_eq!(std::fs::metadata(&place).unwrap().permissions().mode() & 0o777, FILE_MODE);

        let fresh = Fresh::beside(&place).unwrap();
        std::fs::write(fresh.path(), "second").unwrap();
        assert_eq!(fresh.settle_new().unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "first");
        let fresh = Fresh::beside(&place).unwrap();
        std::fs::write(fresh.path(), "third").unwrap();
        fresh.settle_over().unwrap();
        assert_eq!(std::fs::read_to_string(&place).unwrap(), "third");
        assert_eq!(names(folder.path()), ["file"], "nothing is left beside it");
    }

    #[test]
    fn what_is_given_up_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        drop(Fresh::beside(&folder.path().join("file")).unwrap());
        assert_eq!(names(folder.path()), [""; 0]);
    }
}
