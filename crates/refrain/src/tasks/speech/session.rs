//! A model of speech as media: sound in, text out.

use super::NAME;
use super::listen::{Heard, Listener, ListenerState};
use super::loaded::Loaded;
use crate::error::Error;
use crate::tasks::media::{Text, wrong_medium};
use crate::tasks::stored;
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

    fn restore(self: Arc<Self>, state: &[u8]) -> Result<Box<dyn Session>, Error> {
        let state: Option<ListenerState> = stored::open(NAME, self.identity()?, state)?;
        let listener = state.map(|state| Listener::from_plain(self.clone(), state));
        Ok(Box::new(ListeningSession {
            listener: listener.transpose()?,
            loaded: self,
        }))
    }
}

/// A sound that is heard; it begins with the first piece, which has the rate.
struct ListeningSession {
    loaded: Arc<Loaded>,
    listener: Option<Listener>,
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
        let listener = match &mut self.listener {
            Some(listener) => listener,
            none => none.insert(self.loaded.listen(rate)?.finals_only()),
        };
        let own = listener.rate();
        if own != rate {
            return Err(Error::Config(format!(
                "a piece of {rate} samples a second in a sound of {own}; resample it, or begin a new session"
            )));
        }
        tell(listener.push(&samples)?, give)
    }

    fn finish(&mut self, give: Receiver) -> Result<(), Error> {
        match self.listener.take() {
            Some(mut listener) => tell(listener.finish()?, give),
            None => Ok(()),
        }
    }

    fn store(&self) -> Result<Vec<u8>, Error> {
        let state = self.listener.as_ref().map(Listener::plain);
        stored::seal(NAME, self.loaded.identity()?, &state)
    }
}
