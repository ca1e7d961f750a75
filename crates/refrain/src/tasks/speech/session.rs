//! A model of speech as media: sound in, text out.

use super::NAME;
use super::listen::{Heard, Listener};
use super::loaded::Loaded;
use crate::error::Error;
use crate::tasks::media::{Text, wrong_medium};
use crate::tasks::{Medium, Piece, Ports, Receiver, Session, Sound, Use};
use crate::train::Control;
use std::sync::Arc;

impl Use for Loaded {
    fn ports(&self) -> Ports {
        Ports {
            takes: Medium::Sound,
            gives: Medium::Text,
            latency: self.latency_seconds(),
        }
    }

    fn begin(self: Arc<Self>) -> Result<Box<dyn Session>, Error> {
        Ok(Box::new(ListeningSession {
            loaded: self,
            listener: None,
        }))
    }

    fn restore(self: Arc<Self>, _: &[u8]) -> Result<Box<dyn Session>, Error> {
        Err(Error::Unsupported {
            task: NAME,
            problem: "cannot restore a session yet",
        })
    }
}

/// A sound that is heard; it begins with the first piece, which has the rate.
struct ListeningSession {
    loaded: Arc<Loaded>,
    listener: Option<(Listener, u32)>,
}

/// Gives finished utterances, a line each.
fn tell(heard: Vec<Heard>, give: Receiver) -> Result<(), Error> {
    for heard in heard {
        let Heard::Final(transcript) = heard else {
            continue;
        };
        if transcript.text.is_empty() {
            continue;
        }
        let detail = serde_json::to_value(&transcript).map_err(|e| Error::Config(e.to_string()))?;
        let piece = Piece::Text(Text {
            text: format!("{}\n", transcript.text),
            detail: Some(detail),
        });
        if give(piece) == Control::Stop {
            break;
        }
    }
    Ok(())
}

impl Session for ListeningSession {
    fn push(&mut self, piece: Piece, give: Receiver) -> Result<(), Error> {
        let Piece::Sound(Sound { samples, rate }) = piece else {
            return Err(wrong_medium(Medium::Sound, &piece));
        };
        let (listener, own) = match &mut self.listener {
            Some((listener, own)) => (listener, *own),
            none => {
                let begun = self.loaded.listen(rate)?.finals_only();
                let (listener, own) = none.insert((begun, rate));
                (listener, *own)
            }
        };
        if own != rate {
            return Err(Error::Config(format!(
                "a piece of {rate} samples a second in a sound of {own}; resample it, or begin a new session"
            )));
        }
        tell(listener.push(&samples)?, give)
    }

    fn finish(&mut self, give: Receiver) -> Result<(), Error> {
        match self.listener.take() {
            Some((mut listener, _)) => tell(listener.finish()?, give),
            None => Ok(()),
        }
    }

    fn store(&self) -> Result<Vec<u8>, Error> {
        Err(Error::Unsupported {
            task: NAME,
            problem: "cannot store a session yet",
        })
    }
}
