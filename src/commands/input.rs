//! What the operator wrote: the campaign file, the list of contacts and the numbers never to call, read together, and
//! everything that is wrong with any of them told at once.

use std::path::Path;

use super::SECRET_VARIABLE;
use crate::config::{self, Campaign, Fault, Faults};
use crate::contacts::{List, Shard};
use crate::suppress::Suppressions;

/// What the operator wrote, without a fault.
pub(super) struct Input {
    pub(super) campaign: Campaign,
    pub(super) list: List,
    pub(super) suppress: Suppressions,
}

/// What there is to say of it.
pub(super) struct Examined {
    /// What is hardly meant so.
    pub(super) doubts: Vec<Fault>,
    pub(super) input: Result<Input, Faults>,
}

/// Reads all of it, as far as it can be read: the list is looked at also where the campaign file has faults elsewhere.
pub(super) fn examine(path: &Path, simulate: bool, shard: Option<Shard>) -> Examined {
    let secret = std::env::var(SECRET_VARIABLE).ok();
    let config::Examined {
        mut faults,
        doubts,
        campaign,
    } = config::examine(path, secret, simulate);
    let read = campaign.and_then(|campaign| {
        let list = List::open(&campaign, shard)
            .map_err(|of_list| faults.extend(of_list.0))
            .ok();
        let list = list?;
        // Those that are not there are faults of the campaign file already.
        if !faults.is_empty() {
            return None;
        }
        let suppress = suppressions(&campaign).map_err(|fault| faults.push(fault));
        Some(Input {
            list,
            suppress: suppress.ok()?,
            campaign,
        })
    });
    let input = match read {
        Some(input) if faults.is_empty() => Ok(input),
        _ => Err(Faults(faults)),
    };
    Examined { doubts, input }
}

fn suppressions(campaign: &Campaign) -> Result<Suppressions, Fault> {
    let opt_out = campaign.capture.opt_out.as_ref();
    let numbering = campaign.numbering();
    Suppressions::load(
        &campaign.suppress,
        opt_out.map(|opt_out| opt_out.file.as_path()),
        move |field| numbering.read(field).ok().map(|number| number.key()),
    )
    .map_err(|error| Fault {
        file: error.file,
        line: None,
        column: None,
        message: error.source.to_string(),
    })
}
