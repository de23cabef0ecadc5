//! What a server says of a stored response without sending it again: that of a 304 (RFC 9111, 4.3.4), or of a response to
//! HEAD (4.3.5).

use super::{
    EdgeCache, filing,
    place::{Permit, Place},
};
use crate::{
    edge::{
        freshness::Times,
        storable::{Asked, Unstorable},
        validation, vary,
    },
    http::{fields::Fields, head::Request},
};

/// Fields that came for a stored response, and when.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) fields: Fields,
    pub(super) times: Times,
}

/// Stores what is stored anew, with new fields; where it then is, for the client that asked.
///
/// What could not have been stored with these fields is not kept with them: the client has it, and who asks next has the server
/// asked again. What must not be stored any more goes.
pub(super) fn freshen(
    edge: &EdgeCache,
    asked: &Asked,
    request: &Request,
    place: &Place,
    permit: Permit,
    update: &Update,
) -> Option<Place> {
    let (head, hit) = place.head()?;
    let stored = head.to_fields();
    let mut fields = validation::freshened(&stored, &update.fields);
    vary::keep_coding(&stored, &mut fields);
    let by_coding = place.by_coding();
    let sheet = filing::sheet(
        &place.primary,
        head.status,
        &fields,
        by_coding,
        update.times,
        &edge.options,
    )?;
    // What is stored answered a GET, whoever asks after it.
    let asked = Asked { get: true, ..*asked };
    match filing::verdict(&asked, head.status, &fields) {
        Ok(()) => {
            place.put(&edge.store, request, permit, &sheet, &hit.value);
        }
        Err(Unstorable::NoStore | Unstorable::Private) if !asked.directives.no_store => {
            edge.store.remove(place.key(), false);
        }
        Err(_) => {}
    }
    Some(place.renewed(&sheet))
}
