//! A folder for a new run: chosen, cleared and locked.

use super::ModelFolder;
use super::folder::inside;
use crate::error::Error;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const LOCK: &str = ".lock";
/// Most names tried beside the wanted folder.
const MOST_BESIDE: u32 = 10_000;

/// Exclusive use of a model folder for training, until it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    /// Closing the file releases the lock.
    _file: Option<File>,
}

impl Lock {
    /// Locks a folder.
    ///
    /// # Errors
    /// [`Error::InUse`] while another process trains in it; a folder that cannot be written.
    pub fn take(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(LOCK);
        let file = File::create(&path).map_err(Error::io("write", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(Error::InUse {
                path: folder.to_path_buf(),
            }),
            // Some file systems have no locks. The run then proceeds without one.
            Err(TryLockError::Error(_)) => Ok(Self { _file: None }),
        }
    }
}

/// Treatment of a run that the folder already holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Returns an error.
    #[default]
    Refuse,
    /// Removes its files.
    Replace,
    /// Keeps a finished or active run; the new one gets a folder beside it: `NAME-2`, `NAME-3` and so on.
    Beside,
}

/// A locked folder without a run.
#[derive(Debug)]
pub struct Room {
    /// The folder.
    pub path: PathBuf,
    /// Held while the run lasts.
    pub lock: Lock,
}

impl Room {
    /// Refuses a folder that already holds a run, before time is spent on the new run.
    ///
    /// # Errors
    /// [`Error::Occupied`].
    pub fn check(wanted: &Path, existing: Existing) -> Result<(), Error> {
        let finished = is_finished(wanted);
        match ModelFolder::is_run(wanted) && existing == Existing::Refuse {
            true => Err(Error::Occupied {
                path: wanted.to_path_buf(),
                finished,
            }),
            false => Ok(()),
        }
    }

    /// Finds or makes the folder. `own` returns the names of a run's files beside those of every run.
    ///
    /// # Errors
    /// A run that already exists, is in use or cannot be removed; a folder that cannot be made.
    pub fn make(
        wanted: &Path,
        existing: Existing,
        own: &dyn Fn(&Path) -> Vec<PathBuf>,
    ) -> Result<Self, Error> {
        for number in 1..=MOST_BESIDE {
            let path = beside(wanted, number);
            if existing == Existing::Beside && is_finished(&path) {
                continue;
            }
            fs::create_dir_all(&path).map_err(Error::io("make the folder", &path))?;
            let lock = match Lock::take(&path) {
                Err(Error::InUse { .. }) if existing == Existing::Beside => continue,
                lock => lock?,
            };
            // The process that held the lock may have finished the run in the meantime.
            let finished = is_finished(&path);
            if existing == Existing::Beside && finished {
                continue;
            }
            match (ModelFolder::is_run(&path), existing) {
                (false, _) => {}
                (true, Existing::Replace) => remove(&path, &own(&path))?,
                (true, _) => return Err(Error::Occupied { path, finished }),
            }
            return Ok(Self { path, lock });
        }
        let problem = format!("{MOST_BESIDE} runs of this name exist; choose another with --out");
        Err(Error::folder(wanted, problem))
    }
}

fn is_finished(folder: &Path) -> bool {
    ModelFolder::open(folder).is_ok_and(|run| run.about().figures.finished)
}

/// `NAME` for 1, `NAME-2` for 2 and so on.
fn beside(folder: &Path, number: u32) -> PathBuf {
    let mut path = folder.to_path_buf();
    if number > 1 {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        path.set_file_name(format!("{name}-{number}"));
    }
    path
}

/// Removes the files of a run, and no others.
fn remove(folder: &Path, own: &[PathBuf]) -> Result<(), Error> {
    let common = ModelFolder::common_files().map(PathBuf::from);
    // A name that leads out of the folder is not the run's, whatever the folder says.
    let files = common.iter().chain(own);
    for file in files.filter_map(|name| inside(folder, name)) {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(Error::io("remove", &file)(error));
            }
            _ => {}
        }
    }
    Ok(())
}
