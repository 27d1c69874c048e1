//! The events that a contract declares.

use alloy_json_abi::Event;
use entente_types::Hash;

use super::{Abi, EncodeError, listed, spelling};
use crate::limits::{FOUND_CHARACTERS_MAX, shown};

impl Abi {
    /// The first topics of the logs that are an event of this name or full signature: one for each event of the name.
    pub fn event_topics(&self, event: &str) -> Result<Vec<Hash>, EncodeError> {
        let wanted: String = event.chars().filter(|character| !character.is_whitespace()).collect();
        let events = || self.items.events().filter(|event| !event.anonymous);
        let is_meant = |event: &&Event| {
            if wanted.contains('(') { event.signature() == wanted } else { event.name == wanted }
        };
        let topics: Vec<Hash> = events().filter(is_meant).map(|event| Hash(event.selector().0)).collect();
        if topics.is_empty() {
            return Err(EncodeError::UnknownEvent {
                name: shown(event.trim(), FOUND_CHARACTERS_MAX),
                meant: spelling::nearest(&wanted, events(), |event| &event.name).map(Event::signature),
                known: listed(events().map(Event::signature), "events"),
            });
        }
        Ok(topics)
    }
}
