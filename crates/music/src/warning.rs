//! Music that was lost or changed while a file was read.

use std::fmt::{self, Display, Formatter};

/// Most places of a text, or damaged parts of a file, that are listed one by one.
const MOST_PLACES: usize = 20;

/// Music that was lost or changed while a file was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Warning {
    /// Notes of the drum channel were left out.
    Drums {
        /// Their number.
        notes: u64,
    },
    /// Events that a score does not keep.
    Dropped {
        /// Bends of the pitch.
        bends: u64,
        /// Controllers other than a pedal that was asked for.
        controllers: u64,
        /// Changes of pressure.
        pressures: u64,
        /// System exclusive messages.
        exclusive: u64,
    },
    /// Notes without an end were ended with the last event of their track.
    Unended {
        /// Their number.
        notes: u64,
    },
    /// Ends of notes that do not sound were ignored.
    StrayEnds {
        /// Their number.
        events: u64,
    },
    /// Notes that end where they begin last one tick.
    NoLength {
        /// Their number.
        notes: u64,
    },
    /// Events without a status byte follow a meta or exclusive event; the status before that event was used.
    OldStatus {
        /// Their number.
        events: u64,
    },
    /// Tracks have no end-of-track event.
    NoEnd {
        /// Their number.
        tracks: u64,
    },
    /// Events that no MIDI file may hold were skipped.
    Illegal {
        /// Their number.
        events: u64,
    },
    /// A part of a file cannot be read and is left out.
    Damaged {
        /// Offset of its first byte.
        at: usize,
        /// Bytes left out.
        bytes: usize,
        /// The cause.
        cause: String,
    },
    /// More damaged parts than are listed.
    MoreDamage {
        /// Their number.
        places: u64,
    },
    /// The length of a track in its header is wrong; the next track was found by its name.
    TrackLength {
        /// Number of the track, from 1.
        track: usize,
    },
    /// The file has another number of tracks than its header says.
    Tracks {
        /// Tracks promised.
        promised: usize,
        /// Tracks found.
        found: usize,
    },
    /// A file of format 0 has several tracks; they were read as parallel ones.
    ManyTracksInFormat0 {
        /// Their number.
        tracks: usize,
    },
    /// The tracks of a format 2 file were put one after the other.
    Sequence {
        /// Their number.
        tracks: usize,
    },
    /// Tempo changes after the last note were left out.
    LateTempos {
        /// Their number.
        events: u64,
    },
    /// Chunks of other kinds were skipped.
    AlienChunks {
        /// Their number.
        chunks: u64,
    },
    /// A remark on a place of a text.
    Place {
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1; 0 for the whole line.
        column: usize,
        /// The remark.
        remark: String,
    },
    /// More remarks on places of a text than are listed.
    MorePlaces {
        /// Their number.
        places: u64,
    },
    /// Bytes that are not UTF-8 were read as Latin-1.
    Latin1,
    /// Lengths that no tick holds were rounded.
    Rounded {
        /// Their number.
        notes: u64,
    },
    /// A remark on the whole file.
    Remark(&'static str),
}

impl Display for Warning {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Drums { notes } => write!(f, "{notes} notes of drums are left out"),
            Self::Dropped {
                bends,
                controllers,
                pressures,
                exclusive,
            } => write!(
                f,
                "not kept: {bends} pitch bends, {controllers} controllers, {pressures} changes of pressure, \
                 {exclusive} system exclusive messages"
            ),
            Self::Unended { notes } => {
                write!(f, "{notes} notes have no end; they end with their track")
            }
            Self::StrayEnds { events } => {
                write!(f, "{events} ends of notes that do not sound are ignored")
            }
            Self::NoLength { notes } => {
                write!(f, "{notes} notes end where they begin; they last one tick")
            }
            Self::OldStatus { events } => write!(
                f,
                "{events} events lack a status byte after a meta or exclusive event; the status before it was used"
            ),
            Self::NoEnd { tracks } => write!(f, "{tracks} tracks lack the end-of-track event"),
            Self::Illegal { events } => write!(
                f,
                "{events} events that a MIDI file must not hold are skipped"
            ),
            Self::Damaged { at, bytes, cause } => {
                write!(
                    f,
                    "{bytes} bytes from byte {at} on are damaged and left out ({cause})"
                )
            }
            Self::MoreDamage { places } => write!(f, "the file is damaged at {places} more places"),
            Self::TrackLength { track } => write!(
                f,
                "track {track} is not as long as its header says; the next track was found by its name"
            ),
            Self::Tracks { promised, found } => {
                write!(
                    f,
                    "the header promises {promised} tracks, and there are {found}"
                )
            }
            Self::ManyTracksInFormat0 { tracks } => write!(
                f,
                "a file of format 0 has {tracks} tracks instead of one; they are read as parallel"
            ),
            Self::Sequence { tracks } => {
                write!(
                    f,
                    "the {tracks} pieces of a format 2 file are put one after the other"
                )
            }
            Self::LateTempos { events } => {
                write!(f, "{events} tempo changes after the last note are left out")
            }
            Self::AlienChunks { chunks } => write!(f, "{chunks} chunks of other kinds are skipped"),
            Self::Place {
                line,
                column: 0,
                remark,
            } => write!(f, "line {line}: {remark}"),
            Self::Place {
                line,
                column,
                remark,
            } => write!(f, "line {line}, column {column}: {remark}"),
            Self::MorePlaces { places } => {
                write!(f, "there are {places} more remarks of this kind")
            }
            Self::Latin1 => write!(f, "the text is not UTF-8; it is read as Latin-1"),
            Self::Rounded { notes } => write!(f, "{notes} lengths were rounded to the next tick"),
            Self::Remark(remark) => write!(f, "{remark}"),
        }
    }
}

/// Collects warnings in bounded memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Warnings {
    list: Vec<Warning>,
    places: usize,
    more_places: u64,
    damage: usize,
    more_damage: u64,
}

impl Warnings {
    /// Adds a warning; places and damage beyond [`MOST_PLACES`] are only counted.
    pub fn add(&mut self, warning: Warning) {
        match warning {
            Warning::Place { .. } if self.places >= MOST_PLACES => self.more_places += 1,
            Warning::Damaged { .. } if self.damage >= MOST_PLACES => self.more_damage += 1,
            _ => {
                self.places += usize::from(matches!(warning, Warning::Place { .. }));
                self.damage += usize::from(matches!(warning, Warning::Damaged { .. }));
                self.list.push(warning);
            }
        }
    }

    /// Adds a remark on a place.
    pub fn place(&mut self, line: usize, column: usize, remark: impl Into<String>) {
        if self.places >= MOST_PLACES {
            self.more_places += 1;
        } else {
            self.add(Warning::Place {
                line,
                column,
                remark: remark.into(),
            });
        }
    }

    /// Adds `warning` if `count` is not zero.
    pub fn some(&mut self, count: u64, warning: impl FnOnce(u64) -> Warning) {
        if count > 0 {
            self.list.push(warning(count));
        }
    }

    pub fn into_list(mut self) -> Vec<Warning> {
        let (places, damage) = (self.more_places, self.more_damage);
        self.some(places, |places| Warning::MorePlaces { places });
        self.some(damage, |places| Warning::MoreDamage { places });
        self.list
    }
}

/// A score and the remarks on its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imported {
    /// The score.
    pub score: crate::Score,
    /// Music that was lost or changed.
    pub warnings: Vec<Warning>,
}
