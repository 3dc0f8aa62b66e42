//! What the operator wrote: the campaign file, the list of contacts and the numbers never to call, read together, and
//! everything that is wrong with any of them told at once.

use std::path::Path;

use crate::commands::SECRET_VARIABLE;
use crate::config::{self, Campaign, Fault, Faults};
use crate::contacts::{List, Shard};
use crate::suppression::Suppressions;

/// What the operator wrote, without a fault.
pub(super) struct Input {
    pub(super) campaign: Campaign,
    pub(super) list: List,
    pub(super) suppress: Suppressions,
}

/// What there is of it, and what there is to say of it.
pub(super) struct Examined {
    pub(super) faults: Vec<Fault>,
    /// What is hardly meant so.
    pub(super) doubts: Vec<Fault>,
    /// With stand-ins for what could not be read.
    pub(super) campaign: Option<Campaign>,
    pub(super) list: Option<List>,
    pub(super) suppress: Option<Suppressions>,
}

/// Reads all of it, as far as it can be read: the list is looked at also where the campaign file has faults elsewhere.
pub(super) fn examine(path: &Path, simulate: bool, shard: Option<Shard>) -> Examined {
    let secret = std::env::var(SECRET_VARIABLE).ok();
    let config::Examined {
        mut faults,
        doubts,
        campaign,
    } = config::examine(path, secret.as_deref(), simulate);
    let (mut list, mut suppress) = (None, None);
    if let Some(campaign) = &campaign {
        // Lists of numbers that are not there are faults of the campaign file already.
        if faults.is_empty() {
            match suppressions(campaign) {
                Ok(read) => suppress = Some(read),
                Err(fault) => faults.push(fault),
            }
        }
        match List::open(campaign, shard) {
            Ok(read) => list = Some(read),
            Err(of_list) => {
                // What is no name of a column is not missed in the list as well.
                let is_told = |new: &Fault| {
                    let place = |fault: &Fault| (fault.file.clone(), fault.line, fault.column);
                    faults.iter().any(|known| place(known) == place(new))
                };
                let new: Vec<Fault> = of_list.0.into_iter().filter(|new| !is_told(new)).collect();
                faults.extend(new);
            }
        }
    }
    // Those of the campaign file first, from its top to its end; then those of its lists, as they stand there.
    faults.sort_by_key(|fault| {
        let is_of_list = fault.file != path;
        let place = (!is_of_list).then_some((fault.line, fault.column));
        (is_of_list, place)
    });
    Examined {
        faults,
        doubts,
        campaign,
        list,
        suppress,
    }
}

impl Examined {
    /// All of it, if nothing is wrong.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub(super) fn input(self) -> Result<Input, Faults> {
        match (self.campaign, self.list, self.suppress) {
            (Some(campaign), Some(list), Some(suppress)) if self.faults.is_empty() => Ok(Input {
                campaign,
                list,
                suppress,
            }),
            _ => Err(Faults(self.faults)),
        }
    }
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
